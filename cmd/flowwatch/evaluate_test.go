package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/evaluate"
)

func evaluated(t *testing.T, args ...string) *evaluate.Report {
	t.Helper()
	w := newWorld(nil)
	if code := w.run(t, append([]string{"evaluate", "--output", "json"}, args...)...); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &w.stderr)
	}
	var r evaluate.Report
	if err := json.Unmarshal(w.stdout.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	r.PeakMemory = 0
	return &r
}

// A few hours hold every kind of scan; floods need two days of learning first.
func TestEvaluateFindsTheScansOfASimulation(t *testing.T) {
	got := evaluated(t, "--seeds", "5-6", "--suite", "attacks", "--days", "0.35", "--interfaces", "20", "--vpcs", "2", "--learn", "2h", "--delivery", "prompt")
	if got.Records == 0 || got.InterfaceDays < 10 || got.InterfaceDays > 11 {
		t.Errorf("%d records, %v interface-days", got.Records, got.InterfaceDays)
	}
	instances, missed := 0, []string{}
	for _, g := range got.Scenarios {
		if g.Rule == "spike" || g.Rule == "scan.slow" {
			continue // not in so short a time
		}
		instances += g.Instances
		missed = append(missed, g.Examples...)
	}
	// A dozen targets, two of which are open, are too few when the host talks to
	// others as well.
	if instances < 3 || len(missed) > 1 {
		t.Errorf("of %d scenarios these were missed: %v", instances, missed)
	}
	if n := got.False["high"].Findings; n != 0 {
		t.Errorf("%d false findings at High: %v", n, got.False["high"].Examples)
	}
}

func TestEvaluateGivesTheSameReportForTheSameSeeds(t *testing.T) {
	args := []string{"--seeds", "5-6", "--suite", "attacks", "--days", "0.13", "--interfaces", "10", "--vpcs", "1", "--learn", "1h"}
	two, one := evaluated(t, args...), evaluated(t, append(args, "--parallel", "1")...)
	if diff := cmp.Diff(two, one, cmp.AllowUnexported(evaluate.Group{})); diff != "" {
		t.Errorf("one seed at a time gives another report (-two +one):\n%s", diff)
	}
}

func TestEvaluateEarlyTellsSeconds(t *testing.T) {
	got := evaluated(t, "--seeds", "5-6", "--suite", "attacks", "--days", "0.5", "--interfaces", "20", "--vpcs", "2", "--learn", "1h", "--early", "--delivery", "prompt")
	timed := 0
	for _, g := range got.Scenarios {
		if g.Seconds != nil {
			timed++
			if g.Seconds.P95 > 10 {
				t.Errorf("%s: found %.0f s after the last record needed had arrived", g.Scenario, g.Seconds.P95)
			}
		}
	}
	if timed == 0 {
		t.Error("nothing was found early")
	}
}

func TestEvaluateYourOwnLogs(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(nil)
	if code := w.run(t, "simulate", "--out", dir, "--for", "40m", "--scenario", "vertical-scan@10m"); code != exitOK {
		t.Fatalf("simulate: exit code %d: %s", code, &w.stderr)
	}
	got := evaluated(t, "--truth", filepath.Join(dir, "truth.jsonl"), filepath.Join(dir, "flow.log"))
	if len(got.Scenarios) != 1 || got.Scenarios[0].Reported != 1 {
		t.Errorf("scenarios are %+v", got.Scenarios)
	}
}

// Every labelled scan of the public captures with enough targets for a rule is
// found, and nothing on the days that are normal.
func TestEvaluatePublicCaptures(t *testing.T) {
	folder := sharedData(t, "labelled")
	for name, want := range map[string]struct{ scans, found int }{
		"cb_portscan": {1, 1}, "nmap_ack": {1, 1}, "nmap_null": {1, 1}, "nmap_tcp_syn": {1, 1}, "nmap_udp": {1, 1},
		"ppa_portscan": {1, 1}, "proc_fast": {1, 1}, "cicids_0703": {0, 0}, "proc_normal": {0, 0}, "slips_test6": {0, 0},
	} {
		logs, err := filepath.Glob(filepath.Join(folder, name+".v5.log*"))
		if err != nil || len(logs) != 1 {
			t.Fatalf("%s: logs %v, error %v", name, logs, err)
		}
		got := evaluated(t, "--truth", filepath.Join(folder, name+".truth.tsv"), logs[0])
		scans, found := 0, 0
		for _, g := range got.Scenarios {
			if g.Expect == "finding" {
				scans, found = scans+g.Instances, found+g.Reported
			}
		}
		if scans != want.scans || found != want.found {
			t.Errorf("%s: %d of %d scans found, want %d of %d", name, found, scans, want.found, want.scans)
		}
	}
}

func TestEvaluateUsage(t *testing.T) {
	truth := filepath.Join(t.TempDir(), "truth.tsv")
	if err := os.WriteFile(truth, []byte("1\t2\tnobody\tscan\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for says, args := range map[string][]string{
		"--seeds":                 {"--seeds", "9-1"},
		"is needed with paths":    {"flow.log"},
		"goes with paths":         {"--truth", truth},
		`line 1: source "nobody"`: {"--truth", truth, truth},
		"--days":                  {"--days", "0"},
		"--misread":               {"--misread", "2"},
		"60 VPCs":                 {"--vpcs", "60"},
	} {
		w := newWorld(nil)
		if code := w.run(t, append([]string{"evaluate"}, args...)...); code != exitUsage || !strings.Contains(w.stderr.String(), says) {
			t.Errorf("evaluate %v: exit code %d, stderr %q; want %d and %q", args, code, w.stderr.String(), exitUsage, says)
		}
	}
}
