package envelope

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
	"github.com/google/go-cmp/cmp"
)

const gatewayOrder = "version account-id tgw-id tgw-attachment-id tgw-src-vpc-id tgw-dst-vpc-id tgw-src-subnet-id tgw-dst-subnet-id " +
	"tgw-src-eni tgw-dst-eni tgw-src-az-id tgw-dst-az-id tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol packets bytes " +
	"start end log-status type tcp-flags flow-direction region"

// TestPublishedPayloads takes published files apart as they are, and parses
// what comes out.
func TestPublishedPayloads(t *testing.T) {
	dir := hostiletest.MustPublished(t, "")
	files := map[string]bool{}
	for _, folder := range []string{"vpc", "envelopes"} {
		entries, err := os.ReadDir(filepath.Join(dir, folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			files[folder+"/"+e.Name()] = true
		}
	}
	d := NewDecoder(Limits{})
	for _, c := range []struct {
		file, format string
		want         map[string]int
	}{
		{"vpc/console_export_198_real.csv", "", map[string]int{"ok": 198}},
		{"vpc/tenzir_cloudwatch_v2.ndjson", "", map[string]int{"ok": 2, "nodata": 1, "skipdata": 1, "timestamp is start": 4}},
		{"vpc/lambda_promtail_vpcflowlog.log.gz", "", map[string]int{"header": 1, "ok": 3}},
		{"vpc/m_mizutani_sample2.log.gz", "", map[string]int{"header": 1, "ok": 2}},
		// One line ends after its interface, one has a word for a number.
		{"vpc/illumio_errors.txt", "", map[string]int{"ok": 12, "fields": 1, "number": 1}},
		{"vpc/illumio_trailing_space.txt", "", map[string]int{"ok": 98}},
		{"vpc/random_10000.log.gz", "", map[string]int{"ok": 10000}},
		// Each of its lines is under a header of its own.
		{"vpc/elastic_tcp_flag_sequence.log", "", map[string]int{"header": 3, "ok": 1, "skipdata": 1, "nodata": 1}},
		{"vpc/otel_tgw.log", "", map[string]int{"header": 1, "ok": 1, "transit gateway": 1}},
		// Orders of their own and no header: not of version 2. Package flowlog
		// reads them with their formats.
		{"vpc/allenliu_srv_name_v5.log", "", map[string]int{"address": 2}},
		{"vpc/allenliu_tcp_flag_sequence.log", "", map[string]int{"address": 8}},
		// The start was masked and has a digit less than the end.
		{"vpc/elastic_v5_masked.log", "", map[string]int{"time": 1}},
		// Seven lines of version 2; then "#format" lines, too short or with words
		// for numbers, and the lines of other orders after them.
		{"vpc/vrl_by_version_v2_to_v11.txt", "", map[string]int{"ok": 5, "nodata": 1, "skipdata": 1, "address": 17, "fields": 8, "number": 5}},
		// Needs reading anywhere, which a payload allows and no stream does:
		// refused here, read by package flowlog.
		{"vpc/flowlogs_reader_flows.parquet", "", map[string]int{"parquet": 1}},
		{"envelopes/otel_tgw_cw.json", gatewayOrder, map[string]int{"ok": 1, "transit gateway": 1}},
		// Three messages of a word or two, which are no flow logs.
		{"envelopes/lambda_promtail_kinesis_event.json", "", map[string]int{"fields": 3}},
		// Notifications and an event of Lambda hold no lines; package s3 reads
		// the notifications.
		{"envelopes/lambda_promtail_s3_test_event.json", "", map[string]int{"json": 1}},
		{"envelopes/datadog_sqs_s3.json", "", map[string]int{"json": 1}},
		{"envelopes/lambda_promtail_cwl_event.json", "", map[string]int{"json": 1}},
		{"envelopes/lambda_promtail_eventbridge_s3.json", "", map[string]int{"json": 1}},
		{"envelopes/lambda_promtail_s3_event.json", "", map[string]int{"json": 1}},
	} {
		delete(files, c.file)
		t.Run(c.file, func(t *testing.T) {
			payload, err := os.ReadFile(filepath.Join(dir, c.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, count(t, d, payload, c.format)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for file := range files {
		t.Errorf("%s: what it holds is not stated here", file)
	}
}

func count(t *testing.T, d *Decoder, payload []byte, format string) map[string]int {
	t.Helper()
	var formats []*flowlog.Layout
	if format != "" {
		l, err := flowlog.ParseLayout(format)
		if err != nil {
			t.Fatal(err)
		}
		formats = append(formats, l)
	}
	p := flowlog.NewParser(formats)
	got := map[string]int{}
	var r flowlog.Record
	for d.Reset(payload); d.Next(); {
		kind, reason := p.Parse(d.Line(), &r)
		switch {
		case kind == flowlog.Header:
			got["header"]++
		case kind == flowlog.Blank:
			got["blank"]++
		case reason != flowlog.ReasonNone:
			got[reason.String()]++
		default:
			got[[...]string{flowlog.OK: "ok", flowlog.NoData: "nodata", flowlog.SkipData: "skipdata"}[r.Status()]]++
			if r.TransitGateway() {
				got["transit gateway"]++
			}
			if d.Timestamp() != 0 && d.Timestamp() == 1000*r.IntOr(flowlog.Start, 0) {
				got["timestamp is start"]++
			}
		}
	}
	if d.err != nil {
		got[d.err.Layer] += d.err.Count
	}
	return got
}
