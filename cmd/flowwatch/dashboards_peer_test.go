package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// peerPrometheus is the base URL of a Prometheus that has scraped the demo at
// least until its attacks were found; .ci/peers-prometheus starts one.
const peerPrometheus = "FLOWWATCH_PROMETHEUS"

// Every query of every panel has an answer with a number in it, and with the
// labels that the panel shows.
func TestDashboardsShowTheDemo(t *testing.T) {
	base := os.Getenv(peerPrometheus)
	if base == "" {
		t.Skip(peerPrometheus + " names no Prometheus that scrapes the demo; .ci/peers-prometheus does")
	}
	now := time.Now()
	for name, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				where := fmt.Sprintf("%s: panel %q, query %s", name, p.Title, q.RefID)
				got, err := ask(base, q, now)
				if err != nil {
					t.Errorf("%s: %v", where, err)
					continue
				}
				if got.numbers == 0 {
					t.Errorf("%s has no number: %s", where, q.Expr)
				}
				for _, label := range p.labelsShown(q) {
					if !slices.Contains(got.labels, label) {
						t.Errorf("%s shows label %s, and the answer has %v", where, label, got.labels)
					}
				}
			}
		}
	}
}

var inLegend = regexp.MustCompile(`\{\{(\w+)\}\}`)

// labelsShown are the labels that a panel makes a legend or columns of.
func (p *panel) labelsShown(q panelTarget) (all []string) {
	for _, m := range inLegend.FindAllStringSubmatch(q.LegendFormat, -1) {
		all = append(all, m[1])
	}
	for _, t := range p.Transformations {
		for column := range t.Options.RenameByName {
			if !strings.HasPrefix(column, "Value") {
				all = append(all, column)
			}
		}
	}
	return all
}

// promAnswer is what there is in an answer: how many numbers, and the labels that
// every series has.
type promAnswer struct {
	numbers int
	labels  []string
}

// ask puts a query as Grafana does, over the minute before now or for a moment.
func ask(base string, q panelTarget, now time.Time) (got promAnswer, err error) {
	at := func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
	path, form := "/api/v1/query_range", url.Values{"query": {inGrafana(q.Expr)}, "start": {at(now.Add(-time.Minute))}, "end": {at(now)}, "step": {"5"}}
	if q.Instant {
		path, form = "/api/v1/query", url.Values{"query": {inGrafana(q.Expr)}, "time": {at(now)}}
	}
	client := &http.Client{Timeout: 30 * time.Second}
	response, err := client.PostForm(base+path, form)
	if err != nil {
		return got, err
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Value  *promSample  // of a moment
				Values []promSample // over a range
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return got, err
	}
	if answer.Status != "success" {
		return got, fmt.Errorf("%s: %s", answer.Status, answer.Error)
	}
	for i, r := range answer.Data.Result {
		if i == 0 {
			got.labels = slices.Sorted(maps.Keys(r.Metric))
		}
		got.labels = slices.DeleteFunc(got.labels, func(label string) bool { return r.Metric[label] == "" })
		if r.Value != nil {
			r.Values = append(r.Values, *r.Value)
		}
		for _, s := range r.Values {
			if !math.IsNaN(float64(s)) {
				got.numbers++
			}
		}
	}
	return got, nil
}

// promSample is the value of a [time, "value"].
type promSample float64

func (s *promSample) UnmarshalJSON(text []byte) error {
	var at float64
	var value string
	if err := json.Unmarshal(text, &[]any{&at, &value}); err != nil {
		return err
	}
	v, err := strconv.ParseFloat(value, 64)
	*s = promSample(v)
	return err
}
