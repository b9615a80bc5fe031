package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

func simulatedFiles(t *testing.T, args ...string) (lines, truth []byte) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "new")
	w := newWorld(nil)
	if code := w.run(t, append([]string{"simulate", "--out", dir}, args...)...); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &w.stderr)
	}
	lines, err := os.ReadFile(filepath.Join(dir, "flow.log"))
	if err != nil {
		t.Fatal(err)
	}
	truth, err = os.ReadFile(filepath.Join(dir, "truth.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return lines, truth
}

func TestSimulateGivesTheSameBytesForTheSameFlags(t *testing.T) {
	args := []string{"--seed", "7", "--for", "30m", "--varied", "--delivery", "aws", "--scenario", "external-scan@10m"}
	lines, truth := simulatedFiles(t, args...)
	again, sameTruth := simulatedFiles(t, args...)
	if !bytes.Equal(lines, again) || !bytes.Equal(truth, sameTruth) || len(lines) == 0 {
		t.Error("two runs give different files")
	}
	other, _ := simulatedFiles(t, append(args, "--seed", "8")...)
	if bytes.Equal(lines, other) {
		t.Error("another seed gives the same file")
	}
	all, err := simulate.ReadTruth(bytes.NewReader(truth))
	if err != nil || len(all) != 1 || all[0].Scenario != "external-scan" {
		t.Errorf("truth %v, error %v", all, err)
	}
}

func TestSimulateIsReadByAnalyze(t *testing.T) {
	for _, format := range []string{"v2", "v5"} {
		for _, interval := range []string{"1m", "10m"} {
			dir := t.TempDir()
			w := newWorld(nil)
			if code := w.run(t, "simulate", "--out", dir, "--gzip", "--for", "30m", "--fields", format, "--interval", interval); code != exitOK {
				t.Fatalf("exit code %d: %s", code, &w.stderr)
			}
			got := analyze(t, filepath.Join(dir, "flow.log.gz"))
			if got.Records.OK == 0 || got.Records.Malformed != 0 {
				t.Errorf("%s, %s: records %+v", format, interval, got.Records)
			}
		}
	}
}

// The truth of floods rests on the floors of the rule that is to find them.
func TestSimulateListSaysWhatIsTooSmall(t *testing.T) {
	w := newWorld(nil)
	if code := w.run(t, "simulate", "--list"); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &w.stderr)
	}
	floor := detect.DefaultSpike().MinCounts
	for _, says := range []string{"spoofed-flood", fmt.Sprintf("fewer than %d\n", floor), fmt.Sprintf("fewer than %d in every pane", 4*floor)} {
		if !strings.Contains(w.stdout.String(), says) {
			t.Errorf("the list does not say %q:\n%s", says, &w.stdout)
		}
	}
}

func TestSimulateUsage(t *testing.T) {
	for says, args := range map[string][]string{
		"--out or --stream":   {},
		"would be lost":       {"--out", "-"},
		"KIND@OFFSET":         {"--out", "x", "--scenario", "vertical-scan"},
		`factor "many"`:       {"--out", "x", "--scenario", "flood@1hxmany"},
		`offset "soon"`:       {"--out", "x", "--scenario", "flood@soon"},
		`size "-1"`:           {"--out", "x", "--scenario", "flood@1h,size=-1"},
		`for "90s"`:           {"--out", "x", "--scenario", "flood@1h,for=90s"},
		"site 7 of VPC 0":     {"--out", "x", "--scenario", "flood@0h,site=7"},
		`kind "party"`:        {"--out", "x", "--scenario", "party@1h"},
		"can't be used":       {"--out", "x", "--suite", "all", "--scenario", "flood@0h"},
		`--suite: "party"`:    {"--out", "x", "--suite", "party"},
		"for each VPC":        {"--out", "x", "--suite", "all", "--interfaces", "8"},
		"--for":               {"--out", "x", "--for", "1s"},
		"--level: 0":          {"--out", "x", "--level", "0"},
		"--probes: -1":        {"--out", "x", "--probes=-1"},
		"--malformed: 2":      {"--out", "x", "--malformed", "2"},
		"--speed: -1":         {"--stream", "x", "--speed=-1"},
		`--start: "tomorrow"`: {"--out", "x", "--start", "tomorrow"},
	} {
		w := newWorld(nil)
		if code := w.run(t, append([]string{"simulate"}, args...)...); code != exitUsage || !strings.Contains(w.stderr.String(), says) {
			t.Errorf("simulate %v: exit code %d, stderr %q; want %d and %q", args, code, w.stderr.String(), exitUsage, says)
		}
	}
}
