package aggregate

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What an open pane shows of a slice's keys is what the merged pane would.
func TestOpenPanesShowWhatTheirPartsHoldTogether(t *testing.T) {
	p := plan(t)
	rapid.Check(t, func(rt *rapid.T) {
		flows := rapid.SliceOfN(anyFlow(), 1, 40).Draw(rt, "slice")
		pending := rapid.SliceOfN(anyFlow(), 0, 40).Draw(rt, "pending")
		older := rapid.SliceOfN(anyFlow(), 0, 40).Draw(rt, "open")
		slice, whole := fold(t, p, flows...), NewPartial(p)
		parts := []*Partial{fold(t, p, pending...), fold(t, p, older...)}
		for _, part := range append(parts, slice) {
			whole.Merge(part)
		}
		open := NewOpen(slice, parts...)
		for _, start := range open.Starts() {
			merged := map[string]string{}
			for l := range whole.Pane(start).Loads().All {
				merged[l.Interface] = tellLoad(&l)
			}
			for l := range open.Loads(start) {
				if diff := cmp.Diff(merged[l.Interface], tellLoad(&l)); diff != "" {
					rt.Errorf("load of %s in pane %d (-merged +open):\n%s", l.Interface, start, diff)
				}
			}
		}
		merged := map[string]string{}
		for _, start := range whole.Starts() {
			for c := range whole.Pane(start).Contacts().All {
				merged[c.VPC+c.Source.String()] += tellTargets(start, c.Records, c.Targets)
			}
		}
		seen := map[string]bool{}
		for c := range open.Contacts(open.Starts(), 1, func(netip.Addr) bool { return true }) {
			id, got := c.VPC+c.Source.String(), ""
			for _, part := range c.Panes {
				got += tellTargets(part.Start, part.Records, part.Targets)
			}
			if seen[id] {
				rt.Errorf("%s is shown twice", id)
			}
			seen[id] = true
			if diff := cmp.Diff(merged[id], got); diff != "" {
				rt.Errorf("contact %s (-merged +open):\n%s", id, diff)
			}
		}
		for _, start := range slice.Starts() {
			for c := range slice.Pane(start).Contacts().All {
				if !seen[c.VPC+c.Source.String()] {
					rt.Errorf("%s has something in the slice and is not shown", c.Source)
				}
			}
		}
	})
}

func tellLoad(l *Load) string {
	return fmt.Sprint(l.Account, l.VPC, l.Interface, l.Records, l.Bytes, l.Packets, l.Accepted, l.Rejected, l.SynOnly, l.Unique, l.First, l.Last)
}

func tellTargets(start, records int64, t *Targets) string {
	return fmt.Sprintf("%d: %d records, %x\n", start, records, t.AppendBinary(nil))
}

func TestInitiatorsWithFewTargetsInOpenPanesAreLeftOut(t *testing.T) {
	p := plan(t)
	var slice, older []flow
	for i := range 6 {
		older = append(older, flow{start: 300, sport: 40000, dport: 1000 + i, src: "10.0.0.9", action: "REJECT"})
	}
	slice = append(slice,
		flow{start: 600, sport: 40000, dport: 22, src: "10.0.0.9", action: "REJECT"},
		flow{start: 600, sport: 40000, dport: 23, src: "10.0.0.9", action: "REJECT"},
		flow{start: 600, sport: 40000, dport: 22, src: "203.0.113.77", action: "REJECT"})
	show := func(of []int64, wanted func(netip.Addr) bool) (got []string) {
		for c := range NewOpen(fold(t, p, slice...), fold(t, p, older...)).Contacts(of, 8, wanted) {
			got = append(got, fmt.Sprint(c.Source, len(c.Panes)))
		}
		return got
	}
	got := show([]int64{600}, func(netip.Addr) bool { return true })
	if diff := cmp.Diff([]string{"10.0.0.9 2"}, got); diff != "" {
		t.Errorf("initiators with eight targets and their panes (-want +got):\n%s", diff)
	}
	if got := show([]int64{600}, func(a netip.Addr) bool { return !a.IsPrivate() }); got != nil {
		t.Errorf("one that is not wanted is shown: %v", got)
	}
	if got := show([]int64{300, 900}, func(netip.Addr) bool { return true }); got != nil {
		t.Errorf("what the slice has in another pane is shown: %v", got)
	}
}
