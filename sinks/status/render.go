package status

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/sinks/look"
)

//go:embed status.tmpl
var page string

var pageTemplate = template.Must(look.New("status").Parse(page))

// How much the page shows.
const (
	mostOpen       = 50
	mostRecent     = 30
	mostSources    = 15
	shownPartition = 100
)

// document is what the template shows.
type document struct {
	State       *State
	Now, Pane   string
	Figures     []figure
	Open        []look.Finding
	OpenLeftOut int64
	Charts      charts
	Sources     *look.Table
	Recent      []look.Finding
	Partitions  *look.Table
	GeoDate     string
}

// figure is one of the large numbers.
type figure struct{ Name, Value, Under string }

// render writes the page.
func render(of *Dependencies, s *State, p *pipeline.Published, c charts) ([]byte, error) {
	d := &document{
		State: s, Now: s.Now.Format("2006-01-02 15:04:05"), Figures: figuresOf(s), Charts: c,
		Sources: sourcesTable(p, of.Place), GeoDate: of.GeoDate, Partitions: partitionsTable(s),
	}
	if len(c.Ingress) > 0 {
		d.Pane = look.Span(time.Duration(c.Ingress[0].Step) * time.Second)
	}
	open := slices.SortedFunc(slices.Values(p.Open), func(a, b *detect.Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.Time, a.Time), cmp.Compare(a.UID, b.UID))
	})
	d.OpenLeftOut = int64(max(0, len(open)-mostOpen))
	for _, f := range open[:min(mostOpen, len(open))] {
		shown := look.FindingOf(f)
		shown.Key = "open " + shown.UID // the same after an update
		d.Open = append(d.Open, shown)
	}
	for _, f := range slices.Backward(p.Recent[max(0, len(p.Recent)-mostRecent):]) {
		d.Recent = append(d.Recent, look.FindingOf(f))
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, d); err != nil {
		return nil, fmt.Errorf("make status page: %w", err)
	}
	return b.Bytes(), nil
}

func figuresOf(s *State) []figure {
	watermark, behind := look.Unknown, "no window is closed yet"
	if s.Watermark != nil {
		watermark, behind = s.Watermark.Format("15:04:05"), "UTC, "+look.Span(s.Now.Sub(*s.Watermark))+" behind now"
	}
	lag, of := look.Unknown, "nothing is read"
	if s.LagSeconds != nil {
		lag, of = look.Span(time.Duration(*s.LagSeconds*float64(time.Second))), "of the slowest partition"
	}
	commit, ago := look.Unknown, "none yet"
	if s.LastCommit != nil {
		commit, ago = s.LastCommit.Format("15:04:05"), "UTC, by this machine"
	}
	return []figure{
		{"Watermark", watermark, behind},
		{"Lag", lag, of},
		{"Throughput", look.Number(s.Throughput.RecordsPerSecond) + "/s", look.Bytes(s.Throughput.BytesPerSecond) + "/s, over a minute"},
		{"Last commit", commit, ago},
		{"Open incidents", strconv.Itoa(s.Incidents.All()), fmt.Sprintf("%d high or critical", s.Incidents.Critical+s.Incidents.High)},
		{"Records", look.Count(s.Records.OK + s.Records.NoData + s.Records.SkipData), fmt.Sprintf("%s malformed, %s late", look.Count(s.Records.Malformed), look.Count(s.Records.Late))},
	}
}

// sourcesTable shows the view of sources, whatever it measures, with where each
// belongs after the first measure.
func sourcesTable(p *pipeline.Published, where func(netip.Addr) enrich.Place) *look.Table {
	t := &look.Table{
		Name: "sources", Title: "Top sources of the last window", Columns: []look.Column{{Name: "Source"}},
		Empty: "No window has closed yet.",
	}
	i := slices.IndexFunc(p.Views, func(v pipeline.PublishedView) bool { return v.Top > 0 && len(v.By) == 1 && v.By[0] == "source" })
	if i < 0 {
		t.Empty = "No view counts by source: views of the configuration has none that is by [source] with top."
		return t
	}
	v := &p.Views[i]
	for _, m := range v.Measure {
		t.Columns = append(t.Columns, look.Column{Name: strings.ReplaceAll(strings.ToUpper(m[:1])+m[1:], "_", " "), Number: true})
	}
	t.Columns = slices.Insert(t.Columns, placesAt, look.PlaceColumns()...)
	for _, s := range v.Gauges[:min(mostSources, len(v.Gauges))] {
		row := []look.Cell{look.Code(s.Labels[0])}
		for j, n := range s.Values {
			cell := look.Int(n)
			if v.Measure[j] == "bytes" {
				cell = look.Size(&n)
			}
			if j == 0 {
				cell = cell.Of(n, v.Gauges[0].Values[0])
			}
			row = append(row, cell)
		}
		var place enrich.Place
		if addr, err := netip.ParseAddr(s.Labels[0]); err == nil { // else it is "other"
			place = where(addr)
		}
		t.Rows = append(t.Rows, slices.Insert(row, placesAt, look.PlaceCells(&place)...))
	}
	return t
}

// placesAt is the column of the places: a phone shows the first measure too.
const placesAt = 2

func partitionsTable(s *State) *look.Table {
	t := &look.Table{
		Name: "partitions", Title: "What is being read",
		Columns: []look.Column{{Name: "Partition"}, {Name: "State"}, {Name: "Watermark"}, {Name: "Lag", Number: true}},
		Empty:   "No partition is registered, or all have been read to their end.",
	}
	for _, p := range s.Partitions[:min(shownPartition, len(s.Partitions))] {
		state, watermark, lag := "waits", look.Unknown, look.Cell{Text: look.Unknown}
		if p.Reading {
			state = "is read"
		}
		if p.Watermark != nil {
			watermark = p.Watermark.Format("2006-01-02 15:04:05")
		}
		if p.LagSeconds != nil {
			lag = look.Cell{Text: look.Span(time.Duration(*p.LagSeconds * float64(time.Second))), Sort: strconv.FormatFloat(*p.LagSeconds, 'f', -1, 64)}
		}
		t.Rows = append(t.Rows, []look.Cell{look.Code(p.ID), look.Text(state), look.Text(watermark), lag})
	}
	if more := len(s.Partitions) + s.PartitionsLeftOut - len(t.Rows); more > 0 {
		t.Note = look.Count(int64(more)) + " more are in /status.json or at /metrics."
	}
	return t
}
