package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ruleFile is what stands in deploy/prometheus/rules.yml.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Record, Alert, Expr string
			Labels, Annotations map[string]string
		}
	}
}

// ruleCases is what stands in deploy/prometheus/rules_test.yml.
type ruleCases struct {
	Tests []struct {
		Expressions []struct {
			Expr    string
			Samples []any `yaml:"exp_samples"`
		} `yaml:"promql_expr_test"`
	}
}

// Each alert has a case in which promtool wants it to fire, and one in which it
// is to stay quiet: promtool itself runs the cases that there are.
func TestEveryAlertHasItsCases(t *testing.T) {
	var file ruleFile
	readYAML(t, filepath.Join("..", "..", "deploy", "prometheus", "rules.yml"), &file)
	var cases ruleCases
	readYAML(t, filepath.Join("..", "..", "deploy", "prometheus", "rules_test.yml"), &cases)
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range cases.Tests {
		for _, e := range test.Expressions {
			m := alertOf.FindStringSubmatch(e.Expr)
			if m == nil {
				continue
			}
			if len(e.Samples) > 0 {
				fires[m[1]] = true
			} else {
				quiet[m[1]] = true
			}
		}
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert != "" && (!fires[r.Alert] || !quiet[r.Alert]) {
				t.Errorf("%s: has a case to fire in: %v, one to stay quiet in: %v", r.Alert, fires[r.Alert], quiet[r.Alert])
			}
		}
	}
}

var alertOf = regexp.MustCompile(`ALERTS\{alertname="(\w+)", alertstate="firing"\}`)

// recordedLabels are those of a recording rule's result, beside job and
// instance, by the level that its name begins with.
var recordedLabels = map[string][]string{
	"account_vpc": {"account_id", "vpc_id"},
	"job":         {},
}

// recorded is the name of a recording rule: level, metric and operations.
var recorded = regexp.MustCompile(`^([a-z_]+):flowwatch_[a-z0-9_]+:[a-z0-9_]+$`)

// Every alert has its texts and a runbook that exists, and every expression asks
// for metrics and labels that there are. (promtool runs them, in .ci.)
func TestPrometheusRules(t *testing.T) {
	var file ruleFile
	readYAML(t, filepath.Join("..", "..", "deploy", "prometheus", "rules.yml"), &file)
	metrics := known(t)
	var alerts []string
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			for _, wrong := range metrics.check(r.Expr) {
				t.Errorf("%s%s: %s", r.Record, r.Alert, wrong)
			}
			if r.Record != "" {
				m := recorded.FindStringSubmatch(r.Record)
				if m == nil || recordedLabels[m[1]] == nil {
					t.Errorf("%s: want level:metric:operations, with a level that is known here", r.Record)
					continue
				}
				metrics[r.Record] = recordedLabels[m[1]]
			}
			if r.Alert == "" {
				continue
			}
			alerts = append(alerts, r.Alert)
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s lacks a severity, a summary or a description", r.Alert)
			}
			page := filepath.Join("..", "..", "docs", "runbooks", r.Alert+".md")
			if _, err := os.Stat(page); err != nil || !strings.HasSuffix(r.Annotations["runbook_url"], "/docs/runbooks/"+r.Alert+".md") {
				t.Errorf("%s: runbook %q: %v", r.Alert, r.Annotations["runbook_url"], err)
			}
		}
	}
	if len(alerts) < 10 {
		t.Errorf("only %d alerts were read", len(alerts))
	}
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "runbooks", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if name := strings.TrimSuffix(filepath.Base(page), ".md"); !slices.Contains(alerts, name) {
			t.Errorf("%s is the page of no alert", page)
		}
	}
}
