package summary

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// Options say what a report holds.
type Options struct {
	Top int // length of the top lists, 10 when 0
	// Locate tells where an address belongs. Without it the lists by country, AS
	// and city are empty.
	Locate   func(netip.Addr) enrich.Place
	Findings []json.RawMessage // as they stand in the JSON
}

// Report is the totals in the form of `analyze --output json`: names and order
// of the fields are what scripts rely on. A field whose column no record had is
// nil, which JSON writes as null.
type Report struct {
	Records       Records           `json:"records"`
	Ingress       Direction         `json:"ingress"`
	Egress        Direction         `json:"egress"`
	Unknown       Direction         `json:"unknown_direction"`
	UniqueSources *int64            `json:"unique_sources"`
	First         *time.Time        `json:"first"`
	Last          *time.Time        `json:"last"`
	TopSources    []Source          `json:"top_sources"`
	TopPorts      []Port            `json:"top_ports"`
	Countries     []Country         `json:"countries"`
	ASNs          []AS              `json:"asns"`
	Findings      []json.RawMessage `json:"findings"`

	// What follows is for the table and other forms of the report, and not in the
	// JSON.

	Reasons      map[string]int64 `json:"-"` // splits Records.Malformed
	AllCountries []Country        `json:"-"` // Countries without an end, for a map
	// Cities are the places in cities, or with coordinates, that a database told of:
	// the 1,000 with most records.
	Cities []City `json:"-"`
	Top    int    `json:"-"` // of Options: as many of them belong in a list
}

// mostCities is how many cities a report holds, at least: dots on a map.
const mostCities = 1000

// Records counts data lines by what they are: Total = OK + NoData + SkipData +
// Malformed. Late ones are among the OK.
type Records struct {
	Total     int64 `json:"total"`
	OK        int64 `json:"ok"`
	NoData    int64 `json:"nodata"`
	SkipData  int64 `json:"skipdata"`
	Malformed int64 `json:"malformed"`
	Late      int64 `json:"late"`
}

// Direction is the totals of the OK records of one direction.
type Direction struct {
	Records       int64  `json:"records"`
	Bytes         *int64 `json:"bytes"`
	Packets       *int64 `json:"packets"`
	Accepted      *int64 `json:"accepted"`
	Rejected      *int64 `json:"rejected"`
	UniqueSources *int64 `json:"unique_sources"`
}

// Source is one source of ingress. Targets is how many distinct (target,
// destination port, protocol) it contacted: exact to 128, then estimated.
type Source struct {
	Addr    netip.Addr `json:"addr"`
	Records int64      `json:"records"`
	Bytes   *int64     `json:"bytes"`
	Packets *int64     `json:"packets"`
	Targets *int64     `json:"targets"`
	Country string     `json:"country"`
	ASN     uint32     `json:"asn"`
	ASName  string     `json:"as_name"`

	Place enrich.Place `json:"-"` // all that is known, with these three
}

// Port is one destination of ingress.
type Port struct {
	Port     uint16 `json:"port"`
	Protocol string `json:"protocol"`
	Records  int64  `json:"records"`

	number uint8
}

// Country is the ingress from one country (ISO 3166-1 alpha-2); "" is all of which
// no country is known, own and private addresses among it.
type Country struct {
	Country       string `json:"country"`
	Records       int64  `json:"records"`
	UniqueSources int64  `json:"unique_sources"`
}

// City is the ingress from one city, or from coordinates without a city's name.
type City struct {
	Country, City       string
	Located             bool
	Latitude, Longitude float64 // degrees, where Located
	Records             int64
	UniqueSources       int64
}

// AS is the ingress from one autonomous system; 0 is all of which none is known,
// own and private addresses among it.
type AS struct {
	ASN           uint32 `json:"asn"`
	ASName        string `json:"as_name"`
	Records       int64  `json:"records"`
	UniqueSources int64  `json:"unique_sources"`
}

// Report makes the report of all that was added and merged.
func (s *Summary) Report(o Options) *Report {
	s.flush()
	if o.Top <= 0 {
		o.Top = 10
	}
	r := &Report{
		Records:    s.records(),
		Reasons:    s.malformed,
		Countries:  []Country{},
		ASNs:       []AS{},
		Findings:   o.Findings,
		Top:        o.Top,
		TopSources: []Source{},
		TopPorts:   s.topPorts(o.Top),
	}
	if r.Findings == nil {
		r.Findings = []json.RawMessage{}
	}
	r.Ingress = s.direction(flowlog.Ingress)
	r.Egress = s.direction(flowlog.Egress)
	r.Unknown = s.direction(0)
	if s.timed {
		first, last := time.Unix(s.first, 0).UTC(), time.Unix(s.last, 0).UTC()
		r.First, r.Last = &first, &last
	}
	s.reportSources(r, o)
	return r
}

func (s *Summary) records() Records {
	r := Records{OK: s.ok, NoData: s.noData, SkipData: s.skipData, Late: s.late}
	for _, n := range s.malformed {
		r.Malformed = add(r.Malformed, n)
	}
	r.Total = add(add(r.OK, r.NoData), add(r.SkipData, r.Malformed))
	return r
}

func (s *Summary) direction(i int) Direction {
	d := s.directions[i]
	return Direction{
		Records:  d.records,
		Bytes:    s.unlessLacking(hasBytes, d.bytes),
		Packets:  s.unlessLacking(hasPackets, d.packets),
		Accepted: s.unlessLacking(hasAction, d.accepted),
		Rejected: s.unlessLacking(hasAction, d.rejected),
	}
}

// unlessLacking returns n, or nil when there were records and none of them had
// the column. Without records nothing is lacking: the sum of nothing is zero.
func (s *Summary) unlessLacking(column has, n int64) *int64 {
	if s.ok > 0 && s.has&column == 0 {
		return nil
	}
	return &n
}

// WriteJSON writes the report as one indented JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
