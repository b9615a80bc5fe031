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

var metricName = regexp.MustCompile(`\b(?:[a-z_]+:)?flowwatch_[a-z0-9_]+(?::[a-z0-9_]+)?`)

// Every alert has its texts and a runbook that exists, and every expression asks
// for metrics that there are. (promtool parses and runs them, in .ci.)
func TestPrometheusRules(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "prometheus", "rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file ruleFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range families(t) {
		known[f.name] = true
		if f.kind() == "histogram" {
			known[f.name+"_bucket"], known[f.name+"_sum"], known[f.name+"_count"] = true, true, true
		}
	}
	var alerts []string
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Record != "" {
				known[r.Record] = true
			}
			for _, name := range metricName.FindAllString(r.Expr, -1) {
				if !known[name] {
					t.Errorf("%s%s asks for %s, which there is not", r.Record, r.Alert, name)
				}
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
