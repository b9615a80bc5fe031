package main

import (
	"net/netip"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/evaluate"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// arrivals remembers, for the scans and floods of a simulation, when which part
// of them had arrived, so that a delay can be told from the last record that an
// early finding needs: of a scan the one with the target that makes twice the
// rule's threshold within its window, of a flood the one that brings a pane's
// count to where no second pane is needed, or a second pane's to where both are
// candidates. It counts by itself what the rules count: that they agree is the
// check on both.
type arrivals struct {
	layout *flowlog.Layout
	record flowlog.Record
	enrich *enrich.Enricher
	flow   enrich.Flow
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
	// Of a scan: what answered it, of the targets on its own side of the border, with
	// the pane of the last answer.
	answered map[netip.AddrPort]int64
	newest   int64              // of a scan: the last pane with a failed target
	enough   time.Time          // of a scan: when the first threshold was reached
	panes    map[int64]*filling // of a flood, by start: deliveries of several interleave
}

// filling is how a pane of the interface under attack filled.
type filling struct {
	sources map[netip.Addr]struct{}
	samples []sample // ascending
}

// sample is what had come by a time, in the units of measures; bytes in bytes.
type sample struct {
	at    time.Time
	count [detect.NumMeasures]int64
}

// by returns the count that holds from a time on, not before the last one.
func (p *filling) by(at time.Time) *[detect.NumMeasures]int64 {
	if n := len(p.samples); n == 0 {
		p.samples = append(p.samples, sample{at: at})
	} else if last := p.samples[n-1]; last.at.Before(at) {
		p.samples = append(p.samples, sample{at, last.count})
	}
	return &p.samples[len(p.samples)-1].count
}

func newArrivals(traffic *simulate.Generator, who *enrich.Enricher, rules *RulesConfig, pane time.Duration) (*arrivals, error) {
	layout, err := flowlog.ParseLayout(traffic.Format())
	if err != nil {
		return nil, err
	}
	const hour = 3600
	in, out := &rules.ScanInternal, &rules.ScanExternal
	a := &arrivals{layout: layout, enrich: who, margin: earlyMargin*lead(in.Alpha) - 1, pane: int64(pane / time.Second), scans: map[string][]threshold{
		"scan.internal": {{hour, earlyMargin * max(in.MinFailed, lead(in.Alpha))}},
		"scan.external": {{600, earlyMargin * max(out.MinFailed, lead(out.Alpha))}, {hour, earlyMargin * max(out.MinFailedHour, lead(out.Alpha))}},
	}}
	truths := traffic.Truth()
	for i := range truths {
		t := &truths[i]
		if t.Expect != simulate.ExpectFinding {
			continue
		}
		w := &arrived{
			truth: t, targets: make(map[netip.AddrPort]struct{}), failed: make(map[int64]int),
			answered: make(map[netip.AddrPort]int64), panes: make(map[int64]*filling),
		}
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
		if b.VPC == w.truth.VPC && first.After(w.truth.Start.Add(-w.lead())) && first.Before(w.truth.End.Add(10*time.Minute)) {
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

// lead is how long before a scenario records matter: the longest window of a scan
// rule, for whatever its source had tried by then, and a pane that overlaps.
func (w *arrived) lead() time.Duration {
	if w.key.IsValid() {
		return 70 * time.Minute
	}
	return 10 * time.Minute
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
			w.answered[netip.AddrPortFrom(from, uint16(r.IntOr(flowlog.SrcPort, 0)))] = pane
		}
	case "spike":
		if string(r.Text(flowlog.InterfaceID)) == w.truth.Key {
			a.enrich.Enrich(r, &a.flow)
			a.flooded(w, &a.flow, at)
		}
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
	w.newest = max(w.newest, pane)
	for _, th := range a.scans[w.truth.Rule] {
		// The new target lies in windows that end with its own pane or later ones that
		// have come.
		for end := pane; end <= w.newest && end < pane+th.seconds; end += a.pane {
			n := 0
			for p := end; p > end-th.seconds; p -= a.pane {
				n += w.failed[p]
			}
			if n >= th.failed && n-w.answeredAfter(end-th.seconds) >= a.margin {
				w.enough = at
				return
			}
		}
	}
}

// answeredAfter counts the targets that answered in a pane after the one that starts then.
func (w *arrived) answeredAfter(start int64) int {
	n := 0
	for _, pane := range w.answered {
		if pane > start {
			n++
		}
	}
	return n
}

// flooded notes a record that counts towards a flood as the rule spike counts
// it: ingress, but no reply to an own connection and nothing that is passed on;
// flows in the pane of their start, packets and bytes spread over their panes.
func (a *arrivals) flooded(w *arrived, f *enrich.Flow, at time.Time) {
	if f.Direction != flowlog.Ingress || f.Reply || !f.TargetInternal && f.SourceInternal {
		return
	}
	start := f.IntOr(flowlog.Start, 0)
	end := max(start, f.IntOr(flowlog.End, start)) + 1
	first := start - start%a.pane
	for pane := first; pane < end; pane += a.pane {
		p := w.panes[pane]
		if p == nil {
			p = &filling{sources: make(map[netip.Addr]struct{})}
			w.panes[pane] = p
		}
		c := p.by(at)
		part := min(end, pane+a.pane) - max(start, pane)
		c[detect.Bytes] += f.IntOr(flowlog.Bytes, 0) * part / (end - start)
		c[detect.Packets] += f.IntOr(flowlog.Packets, 0) * part / (end - start)
		if pane != first {
			continue
		}
		p.sources[f.Source] = struct{}{}
		c[detect.UniqueSources] = int64(len(p.sources))
		switch f.Action() {
		case flowlog.Accept:
			c[detect.AcceptedFlows]++
		case flowlog.Reject:
			c[detect.RejectedFlows]++
		}
		if f.IntOr(flowlog.TCPFlags, 0) == enrich.SYN && f.IntOr(flowlog.Protocol, 0) == enrich.TCP {
			c[detect.SynOnlyFlows]++
		}
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
			return w.struck(i.First.Spike)
		}
		return w.enough
	}
	return time.Time{}
}

// struck returns when the first measure of a spike had come to where no second
// pane is needed, or in two panes in a row to where each confirms the other, whichever
// was sooner; zero when none did up to the pane that the spike was found in.
func (w *arrived) struck(s *detect.SpikeEvidence) time.Time {
	if s == nil {
		return time.Time{}
	}
	var first time.Time
	sooner := func(at time.Time) {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	for pane := w.truth.Start.Unix() / s.WindowSeconds * s.WindowSeconds; pane <= s.WindowStart; pane += s.WindowSeconds {
		for i := range s.Measures {
			m := &s.Measures[i]
			sooner(w.panes[pane].reached(m.Measure, m.Alone))
			before, now := w.panes[pane-s.WindowSeconds].reached(m.Measure, m.Pair), w.panes[pane].reached(m.Measure, m.Pair)
			switch {
			case before.IsZero() || now.IsZero():
			case now.Before(before): // its delivery was faster
				sooner(before)
			default:
				sooner(now)
			}
		}
	}
	return first
}

// reached returns when a measure had come to so much, zero when it never did.
// The pane may be nil: nothing came.
func (p *filling) reached(m detect.Measure, enough float64) time.Time {
	if p == nil || enough <= 0 {
		return time.Time{}
	}
	for _, seen := range p.samples {
		x := float64(seen.count[m])
		if m == detect.Bytes {
			x /= 1024
		}
		if x >= enough {
			return seen.at
		}
	}
	return time.Time{}
}
