package flowlog

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
	"github.com/google/go-cmp/cmp"
)

// repository is the folder that holds go.mod.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above this package")
		}
		dir = filepath.Dir(dir)
	}
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if text, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// count tells the lines apart: ok, nodata, skipdata, transit gateway, header,
// blank, and the malformed by reason.
func count(p *Parser, lines []string) map[string]int {
	counts := map[string]int{}
	var r Record
	for _, line := range lines {
		what := verdict(p.Parse([]byte(line), &r))
		if what == "ok" {
			what = [...]string{OK: "ok", NoData: "nodata", SkipData: "skipdata"}[r.Status()]
			if r.TransitGateway() {
				what = "transit gateway " + what
			}
		}
		counts[what]++
	}
	return counts
}

const (
	// The orders of the samples in AWS's documentation.
	tcpFlagOrder = "version vpc-id subnet-id instance-id interface-id account-id type srcaddr dstaddr srcport dstport " +
		"pkt-srcaddr pkt-dstaddr protocol bytes packets start end action tcp-flags log-status"
	serviceOrder = "version srcaddr dstaddr srcport dstport protocol start end type packets bytes account-id vpc-id " +
		"subnet-id instance-id interface-id region az-id sublocation-type sublocation-id action tcp-flags pkt-srcaddr " +
		"pkt-dstaddr pkt-src-aws-service pkt-dst-aws-service traffic-path flow-direction log-status"
	versionOrder = V2 + " vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id " +
		"sublocation-type sublocation-id pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path"
)

func TestPublishedLogs(t *testing.T) {
	dir := hostiletest.MustPublished(t, "vpc")
	for _, c := range []struct {
		file    string
		formats []string
		want    map[string]int
	}{
		{"lambda_promtail_vpcflowlog.log.gz", nil, map[string]int{"header": 1, "ok": 3}},
		{"m_mizutani_sample2.log.gz", nil, map[string]int{"header": 1, "ok": 2}},
		{"illumio_errors.txt", nil, map[string]int{"ok": 12, "fields": 1, "number": 1, "blank": 13}},
		{"illumio_trailing_space.txt", nil, map[string]int{"ok": 98, "blank": 97}},
		{"random_10000.log.gz", nil, map[string]int{"ok": 10000}},
		{"allenliu_srv_name_v5.log", []string{serviceOrder}, map[string]int{"ok": 2}},
		{"allenliu_srv_name_v5.log", []string{ConsoleV5, versionOrder, serviceOrder}, map[string]int{"ok": 2}},
		{"allenliu_tcp_flag_sequence.log", []string{tcpFlagOrder}, map[string]int{"ok": 8}},
		{"elastic_tcp_flag_sequence.log", nil, map[string]int{"header": 3, "ok": 1, "skipdata": 1, "nodata": 1}},
		{"elastic_v5_masked.log", []string{versionOrder}, map[string]int{"time": 1}},
		{"otel_tgw.log", nil, map[string]int{"header": 1, "transit gateway ok": 1}},
	} {
		t.Run(c.file, func(t *testing.T) {
			got := count(NewParser(layouts(c.formats...)), readLines(t, filepath.Join(dir, c.file)))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEveryVersion reads the published samples of version 2 to 11, in which a
// "#format" line gives the order of the lines after it.
func TestEveryVersion(t *testing.T) {
	p := NewParser(nil)
	var got []map[string]int
	for _, line := range readLines(t, filepath.Join(hostiletest.MustPublished(t, "vpc"), "vrl_by_version_v2_to_v11.txt")) {
		if format, ok := strings.CutPrefix(line, "#format "); ok {
			p = NewParser(nil)
			if format != "(default v2)" {
				l := mustLayout(format)
				if len(l.Unknown()) > 0 {
					t.Errorf("unknown fields %v", l.Unknown())
				}
				p = NewParser([]*Layout{l})
			}
			got = append(got, map[string]int{})
			continue
		}
		for what, n := range count(p, []string{line}) {
			got[len(got)-1][what] += n
		}
	}
	want := []map[string]int{
		{"ok": 5, "nodata": 1, "skipdata": 1}, {"ok": 8}, {"ok": 6}, {"ok": 4}, {"ok": 2}, {"ok": 1}, {"ok": 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines by format (-want +got):\n%s", diff)
	}
}

// A Parquet object like those of AWS, except that its columns are texts and hold
// "None" for a null in two of the rows.
func TestPublishedParquet(t *testing.T) {
	file, err := os.ReadFile(filepath.Join(hostiletest.MustPublished(t, "vpc"), "flowlogs_reader_flows.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := readParquet(file)
	if err != nil {
		t.Fatal(err)
	}
	got := count(NewParser(nil), strings.Split(strings.TrimSuffix(text, "\n"), "\n"))
	if diff := cmp.Diff(map[string]int{"header": 1, "ok": 1, "number": 2}, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestLabelledLogs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(hostiletest.MustPublished(t, "labelled"), "*.log*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no logs: %v", err)
	}
	for _, file := range files {
		lines := readLines(t, file)
		want := map[string]int{"ok": len(lines)}
		if strings.Contains(file, ".v5.") {
			want = map[string]int{"ok": len(lines) - 1, "header": 1}
		}
		if diff := cmp.Diff(want, count(NewParser(nil), lines)); diff != "" {
			t.Errorf("%s: lines (-want +got):\n%s", filepath.Base(file), diff)
		}
	}
}
