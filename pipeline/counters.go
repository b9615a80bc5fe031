package pipeline

import (
	"maps"
	"strings"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// counters are the committed counts that belong to no view. They are written
// whole with every commit, and go on from there after a restart.
type counters struct {
	SourceRecords int64                       `json:"source_records"`
	SourceBytes   int64                       `json:"source_bytes"`
	OK            int64                       `json:"ok"`
	NoData        int64                       `json:"nodata"`
	SkipData      int64                       `json:"skipdata"`
	Late          int64                       `json:"late"`
	Controls      int64                       `json:"controls"`
	PanesClosed   int64                       `json:"panes_closed"`
	Malformed     map[string]int64            `json:"malformed"`
	Findings      map[string]map[string]int64 `json:"findings"` // opened, by rule and severity
	ScanTargets   map[string]map[string]int64 `json:"scan_targets"`
	Calibration   map[string]map[string]int64 `json:"calibration"`
	Evicted       map[string]int64            `json:"evicted"`
	Suppressed    map[string]int64            `json:"suppressed"` // events held back, by rule
	Folded        map[string]int64            `json:"folded"`     // by view
	LeftOut       map[string]int64            `json:"left_out"`   // of the last pane, by view
	Outbox        uint64                      `json:"outbox"`     // id of the newest entry
	Commits       uint64                      `json:"commits"`
	Watermark     int64                       `json:"watermark"`
	LastPane      int64                       `json:"last_pane"`
	Settled       bool                        `json:"settled,omitempty"` // the pane after the last one was shown to the rules, at the end of all
}

func newCounters() *counters {
	return &counters{
		Malformed: make(map[string]int64), Findings: make(map[string]map[string]int64),
		ScanTargets: make(map[string]map[string]int64), Calibration: make(map[string]map[string]int64),
		Suppressed: make(map[string]int64), Evicted: make(map[string]int64), Folded: make(map[string]int64),
		LeftOut:   make(map[string]int64),
		Watermark: aggregate.Never, LastPane: aggregate.Never,
	}
}

// count adds what a partial counted.
func (c *counters) count(n *aggregate.Counts) {
	c.SourceRecords += n.SourceRecords
	c.SourceBytes += n.SourceBytes
	c.OK += n.Flow[flowlog.OK]
	c.NoData += n.Flow[flowlog.NoData]
	c.SkipData += n.Flow[flowlog.SkipData]
	c.Late += n.Late
	c.Controls += n.Controls
	for reason, k := range n.Malformed {
		c.Malformed[reason.String()] += k
	}
}

// finding counts an incident that opens.
func (c *counters) finding(f *detect.Finding) {
	if f.Activity == detect.Create {
		increment(c.Findings, f.Rule, f.Severity.String(), 1)
	}
}

// take adds what a rule counted since the last pane.
func (c *counters) take(d detect.Detector) {
	switch rule := d.(type) {
	case *detect.Spike:
		for m, n := range rule.TakeCalibration() {
			name := detect.Measure(m).String()
			increment(c.Calibration, name, "1", n.Tested)
			increment(c.Calibration, name, "0.01", n.Below2)
			increment(c.Calibration, name, "0.001", n.Below3)
			increment(c.Calibration, name, "0.0001", n.Below4)
		}
	case *detect.Scan:
		scope := strings.TrimPrefix(rule.Name(), "scan.")
		n := rule.TakeOutcomes()
		increment(c.ScanTargets, scope, "failed", n.Failed)
		increment(c.ScanTargets, scope, "answered", n.Answered)
		increment(c.ScanTargets, scope, "unknown", n.Unknown)
		c.Evicted[rule.Name()] += rule.TakeEvicted()
	case interface{ TakeEvicted() int64 }:
		c.Evicted[d.Name()] += rule.TakeEvicted()
	}
}

func increment(m map[string]map[string]int64, a, b string, by int64) {
	if m[a] == nil {
		m[a] = make(map[string]int64)
	}
	m[a][b] += by
}

// clone returns a copy that later counting leaves alone.
func (c *counters) clone() counters {
	d := *c
	d.Malformed, d.Evicted, d.Folded = maps.Clone(c.Malformed), maps.Clone(c.Evicted), maps.Clone(c.Folded)
	d.Suppressed, d.LeftOut = maps.Clone(c.Suppressed), maps.Clone(c.LeftOut)
	d.Findings, d.ScanTargets, d.Calibration = cloneNested(c.Findings), cloneNested(c.ScanTargets), cloneNested(c.Calibration)
	return d
}

func cloneNested(m map[string]map[string]int64) map[string]map[string]int64 {
	d := make(map[string]map[string]int64, len(m))
	for k, v := range m {
		d[k] = maps.Clone(v)
	}
	return d
}
