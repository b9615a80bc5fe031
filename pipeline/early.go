package pipeline

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// The bounds of early findings: how old a pane may be to be looked at before it
// closes, since nobody waits for what a reader that is behind will find in a
// moment, and how many targets an initiator must have in open panes.
const (
	earlyWithin  = 3600 // seconds
	earlyTargets = 8
)

// early shows the rules that can judge an open pane what a slice adds to. mu is
// held, and the slice is not merged yet.
func (b *back) early(s *aggregate.Partial) {
	if !b.p.early {
		return
	}
	now := b.p.clock().Unix()
	starts := slices.DeleteFunc(s.Starts(), func(start int64) bool { return start+b.p.plan.Pane+earlyWithin < now })
	if len(starts) == 0 {
		return
	}
	open := b.p.openPanes(aggregate.NewOpen(s, b.pending, b.open), starts)
	for _, r := range b.rules {
		rule, ok := r.Detector.(detect.Early)
		if !ok {
			continue
		}
		for _, f := range rule.Early(open) {
			b.raise(f)
		}
	}
	if len(b.raised) > 0 {
		b.hurry()
	}
}

// openPanes shows what is open to the detectors; it shares the panes' memory.
func (p *Pipeline) openPanes(open *aggregate.Open, starts []int64) *detect.Open {
	d := &detect.Open{Own: p.enricher.Internal}
	for _, start := range starts {
		pane := detect.OpenPane{Start: start, End: start + p.plan.Pane, Before: func(l *detect.Load) (detect.Load, bool) {
			of := aggregate.Load{Account: l.Account, VPC: l.VPC, Interface: l.Interface}
			before, ok := open.Load(start-p.plan.Pane, &of)
			if !ok {
				return detect.Load{}, false
			}
			return loadOf(&before), true
		}}
		for load := range open.Loads(start) {
			pane.Loads = append(pane.Loads, loadOf(&load))
		}
		slices.SortFunc(pane.Loads, func(a, b detect.Load) int { return a.Key.Compare(b.Key) })
		d.Panes = append(d.Panes, pane)
	}
	d.From = func(internal bool) iter.Seq[detect.OpenContact] {
		wanted := func(source netip.Addr) bool {
			return p.enricher.Internal(source) == internal && !p.enricher.Allowed(source)
		}
		return func(yield func(detect.OpenContact) bool) {
			for c := range open.Contacts(starts, earlyTargets, wanted) {
				shown := detect.OpenContact{Contact: contactOf(&c.Contact, internal, false), Panes: c.Panes}
				shown.Targets = nil
				if !yield(shown) {
					return
				}
			}
		}
	}
	return d
}
