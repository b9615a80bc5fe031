package main

import (
	"net/netip"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/evaluate"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// arrivals remembers, for the scans and floods of a simulation, when which part
// of them had arrived, so that a delay can be told from the last record that an
// early finding needs: of a scan the one with the target that makes twice the
// rule's threshold, of a flood the one that brings a pane's count to where no
// second pane is needed.
type arrivals struct {
	layout *flowlog.Layout
	record flowlog.Record
	of     []*arrived
}

// arrived is what has come of one scenario.
type arrived struct {
	truth *simulate.Truth
	// Of a scan: the targets that failed and answered so far, and when there
	// were enough for an early finding.
	failed, answered map[netip.AddrPort]struct{}
	enough           time.Time
	samples          []sample                // of a flood, ascending
	sources          map[netip.Addr]struct{} // of the pane of the last sample
}

// sample is what a pane of an interface had got by a time.
type sample struct {
	at    time.Time
	pane  int64
	count [detect.NumMeasures]int64
}

const arrivalsPane = 300 // seconds

func newArrivals(traffic *simulate.Generator) *arrivals {
	layout, err := flowlog.ParseLayout(traffic.Format())
	if err != nil {
		return nil
	}
	a := &arrivals{layout: layout}
	truths := traffic.Truth()
	for i := range truths {
		if t := &truths[i]; t.Expect == simulate.ExpectFinding {
			a.of = append(a.of, &arrived{truth: t, failed: make(map[netip.AddrPort]struct{}), answered: make(map[netip.AddrPort]struct{})})
		}
	}
	return a
}

// take notes a batch that is delivered now.
func (a *arrivals) take(b *simulate.Batch) {
	if a == nil || len(b.Lines) == 0 {
		return
	}
	first := time.Unix(b.Lines[0].Start, 0)
	var now []*arrived
	for _, w := range a.of {
		if b.VPC == w.truth.VPC && first.After(w.truth.Start.Add(-10*time.Minute)) && first.Before(w.truth.End.Add(10*time.Minute)) {
			now = append(now, w)
		}
	}
	if len(now) == 0 {
		return
	}
	for _, l := range b.Lines {
		if a.layout.Parse(l.Text, &a.record) != 0 || a.record.Status() != flowlog.OK {
			continue
		}
		for _, w := range now {
			w.take(&a.record, b.At)
		}
	}
}

func (w *arrived) take(r *flowlog.Record, at time.Time) {
	source := r.Addr(flowlog.SrcAddr)
	if w.truth.Rule != "spike" {
		w.contact(r, at)
		return
	}
	if string(r.Text(flowlog.InterfaceID)) != w.truth.Key || r.FlowDirection() == flowlog.Egress {
		return
	}
	start := r.IntOr(flowlog.Start, 0)
	pane := start - start%arrivalsPane
	n := len(w.samples)
	if n == 0 || w.samples[n-1].pane != pane || !w.samples[n-1].at.Equal(at) {
		next := sample{at: at, pane: pane}
		if n > 0 && w.samples[n-1].pane == pane {
			next.count = w.samples[n-1].count
		} else {
			w.sources = make(map[netip.Addr]struct{})
		}
		w.samples = append(w.samples, next)
		n++
	}
	c := &w.samples[n-1].count
	c[detect.Bytes] += r.IntOr(flowlog.Bytes, 0)
	c[detect.Packets] += r.IntOr(flowlog.Packets, 0)
	w.sources[source] = struct{}{}
	c[detect.UniqueSources] = int64(len(w.sources))
	switch {
	case r.Action() == flowlog.Reject:
		c[detect.RejectedFlows]++
	default:
		c[detect.AcceptedFlows]++
	}
	if r.IntOr(flowlog.TCPFlags, 0) == 2 && r.IntOr(flowlog.Packets, 0) <= 3 {
		c[detect.SynOnlyFlows]++
	}
}

// Twice the thresholds of the scan rules, as early findings need them: of failed
// targets, and of those by which more failed than answered.
const (
	neededInside  = 18
	neededOutside = 200
	neededMargin  = 17
)

// contact takes a record of a scanner: a target that failed, or that answered.
func (w *arrived) contact(r *flowlog.Record, at time.Time) {
	source, target := r.Addr(flowlog.SrcAddr), r.Addr(flowlog.DstAddr)
	flags, tcp := r.IntOr(flowlog.TCPFlags, 2), r.IntOr(flowlog.Protocol, 0) == 6
	switch w.truth.Key {
	case source.String():
		if r.Action() == flowlog.Reject || tcp && flags == 2 && r.IntOr(flowlog.Packets, 0) <= 3 {
			w.failed[netip.AddrPortFrom(target, uint16(r.IntOr(flowlog.DstPort, 0)))] = struct{}{}
		}
	case target.String():
		if (!tcp || flags&18 == 18) && source.IsPrivate() == target.IsPrivate() {
			w.answered[netip.AddrPortFrom(source, uint16(r.IntOr(flowlog.SrcPort, 0)))] = struct{}{}
		}
	default:
		return
	}
	least := neededInside
	if w.truth.Rule == "scan.external" {
		least = neededOutside
	}
	if w.enough.IsZero() && len(w.failed) >= least && len(w.failed)-len(w.answered) >= neededMargin {
		w.enough = at
	}
}

// needed returns when the last record arrived that an early finding of a truth
// needs; zero when it never did, or for a rule without early findings.
func (a *arrivals) needed(t *simulate.Truth, i *evaluate.Incident) time.Time {
	if a == nil || i.First.Confidence != detect.Provisional {
		return time.Time{}
	}
	for _, w := range a.of {
		if w.truth.Scenario != t.Scenario || w.truth.Key != t.Key || !w.truth.Start.Equal(t.Start) {
			continue
		}
		switch t.Rule {
		case "scan.internal", "scan.external":
			return w.enough
		case "spike":
			return w.flooded(i)
		}
	}
	return time.Time{}
}

// flooded returns when the pane's first measure had come to ten times what was
// expected, or else the last arrival before the finding was raised.
func (w *arrived) flooded(i *evaluate.Incident) time.Time {
	if i.First.Spike == nil || len(i.First.Spike.Measures) == 0 {
		return time.Time{}
	}
	m := &i.First.Spike.Measures[0]
	enough := m.Alone
	last := time.Time{}
	for _, s := range w.samples {
		if s.pane != i.First.Spike.WindowStart || s.at.After(i.Raised) {
			continue
		}
		x := float64(s.count[m.Measure])
		if m.Measure == detect.Bytes {
			x /= 1024
		}
		last = s.at
		if x >= enough {
			break
		}
	}
	return last
}
