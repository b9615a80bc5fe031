package detect

import (
	"iter"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// soFar shows the pane that is open after the last one fed, and the offset-th
// after that.
func (c *ingressCase) soFar(offset, accepted int64) *ingressCase {
	load := Load{Key: Key{"111122223333", "vpc-0abc", "eni-0bb2"}, OK: true, Records: accepted}
	load.Values[AcceptedFlows] = accepted
	pane := c.pane + offset
	found := c.rule.Early(&Open{Panes: []OpenPane{{Start: startOf(pane), End: startOf(pane + 1), Loads: []Load{load}}}})
	for _, f := range found {
		c.found = append(c.found, f)
		c.events = append(c.events, eventLine(&f))
	}
	return c
}

func TestAFloodOpensBeforeItsPaneCloses(t *testing.T) {
	c := newIngressCase(t).panes(20, 100)
	c.soFar(2, 400).want() // four times: a second pane would have to confirm it
	c.soFar(2, 900).want() // below ten times
	c.soFar(2, 1200).want("p22 create low #1 uid=p22 spike,accepted_flows")
	if got := c.last().Confidence; got != Provisional {
		t.Errorf("confidence is %v, want provisional", got)
	}
	c.soFar(2, 1500).soFar(3, 4000).want() // it is open already
	c.panes(2, 100).want()                 // the panes before decide nothing
	c.panes(1, 1500).want("p22 update low #2 uid=p22 spike,accepted_flows")
	if got := c.last(); got.Confidence != Learning || !strings.Contains(got.Message, "confirmed when the pane closed") {
		t.Errorf("after the close: confidence %v, message %q", got.Confidence, got.Message)
	}
	c.panes(3, 100).want("p25 close low #3 uid=p22 spike,accepted_flows quiet")
}

func TestAnEarlySpikeThatDoesNotStandIsClosed(t *testing.T) {
	c := newIngressCase(t).panes(20, 100).soFar(1, 1200)
	c.want("p21 create low #1 uid=p21 spike,accepted_flows")
	c.panes(1, 500) // what is expected rises a little, and the flood is not borne out
	c.panes(1, 300).want("p21 close low #2 uid=p21 spike,accepted_flows not_confirmed")
}

func TestAnEarlySpikeLeavesTheBaselineAlone(t *testing.T) {
	early, plain := newIngressCase(t).panes(20, 100), newIngressCase(t).panes(20, 100)
	early.soFar(3, 5000)
	for range 3 {
		early.panes(1, 130)
		plain.panes(1, 130)
	}
	if diff := cmp.Diff(plain.baseline(AcceptedFlows), early.baseline(AcceptedFlows), cmp.AllowUnexported(baseline{}, trend{}, tail{}, summit{})); diff != "" {
		t.Errorf("baseline (-without +with an early finding):\n%s", diff)
	}
}

// A pane that reopens an incident early is counted when it has closed, and once.
func TestAnEarlySpikeThatReopensCountsItsPaneOnce(t *testing.T) {
	closed := func() *ingressCase { return newIngressCase(t).panes(3*day, 100).panes(1, 1500).panes(3, 100) }
	early, plain := closed().soFar(1, 2000), closed()
	if f := early.last(); f.Seq != 3 || f.Count != 1 || f.Records != 1500 {
		t.Errorf("early: #%d with %d panes and %d records, want #3 with the 1 pane and 1,500 records of before", f.Seq, f.Count, f.Records)
	}
	for _, c := range []*ingressCase{early, plain} {
		c.panes(1, 100).panes(1, 2000)
		if f := c.last(); f.Activity != Update || f.Count != 2 || f.Records != 3500 {
			t.Errorf("%v with %d panes and %d records, want an update with 2 and 3,500", f.Activity, f.Count, f.Records)
		}
	}
}

func TestAnEarlySpikeSurvivesARestart(t *testing.T) {
	c := newIngressCase(t).panes(20, 100).soFar(1, 1200)
	c.rule = restored(t, c.rule)
	c.events = nil
	c.soFar(1, 1300).panes(1, 100).want()
	c.panes(1, 1300).want("p21 update low #2 uid=p21 spike,accepted_flows")
}

// restored returns the rule as a process that took over its state has it.
func restored(t *testing.T, old *Spike) *Spike {
	t.Helper()
	state := map[string][]byte{}
	old.Changes(func(k, v []byte) {
		if v == nil {
			delete(state, string(k))
			return
		}
		state[string(k)] = slices.Clone(v)
	})
	fresh := NewSpike(old.cfg, fiveMinutes*1e9)
	keys := make([]string, 0, len(state))
	for k := range state {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	err := fresh.Restore(func() (k, v []byte, ok bool) {
		if len(keys) == 0 {
			return nil, nil, false
		}
		k, v = []byte(keys[0]), state[keys[0]]
		keys = keys[1:]
		return k, v, true
	})
	if err != nil {
		t.Fatal(err)
	}
	return fresh
}

// soFar shows what one source did in the panes that are open, the first of them
// the one after the last fed.
func (c *scanCase) soFar(source string, panes ...*aggregate.Targets) *scanCase {
	a := netip.MustParseAddr(source)
	contact := OpenContact{Contact: Contact{
		Account: "111122223333", VPC: "vpc-0abc", Source: a, Internal: a.IsPrivate(), Interface: "eni-0aa1",
	}}
	for i, targets := range panes {
		start := startOf(c.pane + int64(i))
		contact.Panes = append(contact.Panes, aggregate.OpenTargets{Start: start, Records: 1, First: start, Last: start + 60, Targets: targets})
	}
	found := c.rule.Early(&Open{From: func(internal bool) iter.Seq[OpenContact] {
		if internal != contact.Internal {
			return slices.Values[[]OpenContact](nil)
		}
		return slices.Values([]OpenContact{contact})
	}})
	for _, f := range found {
		c.found = append(c.found, f)
		c.events = append(c.events, eventLine(&f))
	}
	return c
}

func TestAFastScanOpensBeforeItsPaneCloses(t *testing.T) {
	c := internalCase(t).next()
	c.soFar(insider, targetsOf(try(insider, rejected, ports("10.0.9.1", 1, 17)))).want() // not twice nine
	c.soFar(insider, targetsOf(try(insider, rejected, ports("10.0.9.1", 1, 18)), try(insider, connected, ports("10.0.9.1", 100, 3)))).want()
	c.soFar(insider, targetsOf(try(insider, syn, ports("10.0.9.1", 1, 18)))).
		want("p1 create high #1 uid=p1 scan.internal,vertical")
	if got := c.last().Confidence; got != Provisional {
		t.Errorf("confidence is %v, want provisional", got)
	}
	// What waits for an answer is decided one pane later.
	c.next(try(insider, syn, ports("10.0.9.1", 1, 18))).want()
	c.next().want("p2 update high #2 uid=p1 scan.internal,vertical")
	if got := c.last().Confidence; got != HighConfidence {
		t.Errorf("confidence after the close is %v, want high", got)
	}
}

func TestAnEarlyScanThatIsAnsweredIsClosed(t *testing.T) {
	c := internalCase(t).next()
	c.soFar(insider, targetsOf(try(insider, syn, ports("10.0.9.1", 1, 30)))).
		want("p1 create high #1 uid=p1 scan.internal,vertical")
	c.next(try(insider, connected, ports("10.0.9.1", 1, 30))).want()
	c.next().want("p2 close high #2 uid=p1 scan.internal,vertical not_confirmed")
}

func TestAnEarlyScanHasTheUIDOfThePaneThatCrosses(t *testing.T) {
	c := internalCase(t).next(try(insider, rejected, ports("10.0.9.1", 1, 5)))
	// Five have failed in a closed pane; nine are reached in the first open one,
	// eighteen in the second.
	c.soFar(insider,
		targetsOf(try(insider, rejected, ports("10.0.9.1", 6, 5))),
		targetsOf(try(insider, rejected, ports("10.0.9.1", 11, 9)))).
		want("p2 create high #1 uid=p1 scan.internal,vertical")
	c.next(try(insider, rejected, ports("10.0.9.1", 6, 5))).want("p1 update high #2 uid=p1 scan.internal,vertical")
}

func TestExternalEarlyScansNeedTwoHundred(t *testing.T) {
	c := externalCase(t).next()
	c.soFar(outsider, targetsOf(try(outsider, rejected, ports("10.0.9.1", 1, 128)))).want()
	c.soFar(outsider, targetsOf(try(outsider, rejected, ports("10.0.9.1", 1, 260)))).
		want("p1 create low #1 uid=p1 scan.external,vertical")
	c.next(try(outsider, rejected, ports("10.0.9.1", 1, 260))).
		want("p1 update low #2 uid=p1 scan.external,vertical")
}

// Two open panes in a row that are candidates already need no close.
func TestASecondOpenPaneConfirmsAFlood(t *testing.T) {
	c := newIngressCase(t).panes(20, 100)
	load := func(accepted int64) Load {
		l := Load{Key: Key{"111122223333", "vpc-0abc", "eni-0bb2"}, OK: true, Records: accepted}
		l.Values[AcceptedFlows] = accepted
		return l
	}
	early := func(before, now int64) []string {
		var events []string
		for _, f := range c.rule.Early(&Open{Panes: []OpenPane{{
			Start: startOf(22), End: startOf(23), Loads: []Load{load(now)},
			Before: func(*Load) (Load, bool) { return load(before), before > 0 },
		}}}) {
			events = append(events, eventLine(&f))
		}
		return events
	}
	for _, quiet := range [][2]int64{{0, 600}, {100, 600}, {600, 250}} {
		if got := early(quiet[0], quiet[1]); got != nil {
			t.Errorf("%d and then %d flows: %v", quiet[0], quiet[1], got)
		}
	}
	if diff := cmp.Diff([]string{"p22 create low #1 uid=p22 spike,accepted_flows"}, early(600, 700)); diff != "" {
		t.Errorf("600 and then 700 flows (-want +got):\n%s", diff)
	}
}

// What was reported before does not bear out what was found early.
func TestAReopenedScanThatIsAnsweredIsClosed(t *testing.T) {
	c := internalCase(t).next().next(try(insider, rejected, ports("10.0.9.1", 1, 20))).next().next().next()
	c.want("p1 create high #1 uid=p1 scan.internal,vertical", "p4 close high #2 uid=p1 scan.internal,vertical quiet")
	c.soFar(insider, targetsOf(try(insider, syn, ports("10.0.9.1", 100, 30)))).
		want("p5 update high #3 uid=p1 scan.internal,vertical")
	c.next(try(insider, connected, ports("10.0.9.1", 100, 30))).next()
	c.want("p6 close high #4 uid=p1 scan.internal,vertical not_confirmed")
}

// What an early finding counted is in the pane that confirms it.
func TestAReopenedScanCountsItsPaneOnce(t *testing.T) {
	c := internalCase(t).next().next(try(insider, rejected, ports("10.0.9.1", 1, 20)))
	c.want("p1 create high #1 uid=p1 scan.internal,vertical")
	c.next().next().next().want("p4 close high #2 uid=p1 scan.internal,vertical quiet")
	c.soFar(insider, targetsOf(try(insider, rejected, ports("10.0.9.1", 100, 20)))).
		want("p5 update high #3 uid=p1 scan.internal,vertical")
	c.next(try(insider, rejected, ports("10.0.9.1", 100, 20))).want("p5 update high #4 uid=p1 scan.internal,vertical")
	if got := c.last(); got.Count != 40 || got.Records != 40 {
		t.Errorf("%d of %d records, want the 40 of two panes", got.Count, got.Records)
	}
}
