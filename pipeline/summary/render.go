package summary

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// DefaultWidth is the width of a table where none is given, in columns.
const DefaultWidth = 80

// TableOptions say how a report is shown as text.
type TableOptions struct {
	Width    int      // no line is longer, in columns; DefaultWidth when 0
	Color    bool     // headings are bold
	Findings []string // one for each finding; long ones are wrapped
}

// WriteTable writes the report for a person to read.
func (r *Report) WriteTable(w io.Writer, o TableOptions) error {
	if o.Width <= 0 {
		o.Width = DefaultWidth
	}
	t := &text{width: o.Width, color: o.Color}
	r.writeRecords(t)
	r.writeDirections(t)
	r.writeSources(t)
	r.writePorts(t)
	r.writePlaces(t)
	writeFindings(t, o.Findings)
	if _, err := io.WriteString(w, t.b.String()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func (r *Report) writeRecords(t *text) {
	c := r.Records
	t.line("Records   %s in all: %s ok, %s no data, %s skipped, %s malformed",
		count(c.Total), count(c.OK), count(c.NoData), count(c.SkipData), count(c.Malformed))
	var reasons []string
	for _, reason := range slices.Sorted(maps.Keys(r.Reasons)) {
		reasons = append(reasons, reason+" "+count(r.Reasons[reason]))
	}
	if len(reasons) > 0 {
		t.wrap("Malformed ", strings.Join(reasons, ", "))
	}
	if c.Late > 0 {
		t.line("Late      %s of the ok records came too late for their window", count(c.Late))
	}
	if r.First != nil {
		t.line("Time      %s to %s UTC (%s)", r.First.Format(time.DateTime), r.Last.Format(time.DateTime),
			span(r.Last.Sub(*r.First)))
	}
	t.line("Sources   %s distinct", known(r.UniqueSources, count))
}

func (r *Report) writeDirections(t *text) {
	rows := [][]string{{"", "records", "bytes", "packets", "accepted", "rejected", "sources"}}
	for _, d := range []struct {
		name string
		Direction
	}{{"Ingress", r.Ingress}, {"Egress", r.Egress}, {"Unknown", r.Unknown}} {
		rows = append(rows, []string{d.name, count(d.Records), known(d.Bytes, size), known(d.Packets, count),
			known(d.Accepted, count), known(d.Rejected, count), known(d.UniqueSources, count)})
	}
	t.table(rows, 0)
}

func (r *Report) writeSources(t *text) {
	if len(r.TopSources) == 0 {
		return
	}
	rows := [][]string{{"Top sources", "records", "bytes", "packets", "targets"}}
	for _, s := range r.TopSources {
		rows = append(rows, []string{s.Addr.String(), brief(s.Records), known(s.Bytes, size),
			known(s.Packets, brief), known(s.Targets, brief)})
	}
	if slices.ContainsFunc(r.TopSources, func(s Source) bool { return s.Place != enrich.Place{} }) {
		rows[0] = append(rows[0], "from")
		for i := range r.TopSources {
			rows[i+1] = append(rows[i+1], from(&r.TopSources[i].Place))
		}
	}
	t.table(rows, 5)
}

func (r *Report) writePorts(t *text) {
	if len(r.TopPorts) == 0 {
		return
	}
	rows := [][]string{{"Top ports", "records"}}
	for _, p := range r.TopPorts {
		rows = append(rows, []string{fmt.Sprintf("%d/%s", p.Port, p.Protocol), count(p.Records)})
	}
	t.table(rows, 0)
}

func (r *Report) writePlaces(t *text) {
	if len(r.Countries) > 0 {
		rows := [][]string{{"Countries", "records", "sources"}}
		for _, c := range r.Countries {
			name := c.Country
			if name == "" {
				name = noPlace
			}
			rows = append(rows, []string{name, count(c.Records), count(c.UniqueSources)})
		}
		t.table(rows, 0)
	}
	if len(r.Cities) > 0 {
		rows := [][]string{{"Cities", "records", "sources"}}
		for _, c := range r.Cities[:min(len(r.Cities), r.Top)] {
			name := c.City
			if name == "" {
				name = fmt.Sprintf("%.2f, %.2f", c.Latitude, c.Longitude)
			}
			rows = append(rows, []string{strings.TrimSpace(c.Country + " " + clip(printable(name), 40)), count(c.Records), count(c.UniqueSources)})
		}
		t.table(rows, 0)
	}
	if len(r.ASNs) > 0 {
		rows := [][]string{{"Networks", "records", "sources", "name"}}
		for _, a := range r.ASNs {
			number := as(a.ASN, "")
			if number == "" {
				number = noPlace
			}
			rows = append(rows, []string{number, count(a.Records), count(a.UniqueSources), a.ASName})
		}
		t.table(rows, 3)
	}
}

func writeFindings(t *text, findings []string) {
	t.line("")
	if len(findings) == 0 {
		t.heading("No findings")
		return
	}
	t.heading(fmt.Sprintf("Findings: %d", len(findings)))
	for _, f := range findings {
		t.wrap("  ", f)
	}
}

// noPlace is what the lists say of addresses that have no country or system, or
// none that is known.
const noPlace = "none known"

// from says where a source belongs, the short and telling first.
func from(p *enrich.Place) string {
	var parts []string
	for _, part := range []string{p.Country, string(p.Kind), as(p.ASN, p.ASName), p.Service, p.City} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " ")
}

func as(number uint32, name string) string {
	if number == 0 {
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf("AS%d %s", number, name))
}
