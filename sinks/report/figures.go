package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
	"github.com/flowwatch/flowwatch/pipeline/summary"
	"github.com/flowwatch/flowwatch/sinks/look"
)

func figures(in *Input) []figure {
	r := in.Summary
	bytes := look.Unknown
	if r.Ingress.Bytes != nil {
		bytes = look.Bytes(float64(*r.Ingress.Bytes))
	}
	severe := 0
	for i := range in.Findings {
		if in.Findings[i].Severity >= detect.High {
			severe++
		}
	}
	return []figure{
		{"Records", look.Count(r.Records.Total), look.Count(r.Records.OK) + " with traffic"},
		{"Ingress records", look.Count(r.Ingress.Records), look.Share(r.Ingress.Records, r.Records.OK) + " of those"},
		{"Ingress bytes", bytes, look.Optional(r.Ingress.Packets) + " packets"},
		{"Unique sources of ingress", look.Optional(r.Ingress.UniqueSources), look.Optional(r.UniqueSources) + " in all directions"},
		{"Findings", look.Count(int64(len(in.Findings))), fmt.Sprintf("%s high or critical", look.Count(int64(severe)))},
	}
}

// split is accepted against rejected ingress, in parts of a hundred.
type split struct {
	Accepted, Rejected           string // with their share
	AcceptedWidth, RejectedStart string
}

func splitOf(r *summary.Report) *split {
	if r.Ingress.Accepted == nil || r.Ingress.Rejected == nil || *r.Ingress.Accepted+*r.Ingress.Rejected == 0 {
		return nil
	}
	accepted, rejected := *r.Ingress.Accepted, *r.Ingress.Rejected
	all := float64(accepted) + float64(rejected)
	at := strconv.FormatFloat(100*float64(accepted)/all, 'f', 2, 64) + "%"
	return &split{
		Accepted:      look.Count(accepted) + " accepted, " + look.Share(accepted, int64(all)),
		Rejected:      look.Count(rejected) + " rejected, " + look.Share(rejected, int64(all)),
		AcceptedWidth: at, RejectedStart: at,
	}
}

// charts are the records and bytes over time, of ingress where there is any and
// else of everything.
func charts(r *summary.Report) []*look.Chart {
	t := r.Timeline
	step := int64(t.Step.Seconds())
	every := "One bar is " + look.Span(t.Step) + "."
	records := &look.Chart{Title: "Ingress records", Step: step, Note: every, Empty: "No record tells its time."}
	bytes := &look.Chart{Title: "Ingress bytes", Step: step, Note: every, Bytes: true, Empty: "No record tells its time and bytes."}
	n := len(t.Intervals)
	accepted, rejected, other, volume := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for i, interval := range t.Intervals {
		records.Times = append(records.Times, interval.Start.Unix())
		accepted[i], rejected[i], volume[i] = float64(interval.Accepted), float64(interval.Rejected), float64(interval.Bytes)
		other[i] = float64(interval.Records[flowlog.Ingress]) - accepted[i] - rejected[i]
		if r.Ingress.Records == 0 {
			other[i] = float64(interval.Records[0]) + float64(interval.Records[flowlog.Egress])
		}
	}
	bytes.Times = records.Times
	switch {
	case r.Ingress.Records == 0:
		records.Title = "Records"
		records.Series = []look.Series{{Name: "records", Class: "accepted", Kind: look.Stacked, Values: other}}
		return []*look.Chart{records}
	case r.Ingress.Accepted == nil:
		records.Series = []look.Series{{Name: "records", Class: "accepted", Kind: look.Stacked, Values: other}}
	default:
		records.Series = []look.Series{
			{Name: "accepted", Class: "accepted", Kind: look.Stacked, Values: accepted},
			{Name: "rejected", Class: "rejected", Kind: look.Stacked, Values: rejected},
		}
	}
	if r.Ingress.Bytes == nil {
		return []*look.Chart{records}
	}
	bytes.Series = []look.Series{{Name: "bytes", Class: "accepted", Kind: look.Stacked, Values: volume}}
	return []*look.Chart{records, bytes}
}

func tablesOf(r *summary.Report) tables {
	return tables{
		Sources: sourcesTable(r), Ports: portsTable(r), Countries: countriesTable(r), Cities: citiesTable(r), Systems: systemsTable(r),
		Directions: directionsTable(r), Records: recordsTable(r),
	}
}

func first[T any](all []T) []T { return all[:min(MostRows, len(all))] }

func sourcesTable(r *summary.Report) *look.Table {
	t := &look.Table{
		Name: "sources", Title: "Top sources of ingress",
		Note: "By records. Targets are distinct addresses, ports and protocols: exact to 128, then estimated.",
		Columns: slices.Concat([]look.Column{{Name: "Source"}, {Name: "Records", Number: true}}, look.PlaceColumns(), []look.Column{
			{Name: "Bytes", Number: true}, {Name: "Packets", Number: true}, {Name: "Targets", Number: true},
		}),
		Empty: "No record of ingress has a source.",
	}
	all := first(r.TopSources)
	for i := range all {
		s := &all[i]
		t.Rows = append(t.Rows, slices.Concat(
			[]look.Cell{look.Code(s.Addr.String()), look.Int(s.Records).Of(s.Records, all[0].Records)},
			look.PlaceCells(&s.Place),
			[]look.Cell{look.Size(s.Bytes), look.Maybe(s.Packets), look.Maybe(s.Targets)},
		))
	}
	return t
}

func portsTable(r *summary.Report) *look.Table {
	t := &look.Table{
		Name: "ports", Title: "Top ports",
		Columns: []look.Column{{Name: "Port", Number: true}, {Name: "Protocol"}, {Name: "Records", Number: true}},
		Empty:   "No record of ingress has a port.",
	}
	all := first(r.TopPorts)
	for _, p := range all {
		t.Rows = append(t.Rows, []look.Cell{
			{Text: strconv.Itoa(int(p.Port)), Sort: strconv.Itoa(int(p.Port))}, look.Text(p.Protocol), look.Int(p.Records).Of(p.Records, all[0].Records),
		})
	}
	return t
}

// notKnown is the place of addresses that nothing tells the place of.
const notKnown = "not known"

func countriesTable(r *summary.Report) *look.Table {
	t := &look.Table{
		Name: "countries", Title: "Countries",
		Columns: []look.Column{{Name: "Country"}, {Name: "Records", Number: true}, {Name: "Sources", Number: true}},
		Empty:   "Nothing tells the country of any source.",
	}
	largest := int64(0) // of those that are known: the rest has no bar, and would dwarf them
	for _, c := range first(r.Countries) {
		country, records := notKnown, look.Int(c.Records)
		if c.Country != "" {
			largest = max(largest, c.Records)
			country, records = look.Country(c.Country), records.Of(c.Records, largest)
		}
		t.Rows = append(t.Rows, []look.Cell{look.Text(country), records, look.Int(c.UniqueSources)})
	}
	return t
}

// citiesTable is nil where no database tells of cities.
func citiesTable(r *summary.Report) *look.Table {
	if len(r.Cities) == 0 {
		return nil
	}
	t := &look.Table{
		Name: "cities", Title: "Cities",
		Columns: []look.Column{{Name: "City"}, {Name: "Records", Number: true}, {Name: "Sources", Number: true}},
	}
	all := first(r.Cities)
	for i := range all {
		c := &all[i]
		t.Rows = append(t.Rows, []look.Cell{
			look.Text(cityName(c)), look.Int(c.Records).Of(c.Records, all[0].Records), look.Int(c.UniqueSources),
		})
	}
	return t
}

// cityName names a city with its country, and a place without a name by its
// coordinates.
func cityName(c *summary.City) string {
	name := look.PlaceName(c.City)
	if name == "" {
		name = fmt.Sprintf("%.2f, %.2f", c.Latitude, c.Longitude)
	}
	if c.Country != "" {
		name += ", " + look.Country(c.Country)
	}
	return name
}

func systemsTable(r *summary.Report) *look.Table {
	t := &look.Table{
		Name: "systems", Title: "Networks (autonomous systems)",
		Columns: []look.Column{{Name: "ASN", Number: true}, {Name: "Organisation"}, {Name: "Records", Number: true}, {Name: "Sources", Number: true}},
		Empty:   "Nothing tells the network of any source.",
	}
	largest := int64(0) // as with countries
	for _, a := range first(r.ASNs) {
		number, organisation, records := look.Cell{Text: look.Unknown}, notKnown, look.Int(a.Records)
		if a.ASN != 0 {
			largest = max(largest, a.Records)
			digits := strconv.FormatUint(uint64(a.ASN), 10)
			number, organisation, records = look.Cell{Text: digits, Sort: digits}, look.PlaceName(a.ASName), records.Of(a.Records, largest)
		}
		t.Rows = append(t.Rows, []look.Cell{number, look.Text(organisation), records, look.Int(a.UniqueSources)})
	}
	return t
}

func directionsTable(r *summary.Report) *look.Table {
	t := &look.Table{
		Name: "directions", Title: "By direction",
		Columns: []look.Column{
			{Name: "Direction"}, {Name: "Records", Number: true}, {Name: "Bytes", Number: true}, {Name: "Packets", Number: true},
			{Name: "Accepted", Number: true}, {Name: "Rejected", Number: true}, {Name: "Sources", Number: true},
		},
	}
	for _, d := range []struct {
		name string
		summary.Direction
	}{{"Ingress", r.Ingress}, {"Egress", r.Egress}, {"Unknown", r.Unknown}} {
		t.Rows = append(t.Rows, []look.Cell{
			look.Text(d.name), look.Int(d.Records), look.Size(d.Bytes), look.Maybe(d.Packets), look.Maybe(d.Accepted), look.Maybe(d.Rejected), look.Maybe(d.UniqueSources),
		})
	}
	return t
}

func recordsTable(r *summary.Report) *look.Table {
	t := &look.Table{
		Name: "records", Title: "What the lines were",
		Note:    "A late record counts in the totals and in no window, so no rule has seen it.",
		Columns: []look.Column{{Name: "Kind"}, {Name: "Lines", Number: true}},
	}
	add := func(kind string, n int64) { t.Rows = append(t.Rows, []look.Cell{look.Text(kind), look.Int(n)}) }
	add("With traffic (OK)", r.Records.OK)
	add("Of these late", r.Records.Late)
	add("No traffic in the interval (NODATA)", r.Records.NoData)
	add("Skipped by AWS (SKIPDATA): a blind spot", r.Records.SkipData)
	for _, reason := range slices.Sorted(maps.Keys(r.Reasons)) {
		add("Malformed: "+reason, r.Reasons[reason])
	}
	if len(r.Reasons) == 0 {
		add("Malformed", r.Records.Malformed)
	}
	return t
}

// steps are the shades of the map.
const steps = 5

// shade is the step, 1 to steps, of n of the most, on a scale of logarithms.
func shade(n, most int64) int {
	if n <= 0 {
		return 0
	}
	return max(1, min(steps, int(math.Ceil(steps*math.Log1p(float64(n))/math.Log1p(float64(most))-1e-9))))
}
