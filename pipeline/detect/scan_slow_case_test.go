package detect

import (
	"net/netip"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

func slowRule() Detector {
	fast := DefaultScanInternal()
	return NewScanSlow(DefaultScanSlow(), &fast, 5*time.Minute)
}

func TestSlowScans(t *testing.T) {
	const perHour = 12 // panes
	inBothLives(t, slowRule, func(c *ruleCase) {
		for i := range 29 {
			c.next(try(insider, rejected, ports("10.0.9.1", 1000+i, 1))).quiet(5) // two an hour
		}
		c.want()
		c.next(try(insider, rejected, ports("10.0.9.1", 2000, 1)))
		c.want("p174 create medium #1 uid=p174 scan.slow,vertical")
		c.whole()
		// It closes when nothing new has failed for six hours.
		c.quiet(6*perHour + 1)
		if f := c.last(); f.Activity != Close || f.CloseReason != Quiet {
			c.t.Errorf("after six hours the last event is %v %v", f.Activity, f.CloseReason)
		}
	})
	inBothLives(t, slowRule, func(c *ruleCase) { // a day later the first ones are forgotten
		for i := range 60 {
			c.next(try(insider, rejected, ports("10.0.9.1", 1000+i, 1))).quiet(perHour - 1) // one an hour
		}
		c.want()
	})
	inBothLives(t, slowRule, func(c *ruleCase) { // dead peers, tried again and again
		for range 20 * perHour {
			c.next(try(insider, syn, hosts("10.0.9.1", 6, 7946, tcp)))
		}
		c.want()
	})
	inBothLives(t, slowRule, func(c *ruleCase) { // a burst is scan.internal's
		c.next(try(insider, rejected, ports("10.0.9.1", 1000, 60))).quiet(perHour)
		c.want()
	})
	inBothLives(t, slowRule, func(c *ruleCase) { // as many answer
		for i := range 40 {
			c.next(try(insider, rejected, ports("10.0.9.1", 1000+i, 1)), try(insider, connected, ports("10.0.9.2", 1000+i, 1))).quiet(5)
		}
		c.want()
	})
	inBothLives(t, slowRule, func(c *ruleCase) { // web pages outside excuse nothing inside
		for i := range 30 {
			c.next(try(insider, rejected, ports("10.0.9.1", 1000+i, 1)), try(insider, connected, hosts("203.0.113.1", 5*i%100+5, 443, tcp))).quiet(5)
		}
		c.want("p174 create medium #1 uid=p174 scan.slow,vertical")
	})
	inBothLives(t, slowRule, func(c *ruleCase) { // sources outside, and allowed ones, are none of its matter
		for i := range 40 {
			ours := try(insider, rejected, ports("10.0.9.1", 1000+i, 1))
			ours.allowed = true
			c.next(try(outsider, rejected, ports("10.0.9.1", 1000+i, 1)), ours).quiet(5)
		}
		c.want()
	})
}

func TestScanSlow(t *testing.T) {
	for _, k := range []struct {
		name  string
		every int // panes from one failed target to the next
		n     int
		story aggregate.Evidence
		finds int
	}{
		{"two an hour for a day", 6, 47, rejected, 1},
		{"eight an hour, one less than scan.internal asks for", 8, 35, rejected, 1},
		{"six an hour, of which any two hours by the clock have twelve", 2, 40, rejected, 1},
		{"by SYN alone", 6, 40, syn, 1},
		{"29 targets", 6, 29, rejected, 0},
		{"twelve an hour, which scan.internal finds", 1, 100, rejected, 0},
		{"one an hour: never 30 in a day", 12, 60, rejected, 0},
		{"answered", 6, 47, connected, 0},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := caseOf(t, slowRule)
			for i := range k.n {
				c.next(try(insider, k.story, ports("10.0.7.42", 1+i, 1))).quiet(k.every - 1)
			}
			c.quiet(2).wantCreates(k.finds)
		})
	}
}

// At the thirtieth SYN without an answer nothing is sure: one more pane may
// bring it.
func TestScanSlowWaitsForAnswers(t *testing.T) {
	silent, answered := caseOf(t, slowRule), caseOf(t, slowRule)
	for _, c := range []*ruleCase{silent, answered} {
		for i := range 29 {
			c.next(try(insider, rejected, ports("10.0.7.42", 1+i, 1))).quiet(8)
		}
		c.next(try(insider, syn, ports("10.0.7.42", 100, 1))).want()
	}
	silent.quiet(1).want("p262 create medium #1 uid=p262 scan.slow,vertical")
	answered.next(try(insider, aggregate.SynAck, ports("10.0.7.42", 100, 1))).quiet(3).want()
}

// What scan.internal finds is not found again, and what it does not find for its
// answers is not left out.
func TestScanSlowLeavesNoGapToScanInternal(t *testing.T) {
	off := caseOf(t, func() Detector { return NewScanSlow(DefaultScanSlow(), nil, 5*time.Minute) })
	off.next(try(insider, rejected, ports("10.0.7.42", 1, 40))).wantCreates(1)
	on := caseOf(t, slowRule)
	on.next(try(insider, rejected, ports("10.0.7.42", 1, 40))).wantCreates(0)
	unlikely := DefaultScanInternal()
	unlikely.Alpha = 1e-30 // it asks for 50 more failed than answered
	strict := caseOf(t, func() Detector { return NewScanSlow(DefaultScanSlow(), &unlikely, 5*time.Minute) })
	strict.next(try(insider, rejected, ports("10.0.7.42", 1, 40))).wantCreates(1)
}

// Six hours are six hours, whatever a pane is.
func TestScanSlowGoesOnForSixHours(t *testing.T) {
	for _, pane := range []time.Duration{time.Minute, 5 * time.Minute, time.Hour} {
		rule := NewScanSlow(DefaultScanSlow(), nil, pane)
		if got, want := rule.ledger.quiet, int(6*time.Hour/pane)+1; got != want {
			t.Errorf("with panes of %v an incident closes after %d quiet ones, want %d", pane, got, want)
		}
	}
}

func TestSlowScansLetGoOfTheLeastSuspicious(t *testing.T) {
	cfg := DefaultScanSlow()
	cfg.Targets = 1000
	fast := DefaultScanInternal()
	c := caseOf(t, func() Detector { return NewScanSlow(cfg, &fast, 5*time.Minute) })
	rule := c.rule.(*ScanSlow)
	var all []tries
	for i := range 200 {
		all = append(all, try(netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}).String(), connected, hosts("10.0.9.1", 10, 80, tcp)))
	}
	all = append(all, try(insider, rejected, ports("10.0.9.9", 1, 5)))
	c.next(all...)
	if rule.size > 1000 || rule.TakeEvicted() < 1000 {
		t.Errorf("%d targets are held", rule.size)
	}
	if rule.sources[addrKey{"111122223333", "vpc-0abc", netip.MustParseAddr(insider)}] == nil {
		t.Error("the one that fails was let go")
	}
}

func TestScanSlowNeedsNoRoomForever(t *testing.T) {
	c := caseOf(t, slowRule)
	rule := c.rule.(*ScanSlow)
	state := saved{}
	for i := range 40 {
		c.next(try(insider, rejected, ports("10.0.7.42", 1+i, 1))).quiet(5)
		state.take(rule)
	}
	for range 400 {
		c.next()
		state.take(rule)
	}
	if rule.size != 0 || len(rule.sources) != 0 || len(state) != 1 {
		t.Errorf("%d targets, %d sources, %d entries are left; want only the last pane's", rule.size, len(rule.sources), len(state))
	}
}
