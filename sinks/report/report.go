// Package report writes what `analyze` found as one HTML file for people: no
// script from elsewhere, no picture, no network. It opens from a disk and
// prints.
//
// A report has bounds whatever went in: MostRows of each table, a few hundred
// points of each chart, and findings until they fill findingBytes, the most
// severe first. It stays below 2 MiB.
package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"net/netip"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/summary"
	"github.com/flowwatch/flowwatch/sinks/look"
)

// MostRows is how many rows a table has at most. A summary that is to be
// reported needs no longer lists, and no shorter ones: the map counts all
// countries, of which there are fewer.
const MostRows = 250

// findingBytes is how much of a report findings may fill: over a thousand as they
// usually are.
const findingBytes = 1200 << 10

// Input is what is reported.
type Input struct {
	Summary  *summary.Report
	Findings []detect.Finding // the most severe first
	Made     time.Time
	Version  string // of flowwatch
	// Place tells more of an address than the summary; nil when nothing can.
	Place func(netip.Addr) Place
}

// Place is what is known of where an address is and what it is used for.
type Place struct {
	Kind, City          string
	Latitude, Longitude float64 // degrees; they hold where Located is true
	Located             bool
}

//go:embed report.tmpl
var page string

var pageTemplate = template.Must(look.New("report").Parse(page))

// document is what the template shows.
type document struct {
	Input
	CSS      template.CSS
	Script   template.JS
	Policy   string
	Period   string
	Figures  []figure
	Split    *split
	Charts   []*look.Chart
	Map      *worldMap
	Tables   tables
	Findings template.HTML // as the template "finding" wrote them
	Shown    int
	LeftOut  int
}

// tables are the tables of a document.
type tables struct {
	Sources, Ports, Countries, Systems, Directions, Records *look.Table
}

// figure is one of the large numbers. Under says what it is a part of.
type figure struct{ Name, Value, Under string }

// Write writes the report.
func Write(w io.Writer, in Input) error {
	d := &document{
		Input: in, CSS: template.CSS(look.CSS), Script: template.JS(look.TablesJS),
		Policy: "default-src 'none'; style-src '" + hash(look.CSS) + "'; script-src '" + hash(look.TablesJS) + "'; base-uri 'none'; form-action 'none'",
		Period: period(in.Summary), Figures: figures(&in), Split: splitOf(in.Summary),
		Charts: charts(in.Summary), Map: mapOf(&in), Tables: tablesOf(&in),
	}
	if err := d.writeFindings(in.Findings); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, d); err != nil {
		return fmt.Errorf("make report: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// hash is a source expression of Content-Security-Policy for an inline element.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// writeFindings fills Findings until they take up their part of the report.
func (d *document) writeFindings(findings []detect.Finding) error {
	var all, one bytes.Buffer
	for i := range findings {
		one.Reset()
		f := look.FindingOf(&findings[i])
		if err := pageTemplate.ExecuteTemplate(&one, "finding", &f); err != nil {
			return fmt.Errorf("make report: %w", err)
		}
		if all.Len()+one.Len() > findingBytes {
			break
		}
		all.Write(one.Bytes())
		d.Shown++
	}
	d.LeftOut = len(findings) - d.Shown
	d.Findings = template.HTML(all.String()) //nolint:gosec // the template has escaped it
	return nil
}

func period(r *summary.Report) string {
	if r.First == nil {
		return "no record tells its time"
	}
	return fmt.Sprintf("%s to %s (%s)", look.UTC(r.First.Unix()), look.UTC(r.Last.Unix()), look.Span(r.Last.Sub(*r.First)))
}
