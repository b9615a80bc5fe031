package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
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
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "prometheus", "rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file ruleFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
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
