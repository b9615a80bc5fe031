package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dashboard is what the tests look at of a Grafana dashboard's JSON. The rest
// is held against Grafana's own schema by .ci/dashboards.
type dashboard struct {
	UID, Title, Description string
	Tags                    []string
	Links                   []dashboardLink
	Templating              struct{ List []templateVariable }
	Panels                  []panel
}

type dashboardLink struct {
	Type                  string
	Tags                  []string
	IncludeVars, KeepTime bool
	URL                   string
}

type templateVariable struct {
	Name, Type, Description, AllValue string
	Query                             json.RawMessage // a text, or an object with one
	Multi, IncludeAll                 bool
	Hide                              int
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               struct{ UID string }
	GridPos                  struct{ X, Y, W, H int }
	Interval                 string
	Targets                  []panelTarget
	Transformations          []struct {
		Options struct{ RenameByName map[string]string }
	}
	FieldConfig struct {
		Defaults  struct{ Unit string }
		Overrides []struct {
			Matcher    struct{ Options any }
			Properties []struct {
				ID    string
				Value any
			}
		}
	}
}

type panelTarget struct {
	Datasource                struct{ UID string }
	RefID, Expr, LegendFormat string
	Instant                   bool
}

const dashboardFolder = "../../deploy/grafana/dashboards"

// dashboards reads them all, by the name of their file.
func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dashboardFolder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]dashboard{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[strings.TrimSuffix(filepath.Base(path), ".json")] = d
	}
	if len(all) == 0 {
		t.Fatal("no dashboard in " + dashboardFolder)
	}
	return all
}

// A dashboard is known by the name of its file, and whoever is on one reaches
// the others with the same selection and time.
func TestDashboardsBelongTogether(t *testing.T) {
	want := map[string]string{
		"ingress": "flowwatch / Ingress overview", "detection": "flowwatch / Detection", "pipeline": "flowwatch / Pipeline",
	}
	titles := map[string]string{}
	for name, d := range dashboards(t) {
		titles[name] = d.Title
		if d.UID != "flowwatch-"+name {
			t.Errorf("%s: uid %s, want flowwatch-%s", name, d.UID, name)
		}
		if d.Description == "" {
			t.Errorf("%s has no description", name)
		}
		if !slices.Equal(d.Tags, []string{"flowwatch"}) {
			t.Errorf("%s: tags %v, want flowwatch: it is what the links go by", name, d.Tags)
		}
		if !slices.ContainsFunc(d.Links, func(l dashboardLink) bool {
			return l.Type == "dashboards" && slices.Equal(l.Tags, d.Tags) && l.IncludeVars && l.KeepTime
		}) {
			t.Errorf("%s has no link to the other dashboards that keeps selection and time", name)
		}
	}
	if diff := cmp.Diff(want, titles); diff != "" {
		t.Errorf("dashboards (-want +got):\n%s", diff)
	}
}

// Links in panels name a dashboard that exists.
func TestDashboardLinksLeadSomewhere(t *testing.T) {
	all := dashboards(t)
	for name := range all {
		text, err := os.ReadFile(filepath.Join(dashboardFolder, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, rest := range strings.Split(string(text), `"/d/`)[1:] {
			uid := rest[:strings.IndexAny(rest, `?"/`)]
			if _, ok := all[strings.TrimPrefix(uid, "flowwatch-")]; !ok {
				t.Errorf("%s links to dashboard %s, which there is not", name, uid)
			}
		}
	}
}

// Every dashboard has the same variables, so that links can hand a selection
// on. Those of the traffic are hidden where nothing is shown by them.
func TestDashboardVariables(t *testing.T) {
	want := []string{"datasource", "job", "account", "vpc", "interface"}
	for name, d := range dashboards(t) {
		var names []string
		for _, v := range d.Templating.List {
			names = append(names, v.Name)
			used := slices.ContainsFunc(d.Panels, func(p panel) bool {
				return strings.Contains(p.Datasource.UID, "$") && v.Type == "datasource" ||
					slices.ContainsFunc(p.Targets, func(q panelTarget) bool { return strings.Contains(q.Expr, "$"+v.Name) })
			})
			if hidden := v.Hide == 2; used == hidden {
				t.Errorf("%s: variable %s: used is %v and hidden is %v", name, v.Name, used, hidden)
			}
			if v.Description == "" {
				t.Errorf("%s: variable %s has no description", name, v.Name)
			}
			if v.Type == "query" && (!v.Multi || !v.IncludeAll || v.AllValue != ".*") {
				t.Errorf("%s: variable %s: want several values, and all of them as .*", name, v.Name)
			}
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s: variables (-want +got):\n%s", name, diff)
		}
	}
}

// The unique sources are drawn with what is expected of them, the threshold, and
// the band between: it names both by their legends.
func TestUniqueSourcesHaveABand(t *testing.T) {
	panels := dashboards(t)["ingress"].Panels
	i := slices.IndexFunc(panels, func(p panel) bool { return p.Title == "Unique sources, expected and threshold" })
	if i < 0 {
		t.Fatal("there is no such panel")
	}
	p := panels[i]
	metrics := map[string]string{"Expected": "flowwatch_ingress_expected{", "Threshold": "flowwatch_ingress_threshold{", "Sources at {{interface_id}}": "flowwatch_ingress_unique_sources{"}
	for _, q := range p.Targets {
		if want := metrics[q.LegendFormat]; want == "" || !strings.HasPrefix(q.Expr, "max by (account_id, vpc_id, interface_id) ("+want) {
			t.Errorf("query %s is called %q and asks for %s", q.RefID, q.LegendFormat, q.Expr)
		}
		delete(metrics, q.LegendFormat)
	}
	var below any // the line down to which the area under Threshold is filled
	for _, o := range p.FieldConfig.Overrides {
		for _, property := range o.Properties {
			if o.Matcher.Options == "Threshold" && property.ID == "custom.fillBelowTo" {
				below = property.Value
			}
		}
	}
	if len(metrics) > 0 || below != "Expected" {
		t.Errorf("not drawn are %v; the band ends at %v, want Expected", slices.Sorted(maps.Keys(metrics)), below)
	}
}

// Each panel says what it shows, in which unit, and what its lines are.
func TestDashboardPanels(t *testing.T) {
	for name, d := range dashboards(t) {
		ids := map[int]bool{}
		for _, p := range d.Panels {
			where := fmt.Sprintf("%s: panel %q", name, p.Title)
			if p.ID == 0 || ids[p.ID] {
				t.Errorf("%s: id %d is missing or taken", where, p.ID)
			}
			ids[p.ID] = true
			if p.Type == "row" {
				continue
			}
			if !strings.HasSuffix(p.Description, ".") {
				t.Errorf("%s: description %q is no sentence", where, p.Description)
			}
			if p.FieldConfig.Defaults.Unit == "" {
				t.Errorf("%s has no unit", where)
			}
			if p.Datasource.UID != "${datasource}" {
				t.Errorf("%s: data source %s, want the variable", where, p.Datasource.UID)
			}
			checkTargets(t, where, p)
		}
		checkLayout(t, name, d.Panels)
	}
}

func checkTargets(t *testing.T, where string, p panel) {
	t.Helper()
	if len(p.Targets) == 0 {
		t.Errorf("%s has no query", where)
	}
	refs := map[string]bool{}
	for _, q := range p.Targets {
		if q.RefID == "" || refs[q.RefID] {
			t.Errorf("%s: query %q has no name of its own", where, q.RefID)
		}
		refs[q.RefID] = true
		if q.Datasource.UID != "${datasource}" {
			t.Errorf("%s: data source %s of query %s, want the variable", where, q.Datasource.UID, q.RefID)
		}
		if p.Type == "timeseries" && (q.LegendFormat == "" || q.LegendFormat == "__auto") {
			t.Errorf("%s: query %s has no legend", where, q.RefID)
		}
		// Increases are taken over a step and a scrape interval, but at least four of
		// these: with shorter steps one finding would be shown several times.
		if strings.Contains(q.Expr, "increase(") && strings.Contains(q.Expr, "$__rate_interval") && p.Interval != "1m" {
			t.Errorf("%s: query %s: steps of %q, want at least 1m", where, q.RefID, p.Interval)
		}
		if moment := p.Type == "table" || strings.Contains(q.Expr, "$__range"); q.Instant != moment {
			t.Errorf("%s: query %s: instant is %v; a table and what is counted over the whole range show one moment, and nothing else does", where, q.RefID, q.Instant)
		}
	}
}

// checkLayout wants panels within the 24 columns of the grid, none over another.
func checkLayout(t *testing.T, name string, panels []panel) {
	t.Helper()
	taken := map[[2]int]string{}
	for _, p := range panels {
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("%s: panel %q at %+v is outside the grid", name, p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("%s: panel %q lies over %q", name, p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
