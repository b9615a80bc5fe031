package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// simulated writes hours of labelled traffic to a file with a header line, and
// returns its path and the lines.
func simulated(t *testing.T, format simulate.Format, minutes int) (path string, lines []string) {
	t.Helper()
	g, err := simulate.New(simulate.Config{Seed: 3, Start: time.Unix(1_764_000_000, 0), Format: format, Scenarios: simulate.Demo()})
	if err != nil {
		t.Fatal(err)
	}
	for range minutes {
		for _, b := range g.Next().Batches {
			for _, l := range b.Lines {
				lines = append(lines, string(l.Text))
			}
		}
	}
	path = filepath.Join(t.TempDir(), "flows.log")
	if err := os.WriteFile(path, []byte(string(format)+"\n"+strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, lines
}

type analysis struct {
	Records struct{ Total, OK, NoData, SkipData, Malformed, Late int64 }
	Ingress struct {
		Records, Bytes, Packets, Accepted, Rejected int64
		UniqueSources                               int64 `json:"unique_sources"`
	}
	Findings []json.RawMessage
}

func analyze(t *testing.T, args ...string) analysis {
	t.Helper()
	w := newWorld(nil)
	if code := w.run(t, append([]string{"analyze", "--output", "json"}, args...)...); code != exitOK {
		t.Fatalf("analyze %v: exit code %d: %s", args, code, w.stderr.String())
	}
	var a analysis
	if err := json.Unmarshal(w.stdout.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// What `cat *.log | grep ingress | cut -d " " -f 16 | sort -u` and awk say of a
// 29-field file is what analyze says. Their words are taken on addresses and
// well-formed lines only: grep can't tell a broken line.
func TestAnalyzeAgreesWithGrepAndAwk(t *testing.T) {
	for _, tool := range []string{"sh", "grep", "cut", "sort", "wc", "awk"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not here to compare with", tool)
		}
	}
	g, err := simulate.New(simulate.Config{Seed: 5, Start: time.Unix(1_764_000_000, 0), Malformed: -1, Scenarios: simulate.Demo()})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	fmt.Fprintln(&text, simulate.V5)
	for range 120 {
		for _, b := range g.Next().Batches {
			for _, l := range b.Lines {
				fmt.Fprintf(&text, "%s\n", l.Text)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "flows.log")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	shell := func(command string) (n []int64) {
		t.Helper()
		out, err := exec.Command("sh", "-c", command, "sh", path).Output()
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		for _, field := range strings.Fields(string(out)) {
			v, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				t.Fatalf("%s: %q", command, out)
			}
			n = append(n, v)
		}
		return n
	}
	got := analyze(t, path)
	if diff := cmp.Diff(shell(`cat "$1" | grep ingress | cut -d " " -f 16 | grep '[.:]' | sort -u | wc -l`), []int64{got.Ingress.UniqueSources}); diff != "" {
		t.Errorf("distinct sources of ingress (-grep +analyze):\n%s", diff)
	}
	want := shell(`awk '$8 == "ingress" { n++; bytes += $4; packets += $12; if ($2 == "REJECT") r++ } END { printf "%d %d %d %d", n, bytes, packets, r }' "$1"`)
	in := got.Ingress
	if diff := cmp.Diff(want, []int64{in.Records, in.Bytes, in.Packets, in.Rejected}); diff != "" {
		t.Errorf("records, bytes, packets, rejected of ingress (-awk +analyze):\n%s", diff)
	}
	if got.Records.Malformed != 0 || len(got.Findings) < 4 {
		t.Errorf("%d malformed, %d findings; want 0 and the 4 attacks", got.Records.Malformed, len(got.Findings))
	}
}

func TestAnalyzeFindsTheAttacksAndSaysWhichLinesAreBroken(t *testing.T) {
	for name, c := range map[string]struct {
		format   simulate.Format
		internal int
	}{
		"29 fields": {simulate.V5, 2},
		// Without tcp-flags the sweep, whose SYNs are mostly let through and
		// not answered, is lost.
		"default format": {simulate.V2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			path, lines := simulated(t, c.format, 150)
			got := analyze(t, path)
			if got.Records.Total != int64(len(lines)) || got.Records.Malformed == 0 || got.Records.NoData == 0 {
				t.Errorf("records %+v of %d lines", got.Records, len(lines))
			}
			if sum := got.Records.OK + got.Records.NoData + got.Records.SkipData + got.Records.Malformed; sum != got.Records.Total {
				t.Errorf("the kinds add up to %d of %d", sum, got.Records.Total)
			}
			rules := make(map[string]int)
			for _, f := range got.Findings {
				uid, _ := uidOf(t, f)
				rule, _, _ := strings.Cut(uid, "/")
				rules[rule]++
			}
			if rules["scan.internal"] != c.internal || rules["scan.external"] < 1 || rules["spike"] < 1 {
				t.Errorf("findings by rule: %v", rules)
			}
		})
	}
}

func TestAnalyzeSplitOverFilesIsTheSame(t *testing.T) {
	path, lines := simulated(t, simulate.V5, 100)
	dir := t.TempDir()
	for i := 0; i < len(lines); i += 3000 {
		part := strings.Join(lines[i:min(i+3000, len(lines))], "\n")
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("part-%03d.log", i/3000)), []byte(string(simulate.V5)+"\n"+part), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	whole, parts := analyze(t, path), analyze(t, dir)
	whole.Records.Late, parts.Records.Late = 0, 0 // lateness is each file's own
	finals := func(a analysis) (uids []string) {
		for _, f := range a.Findings {
			uid, _ := uidOf(t, f)
			uids = append(uids, uid)
		}
		return uids
	}
	if diff := cmp.Diff(finals(whole), finals(parts)); diff != "" {
		t.Errorf("incidents (-one file +many):\n%s", diff)
	}
	whole.Findings, parts.Findings = nil, nil
	if diff := cmp.Diff(whole, parts); diff != "" {
		t.Errorf("totals (-one file +many):\n%s", diff)
	}
}

func TestAnalyzeOfAnUnknownFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flows.log")
	line := "5 10.0.0.71 52.95.128.179 34210 80 6 1616729292 1616729349 IPv4 7 471"
	if err := os.WriteFile(path, []byte(line+"\n"+line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(nil)
	if code := w.run(t, "analyze", path); code != exitUsage {
		t.Errorf("exit code %d, want %d", code, exitUsage)
	}
	for _, want := range []string{line, "--format", path} {
		if !strings.Contains(w.stderr.String(), want) {
			t.Errorf("stderr does not name %s:\n%s", want, w.stderr.String())
		}
	}
	if w.stdout.Len() > 0 {
		t.Errorf("stdout says %s", w.stdout.String())
	}
	w = newWorld(nil)
	if code := w.run(t, "analyze", "--format", "version srcaddr dstaddr srcport dstport protocol start end type packets bytes", path); code != exitOK {
		t.Errorf("with --format: exit code %d: %s", code, w.stderr.String())
	}
}

func TestAnalyzeFailOn(t *testing.T) {
	path, _ := simulated(t, simulate.V5, 90)
	w := newWorld(nil)
	if code := w.run(t, "analyze", "--fail-on", "high", path); code != exitFindings {
		t.Errorf("exit code %d with scans in it, want %d", code, exitFindings)
	}
	if code := w.run(t, "analyze", "--fail-on", "critical", path); code != exitOK {
		t.Errorf("exit code %d without critical findings, want %d", code, exitOK)
	}
	for line := range strings.SplitSeq(w.stdout.String(), "\n") {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
}

func TestAnalyzeNamesWhatIsMissing(t *testing.T) {
	w := newWorld(nil)
	if code := w.run(t, "analyze", filepath.Join(t.TempDir(), "nothing.log")); code != exitUsage {
		t.Errorf("exit code %d, want %d", code, exitUsage)
	}
	if !strings.Contains(w.stderr.String(), "nothing.log") {
		t.Errorf("stderr: %s", w.stderr.String())
	}
}

func TestPublicCaptures(t *testing.T) {
	folder := hostiletest.MustPublished(t, "labelled")
	f := func(file string, internalScans int) {
		t.Helper()
		got := analyze(t, filepath.Join(folder, file))
		scans := 0
		for _, finding := range got.Findings {
			if uid, _ := uidOf(t, finding); strings.HasPrefix(uid, "scan.internal/") {
				scans++
			}
		}
		if scans != internalScans || got.Records.Malformed != 0 || got.Records.Total == 0 {
			t.Errorf("%s: %d internal scans, want %d; records %+v", file, scans, internalScans, got.Records)
		}
	}
	f("cb_portscan.v5.log.gz", 1)
	f("nmap_ack.v5.log.gz", 1)
	f("nmap_null.v5.log.gz", 1)
	f("nmap_tcp_syn.v5.log.gz", 1)
	f("nmap_udp.v5.log.gz", 1)
	f("ppa_portscan.v5.log", 1)
	f("proc_fast.v5.log", 1)
	f("cicids_0707.v5.log.gz", 1)
	f("cicids_0703.v5.log.gz", 0) // a normal day
	f("proc_normal.v5.log", 0)
	f("slips_test6.v5.log.gz", 0) // a day of an exposed host: background
}

func TestRealScanNoiseIsNoAlert(t *testing.T) {
	path := filepath.Join(hostiletest.MustPublished(t, "vpc"), "console_export_198_real.csv")
	got := analyze(t, "--internal", "12.0.0.0/16", path)
	if got.Records.Total != 198 || got.Records.Malformed != 0 || got.Ingress.UniqueSources == 0 {
		t.Errorf("records %+v, ingress %+v", got.Records, got.Ingress)
	}
	if len(got.Findings) != 0 {
		t.Errorf("%d findings in the usual noise of the Internet", len(got.Findings))
	}
	w := newWorld(nil)
	if code := w.run(t, "analyze", path); code != exitOK || !strings.Contains(w.stderr.String(), "--internal") {
		t.Errorf("exit code %d; stderr does not tell how to name own networks: %s", code, w.stderr.String())
	}
}
