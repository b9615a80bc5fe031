package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// Dashboards and rules ask only for metrics that there are, by labels that they
// have: a query that asks for another is no error to Prometheus, but empty for
// ever.

// metricLabels maps each series name to its labels.
type metricLabels map[string][]string

// known returns what a scrape of flowwatch can have: the families that the code
// describes, those of all views (also of what this build or configuration
// can't supply), of the Go runtime and the process, and what Prometheus adds.
func known(t *testing.T) metricLabels {
	t.Helper()
	all := metricLabels{"up": nil}
	for _, f := range families(t) {
		all[f.name] = f.labels
		if f.kind() == "histogram" {
			all[f.name+"_bucket"] = append(slices.Clone(f.labels), "le")
			all[f.name+"_sum"], all[f.name+"_count"] = f.labels, f.labels
		}
	}
	for _, v := range aggregate.BuiltinViews() {
		for _, m := range v.Measure {
			all["flowwatch_"+v.SeriesName(m)] = v.Labels()
		}
	}
	w := newWorld(nil)
	cfg := defaultConfig()
	cfg.Checkpoint.File.Dir = t.TempDir()
	s, err := assemble(context.Background(), &w.env, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	gathered, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range gathered {
		if name := f.GetName(); strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			all[name] = nil
		}
	}
	return all
}

// ofScrape are the labels that Prometheus gives to what it scrapes.
var ofScrape = []string{"job", "instance"}

// check returns what is wrong with an expression.
func (m metricLabels) check(text string) []string {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		return []string{err.Error()}
	}
	var wrong []string
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			wrong = append(wrong, m.checkSelector(n)...)
		case *parser.AggregateExpr:
			wrong = append(wrong, m.checkGrouping(n)...)
		}
		return nil
	})
	return wrong
}

func (m metricLabels) checkSelector(s *parser.VectorSelector) []string {
	have, ok := m[s.Name]
	if !ok {
		return []string{fmt.Sprintf("no metric is called %q", s.Name)}
	}
	var wrong []string
	for _, matcher := range s.LabelMatchers {
		if name := matcher.Name; name != model.MetricNameLabel && !slices.Contains(have, name) && !slices.Contains(ofScrape, name) {
			wrong = append(wrong, fmt.Sprintf("%s has no label %s", s.Name, name))
		}
	}
	return wrong
}

// checkGrouping wants every label of a by to be one of what it groups.
func (m metricLabels) checkGrouping(a *parser.AggregateExpr) []string {
	if a.Without {
		return nil
	}
	have := slices.Clone(ofScrape)
	parser.Inspect(a.Expr, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			have = append(have, m[s.Name]...)
		}
		return nil
	})
	var wrong []string
	for _, name := range a.Grouping {
		if !slices.Contains(have, name) {
			wrong = append(wrong, fmt.Sprintf("grouped by %s, which nothing in %q has", name, a.Expr))
		}
	}
	return wrong
}

func TestWhatIsWrongWithAnExpression(t *testing.T) {
	m := metricLabels{"a_total": {"view"}}
	f := func(expr string, want ...string) {
		t.Helper()
		if got := m.check(expr); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
	f(`sum by (view, instance) (rate(a_total{view="x", job="f"}[5m]))`)
	f(`b_total`, `no metric is called "b_total"`)
	f(`a_total{table="x"}`, `a_total has no label table`)
	f(`sum by (table) (a_total)`, `grouped by table, which nothing in "a_total" has`)
	f(`sum(a_total`, `1:12: parse error: unclosed left parenthesis`)
}

// inGrafana puts in what Grafana puts in for its variables.
func inGrafana(expr string) string {
	return strings.NewReplacer(
		"$job", ".*", "$account", ".*", "$vpc", ".*", "$interface", ".*",
		"$__rate_interval", "15s", "$__range", "2m", "$__interval", "5s",
	).Replace(expr)
}

func TestDashboardExpressions(t *testing.T) {
	metrics := known(t)
	for name, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				for _, wrong := range metrics.check(inGrafana(q.Expr)) {
					t.Errorf("%s: panel %q, query %s: %s", name, p.Title, q.RefID, wrong)
				}
			}
		}
	}
}

var labelValues = regexp.MustCompile(`^label_values\((.+), ([a-z_]+)\)$`)

// A variable lists the values of a label that its metric has.
func TestDashboardVariableQueries(t *testing.T) {
	metrics := known(t)
	for name, d := range dashboards(t) {
		for _, v := range d.Templating.List {
			if v.Type != "query" {
				continue
			}
			var query struct{ Query string }
			if err := json.Unmarshal(v.Query, &query); err != nil {
				t.Errorf("%s: variable %s: %v", name, v.Name, err)
				continue
			}
			m := labelValues.FindStringSubmatch(query.Query)
			if m == nil {
				t.Errorf("%s: variable %s: %q is no label_values(metric, label)", name, v.Name, query.Query)
				continue
			}
			for _, wrong := range metrics.check("count by (" + m[2] + ") (" + inGrafana(m[1]) + ")") {
				t.Errorf("%s: variable %s: %s", name, v.Name, wrong)
			}
		}
	}
}

// Queries in the documents ask for what there is, too.
func TestDocumentedQueries(t *testing.T) {
	metrics := known(t)
	queries := 0
	for _, p := range pages(t) {
		for _, query := range p.blocks("promql") {
			queries++
			for _, wrong := range metrics.check(query) {
				t.Errorf("%s: %s in:\n%s", p.path, wrong, query)
			}
		}
	}
	if queries < 3 {
		t.Errorf("%d queries were seen", queries)
	}
}
