// Package report writes what `analyze` found as one HTML file for people: no
// script from elsewhere, no picture, no network. It opens from a disk and
// prints.
//
// A report has bounds whatever went in: MostRows of each table, a few hundred
// points of each chart, and as many findings as fit into what the rest leaves of
// mostBytes, the most severe first.
package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/summary"
	"github.com/flowwatch/flowwatch/sinks/look"
)

// MostRows is how many rows a table has at most: a summary that is to be reported
// needs no longer lists.
const MostRows = 250

// mostBytes is how large a report is at most. Some 300 findings fit in, as they
// usually are, and half of that beside tables full of the longest names.
const mostBytes = 2 << 20

// noteBytes is what the page says beside findings, of those that are left out.
const noteBytes = 1 << 10

// Input is what is reported.
type Input struct {
	Summary  *summary.Report
	Findings []detect.Finding // the most severe first
	Made     time.Time
	Version  string // of flowwatch
	// GeoDate is the day of the built-in table of places, "" where there is none.
	GeoDate string
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
	Sources, Ports, Countries, Cities, Systems, Directions, Records *look.Table
}

// figure is one of the large numbers. Under says what it is a part of.
type figure struct{ Name, Value, Under string }

// Write writes the report.
func Write(w io.Writer, in Input) error {
	d := &document{
		Input: in, CSS: template.CSS(look.CSS), Script: template.JS(look.TablesJS), //nolint:gosec // a constant
		Policy: "default-src 'none'; style-src '" + hash(look.CSS) + "'; script-src '" + hash(look.TablesJS) + "'; base-uri 'none'; form-action 'none'",
		Period: period(in.Summary), Figures: figures(&in), Split: splitOf(in.Summary),
		Charts: charts(in.Summary), Map: mapOf(in.Summary), Tables: tablesOf(in.Summary),
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, d); err != nil { // without findings: it tells how much room is left
		return fmt.Errorf("make report: %w", err)
	}
	if len(in.Findings) > 0 {
		if err := d.writeFindings(in.Findings, mostBytes-noteBytes-b.Len()); err != nil {
			return err
		}
		b.Reset()
		if err := pageTemplate.Execute(&b, d); err != nil {
			return fmt.Errorf("make report: %w", err)
		}
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

// writeFindings fills Findings, up to so many bytes.
func (d *document) writeFindings(findings []detect.Finding, most int) error {
	var all, one bytes.Buffer
	for i := range findings {
		one.Reset()
		f := look.FindingOf(&findings[i])
		if err := pageTemplate.ExecuteTemplate(&one, "finding", &f); err != nil {
			return fmt.Errorf("make report: %w", err)
		}
		if all.Len()+one.Len() > most {
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
