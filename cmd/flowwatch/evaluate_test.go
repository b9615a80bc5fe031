package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/evaluate"
	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
	"github.com/flowwatch/flowwatch/pipeline/simulate"
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

func TestEvaluateSimulatesWhatIsAskedFor(t *testing.T) {
	rough, err := simulate.NamedDelivery("rough")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		probes    float64
		delivery  string
		radiation float64
		want      simulate.Delivery
	}{
		{300, "aws", 300, simulate.AWSDelivery()},
		{0, "rough", -1, rough}, // of a simulate.Config 0 would be 300
		{1100, "prompt", 1100, simulate.Delivery{}},
	} {
		c := evaluateCmd{Probes: test.probes, Delivery: test.delivery}
		got, err := c.simulated(1)
		if err != nil {
			t.Fatal(err)
		}
		if got.Radiation != test.radiation || got.Delivery != test.want {
			t.Errorf("--probes %v --delivery %s: %v probes, delivery %+v", test.probes, test.delivery, got.Radiation, got.Delivery)
		}
	}
}

// A scanner on an allow list of the configuration is nobody's finding.
func TestEvaluateReadsAllowLists(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(nil)
	if code := w.run(t, "simulate", "--out", dir, "--for", "40m", "--scenario", "vertical-scan@10m"); code != exitOK {
		t.Fatalf("simulate: exit code %d: %s", code, &w.stderr)
	}
	list := filepath.Join(dir, "ours.json")
	cfg := filepath.Join(dir, "flowwatch.yaml")
	if err := os.WriteFile(list, []byte(`{"name": "ours", "type": "cidr", "list": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cfg, []byte("sources: [{file: {paths: [flow.log]}}]\nnetworks: {allow_lists: ["+list+"]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := evaluated(t, "--config", cfg, "--truth", filepath.Join(dir, "truth.jsonl"), filepath.Join(dir, "flow.log"))
	if len(got.Scenarios) != 1 || got.Scenarios[0].Reported != 0 {
		t.Errorf("scenarios are %+v, want the scan unreported", got.Scenarios)
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

// All the captures there are. Every labelled scan that has what a rule asks for is
// found; of the others the report says what they lack. On normal days, and of labels
// that expect nothing, there is no finding.
func TestEvaluatePublicCaptures(t *testing.T) {
	folder := hostiletest.MustPublished(t, "labelled")
	const internal = " (scan.internal asks for 9 failed in 1 h, 9 more than answered)"
	const silent = " (no tcp-flags, so only REJECT fails; scan.internal asks for 9 failed in 1 h, 9 more than answered)"
	type result struct {
		found, labelled int
		lacks           []string
	}
	all := result{1, 1, nil}
	want := map[string]result{
		"cb_portscan.v5": all, "nmap_ack.v5": all, "nmap_null.v5": all, "nmap_tcp_syn.v5": all, "nmap_udp.v5": all, "ppa_portscan.v5": all, "proc_fast.v5": all,
		"cicids_0703.v5": {}, "proc_normal.v5": {}, "slips_test6.v5": {}, "netflowlabeler_test5.v5": {},
		"cicids_0707.v5": {4, 6, []string{ // five scans and a DDoS
			"172.16.0.1 at 7 Jul 16:56, 4 targets, 2 failed, 1 answered" + internal,
			"172.16.0.1 at 7 Jul 17:14, 4 targets, 1 failed, 1 answered" + internal,
		}},
		"slips_horizontal.v5": {0, 1, []string{"10.0.2.112 at 1 Jan 00:15, 30 targets, 11 failed, 18 answered" + internal}},
		"slips_test11.v5":     {0, 1, []string{"10.8.0.69 at 4 Apr 16:24, 41 targets, 0 failed, 0 answered" + internal}},

		// Without tcp-flags.
		"cb_portscan.v2": all, "nmap_udp.v2": all, "ppa_portscan.v2": all, "proc_fast.v2": all,
		"cicids_0703.v2": {}, "proc_normal.v2": {}, "slips_test6.v2": {}, "netflowlabeler_test5.v2": {},
		"nmap_ack.v2":     {0, 1, []string{"192.168.1.10 at 4 Jan 05:15, 1000 targets, 0 failed, 0 answered" + silent}},
		"nmap_null.v2":    {0, 1, []string{"192.168.1.10 at 4 Jan 03:48, 1000 targets, 0 failed, 0 answered" + silent}},
		"nmap_tcp_syn.v2": {0, 1, []string{"192.168.1.10 at 3 Jan 18:58, 1000 targets, 2 failed, 0 answered" + silent}},
		"cicids_0707.v2": {0, 6, []string{
			"172.16.0.1 at 7 Jul 16:56, 4 targets, 0 failed, 0 answered" + silent,
			"172.16.0.1 at 7 Jul 17:14, 4 targets, 0 failed, 0 answered" + silent,
			"172.16.0.1 at 7 Jul 17:51, 979 targets, 0 failed, 0 answered" + silent,
			"172.16.0.1 at 7 Jul 18:08, 309 targets, 0 failed, 0 answered" + silent,
			"172.16.0.1 at 7 Jul 18:22, 242 targets, 0 failed, 0 answered" + silent,
			"172.16.0.1 at 7 Jul 18:56, 1 targets, 0 failed, 0 answered", // the DDoS
		}},
		"slips_horizontal.v2": {0, 1, []string{"10.0.2.112 at 1 Jan 00:15, 30 targets, 0 failed, 0 answered" + silent}},
		"slips_test11.v2":     {0, 1, []string{"10.8.0.69 at 4 Apr 16:24, 41 targets, 0 failed, 0 answered" + silent}},
	}
	logs, err := filepath.Glob(filepath.Join(folder, "*.v?.log*"))
	if err != nil || len(logs) != len(want) {
		t.Fatalf("%d captures are there, want %d; error %v", len(logs), len(want), err)
	}
	for _, log := range logs {
		name, _, _ := strings.Cut(filepath.Base(log), ".log")
		t.Run(name, func(t *testing.T) {
			r := evaluated(t, "--truth", filepath.Join(folder, name[:len(name)-3]+".truth.tsv"), log)
			var got result
			for _, g := range r.Scenarios {
				if g.Expect != "finding" {
					if g.Reported > 0 {
						t.Errorf("%s: %d reported: %v", g.Scenario, g.Reported, g.Examples)
					}
					continue
				}
				got.found, got.labelled, got.lacks = got.found+g.Reported, got.labelled+g.Instances, append(got.lacks, g.Examples...)
			}
			slices.Sort(got.lacks)
			if diff := cmp.Diff(want[name], got, cmp.AllowUnexported(result{})); diff != "" {
				t.Errorf("labelled scans (-want +got):\n%s", diff)
			}
			for severity, rate := range r.False {
				if rate.Findings > 0 {
					t.Errorf("%d false at %s: %v", rate.Findings, severity, rate.Examples)
				}
			}
		})
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
		"no scenario fits into":   {"--suite", "attacks", "--days", "0.05", "--interfaces", "10", "--vpcs", "1"},
	} {
		w := newWorld(nil)
		if code := w.run(t, append([]string{"evaluate"}, args...)...); code != exitUsage || !strings.Contains(w.stderr.String(), says) {
			t.Errorf("evaluate %v: exit code %d, stderr %q; want %d and %q", args, code, w.stderr.String(), exitUsage, says)
		}
	}
}
