package pipeline

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// Published is what the last commit made durable, for metrics and reports. It
// is never changed after it was published, and every counter in it goes on
// from there after a restart.
type Published struct {
	SourceRecords, SourceBytes int64
	OK, NoData, SkipData       int64 // data lines by log-status
	Malformed                  map[string]int64
	Late                       int64
	PanesClosed                int64
	Findings                   map[string]map[string]int64 // opened, by rule and severity
	Suppressed                 map[string]int64            // events of incidents held back, by rule
	Open                       []*detect.Finding           // the last event of each open incident, in no order
	ScanTargets                map[string]map[string]int64 // by scope and outcome
	Calibration                map[string]map[string]int64 // by measure and p
	Evicted                    map[string]int64            // by table
	Watermark                  int64                       // Unix seconds; aggregate.Never, aggregate.Forever
	LastPane                   int64                       // start of the pane closed last, aggregate.Never
	Views                      []PublishedView
	Levels                     []detect.Level // of LastPane; of none after a restart

	// Committed is when it became durable, on the real clock; zero before the
	// first commit of the process.
	Committed  time.Time
	Partitions []PublishedPartition // that are still to be read to their end, by ID
	Recent     []*detect.Finding    // the last events that this process committed, oldest first
}

// PublishedPartition is how far one partition was read as of a commit.
type PublishedPartition struct {
	ID, Source string
	Watermark  int64         // Unix seconds; aggregate.Never before its first records
	Reading    bool          // by this process, at the moment
	Lag        time.Duration // of its last read behind the newest payload, where the source can tell
}

// recentFindings is how many events Published keeps.
const recentFindings = 100

// PublishedView is one view as of the last commit.
type PublishedView struct {
	aggregate.View
	Counters []Series // values: the integer measures in their declared order
	Gauges   []Series // values: all measures in their declared order
	Folded   int64    // how often a key was counted under "other"
	LeftOut  int64    // keys of the last closed pane that are not in Gauges for want of room
}

// Series is one key of a view.
type Series struct {
	Labels []string
	Values []int64
}

// publish copies what the next commit makes durable. mu is held.
func (b *back) publish() *Published {
	c := b.counters.clone()
	p := &Published{
		SourceRecords: c.SourceRecords, SourceBytes: c.SourceBytes,
		OK: c.OK, NoData: c.NoData, SkipData: c.SkipData,
		Malformed: c.Malformed, Late: c.Late, PanesClosed: c.PanesClosed,
		Findings: c.Findings, Suppressed: c.Suppressed, ScanTargets: c.ScanTargets, Calibration: c.Calibration, Evicted: c.Evicted,
		Watermark: b.marks.global, LastPane: b.lastPane, Open: slices.Collect(maps.Values(b.incidents)),
		Partitions: b.publishPartitions(), Recent: slices.Clone(b.recent),
	}
	for i, v := range b.p.plan.Views() {
		view := PublishedView{View: v}
		if t := b.totals[i]; t != nil {
			view.Counters, view.Folded = t.publish(), t.folded
		}
		if g := b.gauges[i]; g != nil {
			view.Gauges, view.LeftOut = g.publish(), c.LeftOut[v.Name]
		}
		p.Views = append(p.Views, view)
	}
	p.Levels = b.lastLevels()
	return p
}

func (b *back) publishPartitions() []PublishedPartition {
	var all []PublishedPartition
	for _, id := range b.partitionIDs() {
		p := b.marks.partitions[id]
		if p.Ended {
			continue
		}
		lag, reading := b.p.progress.lag(id)
		all = append(all, PublishedPartition{ID: id, Source: p.Source, Watermark: p.Watermark, Reading: reading, Lag: lag})
	}
	return all
}

// lastLevels returns what the spike rule held the last pane against.
func (b *back) lastLevels() []detect.Level {
	if b.levels != nil {
		return b.levels
	}
	b.levels = []detect.Level{}
	for _, r := range b.rules {
		if spike, ok := r.Detector.(*detect.Spike); ok {
			b.levels = slices.AppendSeq(b.levels, spike.Levels())
		}
	}
	return b.levels
}

func (t *totals) publish() []Series {
	all := make([]Series, 0, len(t.series))
	values := make([]int64, 0, len(t.series)*t.plan.Width(t.index))
	for _, s := range t.series {
		at := len(values)
		values = append(values, s.values...)
		all = append(all, Series{Labels: s.labels, Values: values[at:len(values):len(values)]})
	}
	order := byLabelName(&t.view)
	slices.SortFunc(all, func(a, b Series) int {
		for _, i := range order {
			if c := strings.Compare(a.Labels[i], b.Labels[i]); c != 0 {
				return c
			}
		}
		return 0
	})
	return distinct(all)
}

// byLabelName is the order of a view's labels by their names. Series that are
// sorted by it are in the order of a scrape, which else would sort them: of
// 100,000 that takes longer than to collect them.
func byLabelName(v *aggregate.View) []int {
	names := v.Labels()
	order := make([]int, len(names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(names[a], names[b]) })
	return order
}

// distinct adds up neighbours with equal labels: a key may well be called
// "other".
func distinct(all []Series) []Series {
	kept := all[:0]
	for _, s := range all {
		if n := len(kept); n > 0 && slices.Equal(kept[n-1].Labels, s.Labels) {
			for i, v := range s.Values {
				kept[n-1].Values[i] = aggregate.Add(kept[n-1].Values[i], v)
			}
			continue
		}
		kept = append(kept, s)
	}
	return kept
}

func (g *gauges) publish() []Series {
	all := make([]Series, len(g.rows))
	for i, r := range g.rows {
		all[i] = Series(r)
	}
	return all
}
