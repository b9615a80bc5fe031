package detect

import (
	"net/netip"
	"testing"
	"time"
)

func distributedRule() Detector {
	return NewScanDistributed(DefaultScanDistributed(), 5*time.Minute)
}

// probing is n sources of which each tries so many ports of the host.
func probing(n, each, from int) []tries {
	var all []tries
	for i := range n {
		a := netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})
		all = append(all, try(a.String(), rejected, ports("10.0.9.1", from+i*each, each)))
	}
	return all
}

func TestDistributedScans(t *testing.T) {
	inBothLives(t, distributedRule, func(c *ruleCase) {
		for range 12 {
			c.next(probing(20, 1, 1)...) // what every public address gets
		}
		c.next(probing(34, 2, 1000)...).want() // 68 ports: not 50 above 20
		c.next(probing(40, 2, 2000)...)        // 80
		c.want("p13 create medium #1 uid=p13 scan.distributed,vertical")
		c.whole()
		if f := c.last(); f.Key != "10.0.9.1" || f.Counted.Interface != "eni-0bb2" || f.Counted.Sources != 40 || f.Counted.Observed != 80 {
			t.Errorf("key %s, evidence %+v", f.Key, f.Counted)
		}
		c.next(probing(20, 1, 1)...).next(probing(20, 1, 1)...).next(probing(20, 1, 1)...)
		c.want("p16 close medium #2 uid=p13 scan.distributed,vertical quiet")
	})
	for name, attack := range map[string][]tries{
		"few sources":               probing(29, 5, 1000),
		"each a scanner of its own": probing(40, 9, 1000),
		"what answers":              {try(outsider, connected, ports("10.0.9.1", 1000, 8))},
		"1,100 probes an hour":      probing(92, 1, 1)[:92:92],
	} {
		if name == "1,100 probes an hour" {
			attack = nil
			for i := range 92 { // mostly the same ports
				attack = append(attack, try(netip.AddrFrom4([4]byte{203, 0, 1, byte(i)}).String(), rejected, ports("10.0.9.1", 1+i%30, 1)))
			}
		}
		t.Run(name, func(t *testing.T) {
			inBothLives(t, distributedRule, func(c *ruleCase) {
				for range 12 {
					c.next(probing(20, 1, 1)...)
				}
				c.next(attack...).quiet(2).want()
			})
		})
	}
	inBothLives(t, distributedRule, func(c *ruleCase) { // nothing is judged before twelve panes
		c.quiet(11).next(probing(200, 2, 1000)...).want()
	})
	inBothLives(t, distributedRule, func(c *ruleCase) { // a host that never got any: twice as many are needed
		c.quiet(12).next(probing(50, 2, 1000)...).want()
	})
	inBothLives(t, distributedRule, func(c *ruleCase) {
		c.quiet(12).next(probing(51, 2, 1000)...).want("p12 create medium #1 uid=p12 scan.distributed,vertical")
	})
}

func TestScanDistributed(t *testing.T) {
	for _, k := range []struct {
		name   string
		usual  int // probes in a pane before
		attack []tries
		finds  int
	}{
		{"80 sources, 80 ports", 2, probing(80, 1, 1000), 1},
		{"at a host that has never had a probe", 0, probing(80, 1, 1000), 0},
		{"40 ports are not 50 more", 2, probing(40, 1, 1000), 0},
		{"three times what is usual, less one", 92, probing(275, 1, 1000), 0},
		{"1,100 probes an hour are radiation", 92, probing(92, 1, 1000), 0},
		{"one source is a scan of its own", 2, []tries{try(outsider, rejected, ports("10.0.7.42", 1000, 100))}, 0},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := caseOf(t, distributedRule)
			for i := range 24 {
				c.next(probing(k.usual, 1, 2000+i)...)
			}
			c.next(k.attack...).quiet(1).wantCreates(k.finds)
		})
	}
}

func TestScanDistributedForgetsHosts(t *testing.T) {
	c := caseOf(t, distributedRule)
	rule := c.rule.(*ScanDistributed)
	state := saved{}
	c.next(probing(2, 1, 1000)...)
	state.take(rule)
	c.pane += 9 * day
	c.next()
	c.next()
	state.take(rule)
	if len(rule.hosts) != 0 || len(state) != 1 { // since when the rule looks
		t.Errorf("%d hosts and %d entries are left after nine days, want none and one", len(rule.hosts), len(state))
	}
}
