package detect

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// ruleCase feeds any rule pane by pane, and writes down what it finds. With
// restart, a new rule takes over after every pane.
type ruleCase struct {
	t       *testing.T
	rule    Detector
	make    func() Detector
	restart bool
	state   saved
	pane    int64
	found   []Finding
	events  []string
}

// inBothLives runs a story twice: in one life, and restarted after each pane.
func inBothLives(t *testing.T, make func() Detector, story func(*ruleCase)) {
	t.Helper()
	for _, restart := range []bool{false, true} {
		name := "in one life"
		if restart {
			name = "restarted after each pane"
		}
		t.Run(name, func(t *testing.T) {
			story(&ruleCase{t: t, rule: make(), make: make, restart: restart, state: saved{}})
		})
	}
}

// next feeds one pane; the VPC is covered.
func (c *ruleCase) next(change func(*Pane)) *ruleCase {
	c.t.Helper()
	p := &Pane{
		Start: startOf(c.pane), End: startOf(c.pane + 1),
		Loads: []Load{{Key: Key{"111122223333", "vpc-0abc", "eni-0bb2"}, TargetAddr: "10.0.9.1", OK: true}},
	}
	if change != nil {
		change(p)
	}
	found := c.rule.Detect(p)
	conforms(c.t, found)
	for _, f := range found {
		c.found = append(c.found, f)
		c.events = append(c.events, eventLine(&f))
	}
	c.pane++
	if c.restart {
		c.state.take(c.rule)
		c.rule = c.make()
		if err := c.rule.Restore(c.state.entries()); err != nil {
			c.t.Fatal(err)
		}
	}
	return c
}

func (c *ruleCase) quiet(n int) *ruleCase {
	for range n {
		c.next(nil)
	}
	return c
}

// contacts feeds one pane with these contacts.
func (c *ruleCase) contacts(all ...tries) *ruleCase {
	c.t.Helper()
	var contacts []Contact
	for _, t := range all {
		a := netip.MustParseAddr(t.source)
		i := slices.IndexFunc(contacts, func(c Contact) bool { return c.Source == a })
		if i < 0 {
			i = len(contacts)
			contacts = append(contacts, Contact{
				Account: "111122223333", VPC: "vpc-0abc", Source: a, Internal: a.IsPrivate(), Allowed: t.allowed,
				Targets: &aggregate.Targets{}, First: startOf(c.pane) + 7, Last: startOf(c.pane) + 290,
			})
		}
		for _, target := range t.targets {
			contacts[i].Targets.Add(target, t.story)
			contacts[i].Records++
		}
	}
	return c.next(func(p *Pane) { p.Contacts = slices.Values(contacts) })
}

func (c *ruleCase) want(events ...string) *ruleCase {
	c.t.Helper()
	if diff := cmp.Diff(events, c.events); diff != "" {
		c.t.Fatalf("events (-want +got):\n%s", diff)
	}
	c.events = nil
	return c
}

func (c *ruleCase) last() *Finding { return &c.found[len(c.found)-1] }

// whole holds a finding to what every finding promises.
func (c *ruleCase) whole() {
	c.t.Helper()
	f := c.last()
	if f.Message == "" || f.Desc == "" || f.Title == "" || len(f.Attacks) == 0 || f.Queries.Athena == "" || f.Queries.LogsInsights == "" {
		c.t.Errorf("the finding lacks words: %+v", f)
	}
	if _, err := f.OCSF(time.Unix(0, 0)); err != nil {
		c.t.Error(err)
	}
	if strings.Contains(f.Message+f.Desc, "NaN") || strings.Contains(f.Message+f.Desc, "%!") {
		c.t.Errorf("broken words: %s; %s", f.Message, f.Desc)
	}
}

const data = connected | aggregate.Data

func slowRule() Detector { return NewScanSlow(DefaultScanSlow(), 9, 5*time.Minute) }

func TestSlowScans(t *testing.T) {
	const perHour = 12 // panes
	inBothLives(t, slowRule, func(c *ruleCase) {
		for i := range 29 {
			c.contacts(try(insider, rejected, ports("10.0.9.1", 1000+i, 1))).quiet(5) // two an hour
		}
		c.want()
		c.contacts(try(insider, rejected, ports("10.0.9.1", 2000, 1)))
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
			c.contacts(try(insider, rejected, ports("10.0.9.1", 1000+i, 1))).quiet(perHour - 1) // one an hour
		}
		c.want()
	})
	inBothLives(t, slowRule, func(c *ruleCase) { // dead peers, tried again and again
		for range 20 * perHour {
			c.contacts(try(insider, syn, hosts("10.0.9.1", 6, 7946, tcp)))
		}
		c.want()
	})
	inBothLives(t, slowRule, func(c *ruleCase) { // a burst is scan.internal's
		c.contacts(try(insider, rejected, ports("10.0.9.1", 1000, 60))).quiet(perHour)
		c.want()
	})
	inBothLives(t, slowRule, func(c *ruleCase) { // as many answer
		for i := range 40 {
			c.contacts(try(insider, rejected, ports("10.0.9.1", 1000+i, 1)), try(insider, connected, ports("10.0.9.2", 1000+i, 1))).quiet(5)
		}
		c.want()
	})
	inBothLives(t, slowRule, func(c *ruleCase) { // web pages outside excuse nothing inside
		for i := range 30 {
			c.contacts(try(insider, rejected, ports("10.0.9.1", 1000+i, 1)), try(insider, connected, hosts("203.0.113.1", 5*i%100+5, 443, tcp))).quiet(5)
		}
		c.want("p174 create medium #1 uid=p174 scan.slow,vertical")
	})
	inBothLives(t, slowRule, func(c *ruleCase) { // sources outside, and allowed ones, are none of its matter
		for i := range 40 {
			ours := try(insider, rejected, ports("10.0.9.1", 1000+i, 1))
			ours.allowed = true
			c.contacts(try(outsider, rejected, ports("10.0.9.1", 1000+i, 1)), ours).quiet(5)
		}
		c.want()
	})
}

func TestSlowScansLetGoOfTheLeastSuspicious(t *testing.T) {
	cfg := DefaultScanSlow()
	cfg.Targets = 1000
	rule := NewScanSlow(cfg, 9, 5*time.Minute)
	c := &ruleCase{t: t, rule: rule, make: func() Detector { return rule }}
	var all []tries
	for i := range 200 {
		all = append(all, try(netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}).String(), connected, hosts("10.0.9.1", 10, 80, tcp)))
	}
	all = append(all, try(insider, rejected, ports("10.0.9.9", 1, 5)))
	c.contacts(all...)
	if rule.size > 1000 || rule.TakeEvicted() < 1000 {
		t.Errorf("%d targets are held", rule.size)
	}
	if rule.sources[sourceKey{"111122223333", "vpc-0abc", netip.MustParseAddr(insider)}] == nil {
		t.Error("the one that fails was let go")
	}
}

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
			c.contacts(probing(20, 1, 1)...) // what every public address gets
		}
		c.contacts(probing(34, 2, 1000)...).want() // 68 ports: not 50 above 20
		c.contacts(probing(40, 2, 2000)...)        // 80
		c.want("p13 create medium #1 uid=p13 scan.distributed,vertical")
		c.whole()
		if f := c.last(); f.Key != "eni-0bb2" || f.Counted.Sources != 40 || f.Counted.Observed != 80 {
			t.Errorf("key %s, evidence %+v", f.Key, f.Counted)
		}
		c.contacts(probing(20, 1, 1)...).contacts(probing(20, 1, 1)...).contacts(probing(20, 1, 1)...)
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
					c.contacts(probing(20, 1, 1)...)
				}
				c.contacts(attack...).quiet(2).want()
			})
		})
	}
	inBothLives(t, distributedRule, func(c *ruleCase) { // nothing is judged before twelve panes
		c.quiet(11).contacts(probing(200, 2, 1000)...).want()
	})
	inBothLives(t, distributedRule, func(c *ruleCase) { // a host that never got any: twice as many are needed
		c.quiet(12).contacts(probing(50, 2, 1000)...).want()
	})
	inBothLives(t, distributedRule, func(c *ruleCase) {
		c.quiet(12).contacts(probing(51, 2, 1000)...).want("p12 create medium #1 uid=p12 scan.distributed,vertical")
	})
}

func successRule() Detector { return NewScanSuccess(DefaultScanSuccess(), 5*time.Minute) }

func TestSessionsAfterAScan(t *testing.T) {
	scan := try(insider, rejected, ports("10.0.9.1", 1, 12))
	inBothLives(t, successRule, func(c *ruleCase) {
		c.contacts(scan).want()
		c.contacts(try(insider, data, ports("10.0.9.1", 8080, 1)))
		c.want("p1 create high #1 uid=p1 scan.success,vertical")
		c.whole()
	})
	inBothLives(t, successRule, func(c *ruleCase) { // in the pane of the scan
		c.contacts(scan, try(insider, data, ports("10.0.9.1", 8080, 1))).
			want("p0 create high #1 uid=p0 scan.success,vertical")
	})
	inBothLives(t, successRule, func(c *ruleCase) { // what it found open, hours later
		c.contacts(scan, try(insider, connected, ports("10.0.9.1", 8080, 1))).quiet(60).want()
		c.contacts(try(insider, data, ports("10.0.9.1", 8080, 1))).
			want("p61 create high #1 uid=p61 scan.success,vertical")
	})
	inBothLives(t, successRule, func(c *ruleCase) { // from outside: a port of administration only
		c.contacts(try(outsider, rejected, ports("10.0.9.1", 1000, 12))).
			contacts(try(outsider, data, ports("10.0.9.1", 443, 1))).want().
			contacts(try(outsider, data, ports("10.0.9.1", 22, 1))).
			want("p2 create high #1 uid=p2 scan.success,vertical")
	})
	for name, story := range map[string]func(c *ruleCase){
		"no scan before":              func(c *ruleCase) { c.contacts(try(insider, data, ports("10.0.9.1", 1, 30))) },
		"the probe itself is no data": func(c *ruleCase) { c.contacts(scan).contacts(try(insider, connected, ports("10.0.9.1", 8080, 1))) },
		"data with it before": func(c *ruleCase) {
			c.contacts(try(insider, data, ports("10.0.9.1", 8080, 1)), try(insider, rejected, ports("10.0.9.5", 1, 2))).contacts(scan).contacts(try(insider, data, ports("10.0.9.1", 8080, 1)))
		},
		"another host and port": func(c *ruleCase) { c.contacts(scan).contacts(try(insider, data, ports("10.0.8.8", 8080, 1))) },
		"a day later": func(c *ruleCase) {
			c.contacts(scan).quiet(300).contacts(try(insider, data, ports("10.0.9.1", 8080, 1)))
		},
		"hours later, not found open": func(c *ruleCase) { c.contacts(scan).quiet(60).contacts(try(insider, data, ports("10.0.9.1", 873, 1))) },
		"an agent whose server died": func(c *ruleCase) {
			for range 24 {
				c.contacts(try(insider, syn, ports("10.0.9.1", 4505, 1)))
			}
			c.contacts(try(insider, data, ports("10.0.9.1", 22, 1)))
		},
		"six dead peers of thirty": func(c *ruleCase) {
			for range 24 {
				c.contacts(try(insider, syn, hosts("10.0.9.1", 6, 7946, tcp)), try(insider, data, hosts("10.0.8.1", 24, 7946, tcp)))
			}
			c.contacts(try(insider, data, hosts("10.0.7.1", 3, 7946, tcp)))
		},
		"a crawler that meets 404 only": func(c *ruleCase) { c.contacts(try(outsider, data, hosts("10.0.9.1", 30, 443, tcp))) },
	} {
		t.Run(name, func(t *testing.T) { inBothLives(t, successRule, func(c *ruleCase) { story(c); c.want() }) })
	}
}

func TestCeilings(t *testing.T) {
	load := func(c *ruleCase, bytes, packets, flows int64) *ruleCase {
		return c.next(func(p *Pane) {
			p.Loads[0].Values[Bytes], p.Loads[0].Values[Packets], p.Loads[0].Values[AcceptedFlows] = bytes, packets, flows
		})
	}
	make := func() Detector {
		return NewCeiling(CeilingConfig{BPS: 8_000_000, PPS: 1000, Flows: 500}, 5*time.Minute)
	}
	inBothLives(t, make, func(c *ruleCase) {
		load(c, 300_000_000, 300_000, 500).want() // each at its ceiling
		load(c, 300_000_001, 0, 0).want("p1 create medium #1 uid=p1 ceiling,bits_per_second")
		c.whole()
		load(c, 0, 0, 0)
		load(c, 0, 0, 0)
		load(c, 0, 0, 0).want("p4 close medium #2 uid=p1 ceiling,bits_per_second quiet")
	})
	inBothLives(t, make, func(c *ruleCase) {
		load(c, 0, 300_001, 0).want("p0 create medium #1 uid=p0 ceiling,packets_per_second")
	})
	inBothLives(t, make, func(c *ruleCase) { // the one that is exceeded most
		load(c, 310_000_000, 310_000, 1000).want("p0 create medium #1 uid=p0 ceiling,flows")
	})
	if (&CeilingConfig{}).Enabled() {
		t.Error("there is a ceiling by default")
	}
	if err := (&CeilingConfig{BPS: -1}).Validate(); err == nil || !strings.Contains(err.Error(), "bps") {
		t.Errorf("a negative ceiling: %v", err)
	}
}
