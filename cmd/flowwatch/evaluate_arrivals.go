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
// rule's threshold within its window, of a flood the one that brings a pane's
// count to where no second pane is needed. Answers to a scan are left out of the
// reckoning, so a scan with many waits longer than it is said to need: the delay
// is never told too short.
type arrivals struct {
	layout *flowlog.Layout
	record flowlog.Record
	scans  map[string][]threshold // by rule
	pane   int64                  // seconds
	margin int                    // by which more targets must fail than answer
	of     []*arrived
}

// threshold is how many failed targets in a window an early finding needs.
type threshold struct {
	seconds int64
	failed  int
}

// earlyMargin is how many times a rule's threshold makes an early finding: see
// docs/detection.md.
const earlyMargin = 2

// arrived is what has come of one scenario.
type arrived struct {
	truth   *simulate.Truth
	key     netip.Addr // of a scan: its source
	targets map[netip.AddrPort]struct{}
	failed  map[int64]int // of a scan: new targets by the pane of their record
	// Of a scan: what answered it, of the targets on its own side of the border.
	answered map[netip.AddrPort]struct{}
	enough   time.Time               // of a scan: when the first threshold was reached
	samples  []sample                // of a flood, ascending
	sources  map[netip.Addr]struct{} // of the pane of the last sample
}

// sample is what a pane of an interface had got by a time.
type sample struct {
	at    time.Time
	pane  int64
	count [detect.NumMeasures]int64
}

func newArrivals(traffic *simulate.Generator, rules *RulesConfig, pane time.Duration) (*arrivals, error) {
	layout, err := flowlog.ParseLayout(traffic.Format())
	if err != nil {
		return nil, err
	}
	const hour = 3600
	in, out := &rules.ScanInternal, &rules.ScanExternal
	a := &arrivals{layout: layout, margin: earlyMargin*lead(in.Alpha) - 1, pane: int64(pane / time.Second), scans: map[string][]threshold{
		"scan.internal": {{hour, earlyMargin * max(in.MinFailed, lead(in.Alpha))}},
		"scan.external": {{600, earlyMargin * max(out.MinFailed, lead(out.Alpha))}, {hour, earlyMargin * max(out.MinFailedHour, lead(out.Alpha))}},
	}}
	truths := traffic.Truth()
	for i := range truths {
		t := &truths[i]
		if t.Expect != simulate.ExpectFinding {
			continue
		}
		w := &arrived{truth: t, targets: make(map[netip.AddrPort]struct{}), failed: make(map[int64]int), answered: make(map[netip.AddrPort]struct{})}
		w.key, _ = netip.ParseAddr(t.Key) // none: an interface under attack
		a.of = append(a.of, w)
	}
	return a, nil
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
			a.note(w, &a.record, b.At)
		}
	}
}

func (a *arrivals) note(w *arrived, r *flowlog.Record, at time.Time) {
	start := r.IntOr(flowlog.Start, 0)
	pane := start - start%a.pane
	switch w.truth.Rule {
	case "scan.internal", "scan.external":
		failing := r.Action() == flowlog.Reject || r.IntOr(flowlog.TCPFlags, 0) == 2 && r.IntOr(flowlog.Packets, 0) <= 3
		from, to := r.Addr(flowlog.SrcAddr), r.Addr(flowlog.DstAddr)
		switch {
		case !w.key.IsValid():
		case failing && from == w.key:
			w.scanned(netip.AddrPortFrom(to, uint16(r.IntOr(flowlog.DstPort, 0))), pane, at, a)
		case to == w.key && from.IsPrivate() == to.IsPrivate() && answers(r):
			w.answered[netip.AddrPortFrom(from, uint16(r.IntOr(flowlog.SrcPort, 0)))] = struct{}{}
		}
	case "spike":
		w.flooded(r, pane, at)
	}
}

// answers reports whether a record towards a scanner is an answer: anything but
// TCP, or a SYN-ACK.
func answers(r *flowlog.Record) bool {
	const synAck = 18
	return r.IntOr(flowlog.Protocol, 0) != 6 || r.IntOr(flowlog.TCPFlags, 0)&synAck == synAck
}

// scanned notes a failing target.
func (w *arrived) scanned(t netip.AddrPort, pane int64, at time.Time, a *arrivals) {
	if _, known := w.targets[t]; known || !w.enough.IsZero() {
		return
	}
	w.targets[t] = struct{}{}
	w.failed[pane]++
	for _, th := range a.scans[w.truth.Rule] {
		// The new target lies in windows that end with its own pane or later.
		for end := pane; end < pane+th.seconds; end += a.pane {
			n := 0
			for p := end; p > end-th.seconds; p -= a.pane {
				n += w.failed[p]
			}
			if n >= th.failed && n-len(w.answered) >= a.margin {
				w.enough = at
				return
			}
		}
	}
}

// flooded notes a record that counts towards a flood.
func (w *arrived) flooded(r *flowlog.Record, pane int64, at time.Time) {
	if string(r.Text(flowlog.InterfaceID)) != w.truth.Key || r.FlowDirection() == flowlog.Egress {
		return
	}
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
	w.sources[r.Addr(flowlog.SrcAddr)] = struct{}{}
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

// needed returns when the last record arrived that an early finding of a truth
// needs; zero when it never did, and for a rule without early findings. Whether
// the finding came early does not matter.
func (a *arrivals) needed(t *simulate.Truth, i *evaluate.Incident) time.Time {
	if a == nil {
		return time.Time{}
	}
	for _, w := range a.of {
		if w.truth.Scenario != t.Scenario || w.truth.Key != t.Key || w.truth.VPC != t.VPC || !w.truth.Start.Equal(t.Start) {
			continue
		}
		if t.Rule == "spike" {
			return w.struck(i)
		}
		return w.enough
	}
	return time.Time{}
}

// struck returns when the measure that surprised most had come to where no
// second pane is needed, or in two panes in a row to where it is a candidate,
// whichever was first; when neither is seen, the last arrival before the finding.
func (w *arrived) struck(i *evaluate.Incident) time.Time {
	if i.First.Spike == nil || len(i.First.Spike.Measures) == 0 {
		return time.Time{}
	}
	m, size := &i.First.Spike.Measures[0], i.First.Spike.WindowSeconds
	reached := func(pane int64, enough float64) time.Time {
		for _, s := range w.samples {
			x := float64(s.count[m.Measure])
			if m.Measure == detect.Bytes {
				x /= 1024
			}
			if s.pane == pane && x >= enough {
				return s.at
			}
		}
		return time.Time{}
	}
	var last time.Time
	for _, s := range w.samples {
		if s.pane <= i.First.Spike.WindowStart && !s.at.After(i.Raised) {
			last = s.at
		}
	}
	for pane := w.truth.Start.Unix() / size * size; pane <= i.First.Spike.WindowStart; pane += size {
		if at := reached(pane, m.Alone); !at.IsZero() && at.Before(last) {
			last = at
		}
		before, now := reached(pane-size, m.Least), reached(pane, m.Least)
		if !before.IsZero() && !now.IsZero() {
			if now.Before(before) {
				now = before
			}
			if now.Before(last) {
				last = now
			}
		}
	}
	return last
}
