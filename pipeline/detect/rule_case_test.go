package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// paneCase feeds any rule pane by pane, and writes down what it finds.
type paneCase struct {
	t      *testing.T
	rule   Detector
	pane   int64
	found  []Finding
	events []string
}

func caseOf(t *testing.T, rule Detector) *paneCase { return &paneCase{t: t, rule: rule} }

func slowCase(t *testing.T) *paneCase {
	return caseOf(t, NewScanSlow(DefaultScanSlow(), DefaultScanInternal().MinFailed, 5*time.Minute))
}

func successCase(t *testing.T) *paneCase {
	return caseOf(t, NewScanSuccess(DefaultScanSuccess(), 5*time.Minute))
}

func distributedCase(t *testing.T) *paneCase {
	return caseOf(t, NewScanDistributed(DefaultScanDistributed(), 5*time.Minute))
}

func bruteForceCase(t *testing.T) *paneCase {
	return caseOf(t, NewBruteForce(DefaultBruteForce(), 5*time.Minute))
}

// next feeds a pane with these contacts.
func (c *paneCase) next(all ...tries) *paneCase {
	return c.feed(&Pane{Contacts: slices.Values(contactsOf(c.pane, all))})
}

func contactsOf(pane int64, all []tries) []Contact {
	var contacts []Contact
	for _, t := range all {
		a := netip.MustParseAddr(t.source)
		i := slices.IndexFunc(contacts, func(k Contact) bool { return k.Source == a })
		if i < 0 {
			i = len(contacts)
			contacts = append(contacts, Contact{
				Account: "111122223333", VPC: "vpc-0abc", Source: a, Internal: a.IsPrivate(), Allowed: t.allowed,
				Targets: &aggregate.Targets{}, First: startOf(pane) + 7, Last: startOf(pane) + 290,
			})
		}
		for _, target := range t.targets {
			contacts[i].Targets.Add(target, t.story)
			contacts[i].Records++
		}
	}
	return contacts
}

// logs feeds a pane with one source's connections to port 22 of a host.
func (c *paneCase) logs(source string, connections, bytesEach int64) *paneCase {
	a := netip.MustParseAddr(source)
	return c.feed(&Pane{Logins: []Login{{Internal: a.IsPrivate(), Login: aggregate.Login{
		Account: "111122223333", VPC: "vpc-0abc", Source: a, Host: netip.MustParseAddr("10.0.7.42"), Port: 22,
		Connections: connections, Records: connections, Packets: 12 * connections, Bytes: connections * bytesEach,
		First: startOf(c.pane) + 7, Last: startOf(c.pane) + 290,
	}}}})
}

func (c *paneCase) feed(p *Pane) *paneCase {
	p.Start, p.End = startOf(c.pane), startOf(c.pane+1)
	if p.Loads == nil {
		p.Loads = []Load{{Key: Key{"111122223333", "vpc-0abc", "eni-0bb2"}, OK: true}}
	}
	found := c.rule.Detect(p)
	c.found = append(c.found, found...)
	for _, f := range found {
		c.events = append(c.events, eventLine(&f))
	}
	c.pane++
	return c
}

func (c *paneCase) quiet(n int) *paneCase {
	for range n {
		c.next()
	}
	return c
}

func (c *paneCase) want(events ...string) *paneCase {
	c.t.Helper()
	if diff := cmp.Diff(events, c.events); diff != "" {
		c.t.Fatalf("events (-want +got):\n%s", diff)
	}
	c.events = nil
	return c
}

// wantCreates holds how many incidents opened.
func (c *paneCase) wantCreates(n int) {
	c.t.Helper()
	got := 0
	for _, f := range c.found {
		if f.Activity == Create {
			got++
		}
	}
	if got != n {
		c.t.Errorf("%d incidents opened, want %d: %v", got, n, c.events)
	}
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
			c := slowCase(t)
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
	silent, answered := slowCase(t), slowCase(t)
	for _, c := range []*paneCase{silent, answered} {
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
	off := caseOf(t, NewScanSlow(DefaultScanSlow(), 0, 5*time.Minute))
	off.next(try(insider, rejected, ports("10.0.7.42", 1, 40))).wantCreates(1)
	on := slowCase(t)
	on.next(try(insider, rejected, ports("10.0.7.42", 1, 40))).wantCreates(0)
}

func TestScanSlowNeedsNoRoomForever(t *testing.T) {
	c := slowCase(t)
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

const withData = connected | aggregate.Data

func TestScanSuccess(t *testing.T) {
	scan := try(insider, rejected, ports("10.0.7.42", 1000, 12))
	outside := try(outsider, rejected, ports("10.0.7.42", 1000, 12))
	for _, k := range []struct {
		name  string
		panes [][]tries
		finds int
	}{
		{"a session on the scanned host", [][]tries{{scan}, {try(insider, withData, ports("10.0.7.42", 5432, 1))}}, 1},
		{"an answer without data", [][]tries{{scan}, {try(insider, connected, ports("10.0.7.42", 5432, 1))}}, 0},
		{"a session on another host and port", [][]tries{{scan}, {try(insider, withData, ports("10.0.9.1", 443, 1))}}, 0},
		{"known before the scan", [][]tries{
			{try(insider, rejected, ports("10.0.7.42", 999, 1)), try(insider, withData, ports("10.0.7.42", 5432, 1))},
			{scan}, {try(insider, withData, ports("10.0.7.42", 5432, 1))},
		}, 0},
		{"eight failures", [][]tries{{try(insider, rejected, ports("10.0.7.42", 1000, 8))}, {try(insider, withData, ports("10.0.7.42", 22, 1))}}, 0},
		{"from outside, SSH", [][]tries{{outside}, {try(outsider, withData, ports("10.0.7.42", 22, 1))}}, 1},
		{"from outside, a web page", [][]tries{{outside}, {try(outsider, withData, ports("10.0.7.42", 443, 1))}}, 0},
		{"SYNs without an answer, then a session", [][]tries{
			{try(insider, syn, ports("10.0.7.42", 1000, 12))}, {}, {try(insider, withData, ports("10.0.7.42", 22, 1))},
		}, 1},
		{"SYNs that are answered a pane later", [][]tries{
			{try(insider, syn, ports("10.0.7.42", 1000, 12)), try(insider, withData, ports("10.0.7.42", 22, 1))},
			{try(insider, aggregate.SynAck, ports("10.0.7.42", 1000, 12)), try(insider, withData, ports("10.0.7.42", 22, 1))},
			{try(insider, withData, ports("10.0.7.42", 22, 1))},
		}, 0},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := successCase(t)
			for _, p := range k.panes {
				c.next(p...)
			}
			c.quiet(1).wantCreates(k.finds)
		})
	}
}

// probes is n sources from outside that try one port each, from first on.
func probes(n, first int) []tries {
	var all []tries
	for i := range n {
		all = append(all, try(fmt.Sprintf("198.51.%d.%d", 100+i/250, 1+i%250), rejected, ports("10.0.7.42", first+i, 1)))
	}
	return all
}

func TestScanDistributed(t *testing.T) {
	for _, k := range []struct {
		name   string
		usual  int // probes in a pane before
		attack []tries
		finds  int
	}{
		{"80 sources, 80 ports", 2, probes(80, 1000), 1},
		{"at a host that has never had a probe", 0, probes(80, 1000), 0},
		{"40 ports are not 50 more", 2, probes(40, 1000), 0},
		{"three times what is usual, less one", 92, probes(275, 1000), 0},
		{"1,100 probes an hour are radiation", 92, probes(92, 1000), 0},
		{"one source is a scan of its own", 2, []tries{try(outsider, rejected, ports("10.0.7.42", 1000, 100))}, 0},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := distributedCase(t)
			for i := range 24 {
				c.next(probes(k.usual, 2000+i)...)
			}
			c.next(k.attack...).quiet(1).wantCreates(k.finds)
		})
	}
}

func TestScanDistributedForgetsHosts(t *testing.T) {
	c := distributedCase(t)
	rule := c.rule.(*ScanDistributed)
	state := saved{}
	c.next(probes(2, 1000)...)
	state.take(rule)
	c.pane += 9 * day
	c.next()
	c.next()
	state.take(rule)
	if len(rule.hosts) != 0 || len(state) != 1 { // since when the rule looks
		t.Errorf("%d hosts and %d entries are left after nine days, want none and one", len(rule.hosts), len(state))
	}
}

func TestBruteForceCases(t *testing.T) {
	type pane struct{ connections, bytes int64 }
	steady := func(n int, p pane) []pane { return slices.Repeat([]pane{p}, n) }
	for _, k := range []struct {
		name   string
		source string
		panes  []pane
		finds  int
	}{
		{"60 tries at once", outsider, []pane{{60, 1500}}, 1},
		{"30 tries, twice", outsider, []pane{{30, 1500}, {30, 1500}}, 1},
		{"59 once: a script that copies files", outsider, []pane{{59, 1500}}, 0},
		{"29 a pane", outsider, steady(20, pane{29, 1500}), 0},
		{"health checks on port 22", insider, steady(40, pane{60, 300}), 0},
		{"a steady machine that doubles after an hour", insider, append(steady(14, pane{25, 1500}), pane{120, 1500}), 1},
		{"bytes that would overflow a product", outsider, []pane{{1 << 58, 0}}, 0},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := bruteForceCase(t)
			for _, p := range k.panes {
				c.logs(k.source, p.connections, p.bytes)
			}
			c.wantCreates(k.finds)
		})
	}
	t.Run("severity", func(t *testing.T) {
		bruteForceCase(t).logs(outsider, 60, 1500).want("p0 create medium #1 uid=p0 bruteforce,SSH")
		bruteForceCase(t).logs(insider, 60, 1500).want("p0 create high #1 uid=p0 bruteforce,SSH")
	})
}

func TestBruteForceHabitsAreBounded(t *testing.T) {
	rule := NewBruteForce(DefaultBruteForce(), 5*time.Minute)
	p := &Pane{Start: startOf(0), End: startOf(1)}
	for i := range maxHabits + 7 {
		p.Logins = append(p.Logins, Login{Login: aggregate.Login{
			Account: "1", VPC: "v", Source: netip.AddrFrom4([4]byte{198, byte(i >> 16), byte(i >> 8), byte(i)}),
			Host: netip.MustParseAddr("10.0.7.42"), Port: 22, Connections: 20, Bytes: 20,
		}})
	}
	rule.Detect(p)
	if len(rule.habits) != maxHabits || rule.TakeEvicted() != 7 || rule.TakeEvicted() != 0 {
		t.Errorf("%d habits are held, want %d and 7 counted once as evicted", len(rule.habits), maxHabits)
	}
}

func TestCeiling(t *testing.T) {
	load := func(bytes, packets, flows int64) *Pane {
		l := Load{Key: Key{"111122223333", "vpc-0abc", "eni-0bb2"}, OK: true}
		l.Values[Bytes], l.Values[Packets], l.Values[AcceptedFlows] = bytes, packets, flows
		return &Pane{Loads: []Load{l}}
	}
	cfg := CeilingConfig{BPS: 8_000_000, PPS: 1000, Flows: 500}
	for _, k := range []struct {
		name string
		pane *Pane
		want []string
	}{
		{"at every ceiling", load(300_000_000, 300_000, 500), nil},
		{"one byte above", load(300_000_001, 0, 0), []string{"p0 create medium #1 uid=p0 ceiling,bits_per_second"}},
		{"packets", load(0, 300_001, 0), []string{"p0 create medium #1 uid=p0 ceiling,packets_per_second"}},
		{"the greatest factor is told", load(600_000_000, 0, 5000), []string{"p0 create medium #1 uid=p0 ceiling,flows"}},
	} {
		t.Run(k.name, func(t *testing.T) {
			caseOf(t, NewCeiling(cfg, 5*time.Minute)).feed(k.pane).want(k.want...)
		})
	}
}

// The life of an incident in the ledger, by the rule that adds nothing to it.
func TestLedger(t *testing.T) {
	over := func(n int64) *Pane {
		l := Load{Key: Key{"111122223333", "vpc-0abc", "eni-0bb2"}, OK: true}
		l.Values[AcceptedFlows] = n
		return &Pane{Loads: []Load{l}}
	}
	start := func(t *testing.T) *paneCase {
		return caseOf(t, NewCeiling(CeilingConfig{Flows: 500}, 5*time.Minute)).feed(over(501)).
			want("p0 create medium #1 uid=p0 ceiling,flows")
	}
	t.Run("closes after three quiet panes", func(t *testing.T) {
		start(t).quiet(2).want().quiet(1).want("p3 close medium #2 uid=p0 ceiling,flows quiet")
	})
	t.Run("goes on, with an update every 15 minutes", func(t *testing.T) {
		start(t).feed(over(501)).feed(over(501)).want().feed(over(501)).want("p3 update medium #2 uid=p0 ceiling,flows")
	})
	t.Run("reopens within six panes", func(t *testing.T) {
		start(t).quiet(8).feed(over(501)).want("p3 close medium #2 uid=p0 ceiling,flows quiet", "p9 update medium #3 uid=p0 ceiling,flows")
	})
	t.Run("is another one after that", func(t *testing.T) {
		start(t).quiet(9).feed(over(501)).want("p3 close medium #2 uid=p0 ceiling,flows quiet", "p10 create medium #1 uid=p10 ceiling,flows")
	})
	t.Run("closes without records", func(t *testing.T) {
		c := start(t)
		c.pane += 20
		c.feed(&Pane{Loads: []Load{{Key: Key{"111122223333", "vpc-0other", "eni-0cc3"}, OK: true}}}).
			want("p12 close medium #2 uid=p0 ceiling,flows no_data")
	})
	t.Run("is deleted when it can't reopen", func(t *testing.T) {
		c, state := start(t), saved{}
		state.take(c.rule)
		c.quiet(12)
		state.take(c.rule)
		if len(state) != 0 {
			t.Errorf("%d entries are left, want none", len(state))
		}
	})
}

// What benign traffic must not lead to, whatever the rule.
func TestNoRuleFindsBenignTraffic(t *testing.T) {
	for _, k := range []struct {
		name string
		pane func(i int) []tries
	}{
		{"agents whose server died", func(int) []tries {
			var all []tries
			for i := range 20 {
				all = append(all, try(fmt.Sprintf("10.0.3.%d", i+1), syn, ports("10.0.7.42", 8126, 1)))
			}
			return all
		}},
		{"service discovery with six dead peers", func(int) []tries {
			return []tries{try(insider, syn, hosts("10.0.7.1", 6, 7946, 6)), try(insider, connected, hosts("10.0.8.1", 20, 7946, 6))}
		}},
		{"a crawler, with some dead sites", func(i int) []tries {
			return []tries{try(insider, withData, hosts(fmt.Sprintf("192.0.%d.1", i%200), 60, 443, 6)), try(insider, syn, hosts(fmt.Sprintf("198.18.%d.1", i%200), 5, 443, 6))}
		}},
		{"radiation of 1,100 probes an hour", func(i int) []tries { return probes(92, 1000+i) }},
	} {
		t.Run(k.name, func(t *testing.T) {
			for _, c := range []*paneCase{slowCase(t), successCase(t), distributedCase(t), caseOf(t, NewScanInternal(DefaultScanInternal(), 5*time.Minute)), caseOf(t, NewScanExternal(DefaultScanExternal(), 5*time.Minute))} {
				for i := range day {
					c.next(k.pane(i)...)
				}
				c.wantCreates(0)
			}
		})
	}
}

// A restart after any pane changes nothing of what the rules find.
func TestNewRulesRestart(t *testing.T) {
	t.Run("scan.slow", func(t *testing.T) {
		cfg := DefaultScanSlow()
		cfg.MinFailed, cfg.Targets = 12, 1000
		testRestarts(t, func() Detector { return NewScanSlow(cfg, 40, 5*time.Minute) }, drawContacts(true, 12))
	})
	t.Run("scan.success", func(t *testing.T) {
		cfg := DefaultScanSuccess()
		cfg.Sources = 2
		contacts := drawContacts(true, 20)
		testRestarts(t, func() Detector { return NewScanSuccess(cfg, 5*time.Minute) }, func(t *rapid.T, p *Pane) {
			contacts(t, p)
			for c := range p.Contacts {
				if rapid.Bool().Draw(t, "session") {
					c.Targets.Add(aggregate.Target{Addr: netip.MustParseAddr("10.0.7.1"), Port: 22, Protocol: 6}, withData)
				}
			}
		})
	})
	t.Run("scan.distributed", func(t *testing.T) {
		cfg := ScanDistributedConfig{MinPorts: 2, MinSources: 2, MaxTargets: 40}
		testRestarts(t, func() Detector { return NewScanDistributed(cfg, 5*time.Minute) }, drawContacts(false, 20))
	})
	t.Run("bruteforce", func(t *testing.T) {
		testRestarts(t, func() Detector { return NewBruteForce(DefaultBruteForce(), 5*time.Minute) }, func(t *rapid.T, p *Pane) {
			p.Loads = []Load{{Key: Key{"1", "vpc", "eni-1"}, OK: true}}
			for i := range 3 {
				n := rapid.SampledFrom([]int64{0, 5, 20, 32, 33, 34, 70}).Draw(t, "connections")
				p.Logins = append(p.Logins, Login{Login: aggregate.Login{
					Account: "1", VPC: "vpc", Source: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), Host: netip.MustParseAddr("10.0.7.42"),
					Port: 22, Connections: n, Records: n, Bytes: n * rapid.Int64Range(600, 900).Draw(t, "bytes"), First: p.Start, Last: p.End,
				}})
			}
		})
	})
	t.Run("ceiling", func(t *testing.T) {
		testRestarts(t, func() Detector { return NewCeiling(CeilingConfig{Flows: 50}, 5*time.Minute) }, func(t *rapid.T, p *Pane) {
			l := Load{Key: Key{"1", "vpc", "eni-1"}, OK: true, First: p.Start, Last: p.End}
			l.Values[AcceptedFlows] = rapid.Int64Range(0, 100).Draw(t, "flows")
			p.Loads = []Load{l}
		})
	})
}
