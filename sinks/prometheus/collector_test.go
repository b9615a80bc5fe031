package prometheus

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
)

func published() *pipeline.Published {
	return &pipeline.Published{
		SourceRecords: 3, SourceBytes: 4096, OK: 100, NoData: 2, SkipData: 1,
		Malformed: map[string]int64{"address": 4}, Late: 5, PanesClosed: 6,
		Findings: map[string]map[string]int64{"scan.internal": {"high": 2}},
		Open: []*detect.Finding{
			{Rule: "scan.internal", Severity: detect.High}, {Rule: "scan.internal", Severity: detect.High},
		},
		ScanTargets: map[string]map[string]int64{"internal": {"failed": 118}},
		Calibration: map[string]map[string]int64{"bytes": {"0.01": 7}},
		Evicted:     map[string]int64{"sources": 8},
		Views: []pipeline.PublishedView{
			{
				View: aggregate.View{
					Name: "interface", Metric: "ingress", By: []string{"account-id", "vpc-id", "interface-id"},
					Measure: []string{"flows", "unique_sources", "bytes"}, Limit: 10,
				},
				Counters: []pipeline.Series{{Labels: []string{"1111", "vpc-1", "eni-1"}, Values: []int64{10, 999}}},
				Gauges:   []pipeline.Series{{Labels: []string{"1111", "vpc-1", "eni-1"}, Values: []int64{2, 3, 44}}},
				Folded:   9,
			},
			{
				View:   aggregate.View{Name: "port", Metric: "ingress_port", By: []string{"dstport"}, Measure: []string{"flows"}, Top: 10},
				Gauges: []pipeline.Series{{Labels: []string{"443"}, Values: []int64{12}}}, LeftOut: 65,
			},
		},
		Levels: []detect.Level{{
			Key:     detect.Key{Account: "1111", VPC: "vpc-1", Interface: "eni-1"},
			Measure: detect.AcceptedFlows, Expected: 20.5, Threshold: 71,
		}},
	}
}

func registry(t *testing.T) *prometheus.Registry {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(New(published, []string{"scan.internal", "spike"}))
	return r
}

func TestEveryFamilyIsExported(t *testing.T) {
	want := `
# HELP flowwatch_calibration_panes_total Tests of the spike rule, in all and with a p-value below the bound: how far the model holds.
# TYPE flowwatch_calibration_panes_total counter
flowwatch_calibration_panes_total{measure="bytes",p="0.01"} 7
# HELP flowwatch_evicted_total Entries that went from a bounded table for want of room.
# TYPE flowwatch_evicted_total counter
flowwatch_evicted_total{table="sources"} 8
# HELP flowwatch_flow_records_total Well-formed flow-log records by log-status.
# TYPE flowwatch_flow_records_total counter
flowwatch_flow_records_total{status="nodata"} 2
flowwatch_flow_records_total{status="ok"} 100
flowwatch_flow_records_total{status="skipdata"} 1
# HELP flowwatch_ingress_bytes_total View interface: bytes.
# TYPE flowwatch_ingress_bytes_total counter
flowwatch_ingress_bytes_total{account_id="1111",interface_id="eni-1",vpc_id="vpc-1"} 999
# HELP flowwatch_ingress_expected What the spike rule expected of the last closed pane.
# TYPE flowwatch_ingress_expected gauge
flowwatch_ingress_expected{account_id="1111",interface_id="eni-1",measure="accepted_flows",vpc_id="vpc-1"} 20.5
# HELP flowwatch_ingress_flows_total View interface: flows.
# TYPE flowwatch_ingress_flows_total counter
flowwatch_ingress_flows_total{account_id="1111",interface_id="eni-1",vpc_id="vpc-1"} 10
# HELP flowwatch_ingress_port_flows View port: flows of the last closed pane.
# TYPE flowwatch_ingress_port_flows gauge
flowwatch_ingress_port_flows{dstport="443"} 12
# HELP flowwatch_ingress_threshold The least value of the last closed pane that the spike rule would have held for a spike.
# TYPE flowwatch_ingress_threshold gauge
flowwatch_ingress_threshold{account_id="1111",interface_id="eni-1",measure="accepted_flows",vpc_id="vpc-1"} 71
# HELP flowwatch_ingress_unique_sources View interface: unique sources of the last closed pane.
# TYPE flowwatch_ingress_unique_sources gauge
flowwatch_ingress_unique_sources{account_id="1111",interface_id="eni-1",vpc_id="vpc-1"} 3
# HELP flowwatch_late_records_total Records that came after their pane was closed: counted in totals, in no pane.
# TYPE flowwatch_late_records_total counter
flowwatch_late_records_total 5
# HELP flowwatch_panes_closed_total Panes of event time that were closed.
# TYPE flowwatch_panes_closed_total counter
flowwatch_panes_closed_total 6
# HELP flowwatch_scan_targets_total Distinct contacted targets of closed panes, by where the source is and what came of it.
# TYPE flowwatch_scan_targets_total counter
flowwatch_scan_targets_total{outcome="failed",scope="internal"} 118
# HELP flowwatch_source_bytes_total Bytes of the payloads read from the sources, as they came.
# TYPE flowwatch_source_bytes_total counter
flowwatch_source_bytes_total 4096
# HELP flowwatch_source_records_total Payloads read from the sources: Kinesis records, chunks of files.
# TYPE flowwatch_source_records_total counter
flowwatch_source_records_total 3
# HELP flowwatch_view_keys Keys a view shows now.
# TYPE flowwatch_view_keys gauge
flowwatch_view_keys{view="interface"} 1
flowwatch_view_keys{view="port"} 1
# HELP flowwatch_view_keys_folded_total How often a key of a view was counted under "other" for want of room.
# TYPE flowwatch_view_keys_folded_total counter
flowwatch_view_keys_folded_total{view="interface"} 9
flowwatch_view_keys_folded_total{view="port"} 0
# HELP flowwatch_view_keys_left_out Keys of the last closed pane that a view has no room to show in its gauges.
# TYPE flowwatch_view_keys_left_out gauge
flowwatch_view_keys_left_out{view="interface"} 0
flowwatch_view_keys_left_out{view="port"} 65
`
	var names []string
	for line := range strings.SplitSeq(want, "\n") {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, _, _ := strings.Cut(rest, " ")
			names = append(names, name)
		}
	}
	if err := testutil.GatherAndCompare(registry(t), strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestPairsOfRuleAndSeverityStartAtZero(t *testing.T) {
	want := `
# HELP flowwatch_findings_total Incidents that were opened, by rule and severity.
# TYPE flowwatch_findings_total counter
flowwatch_findings_total{rule="scan.internal",severity="critical"} 0
flowwatch_findings_total{rule="scan.internal",severity="high"} 2
flowwatch_findings_total{rule="scan.internal",severity="info"} 0
flowwatch_findings_total{rule="scan.internal",severity="low"} 0
flowwatch_findings_total{rule="scan.internal",severity="medium"} 0
flowwatch_findings_total{rule="spike",severity="critical"} 0
flowwatch_findings_total{rule="spike",severity="high"} 0
flowwatch_findings_total{rule="spike",severity="info"} 0
flowwatch_findings_total{rule="spike",severity="low"} 0
flowwatch_findings_total{rule="spike",severity="medium"} 0
`
	if err := testutil.GatherAndCompare(registry(t), strings.NewReader(want), "flowwatch_findings_total"); err != nil {
		t.Error(err)
	}
}

func TestNamesFollowTheConventions(t *testing.T) {
	problems, err := testutil.GatherAndLint(registry(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
