package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

const (
	insider  = "10.0.3.17"
	outsider = "203.0.113.9"
)

// Evidence as whole stories.
const (
	rejected   = aggregate.Rejected
	syn        = aggregate.SynOnly
	synThenRST = aggregate.SynOnly | aggregate.Reset
	connected  = aggregate.Established | aggregate.SynAck
	sent       = aggregate.Sent
	replied    = aggregate.Sent | aggregate.Replied
)

// scanCase feeds sources pane by pane, and writes down what the rule finds.
type scanCase struct {
	t      *testing.T
	rule   *Scan
	pane   int64
	found  []Finding
	events []string
}

func internalCase(t *testing.T, change ...func(*ScanInternalConfig)) *scanCase {
	cfg := DefaultScanInternal()
	for _, f := range change {
		f(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return &scanCase{t: t, rule: NewScanInternal(cfg, 5*time.Minute)}
}

func externalCase(t *testing.T, change ...func(*ScanExternalConfig)) *scanCase {
	cfg := DefaultScanExternal()
	for _, f := range change {
		f(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return &scanCase{t: t, rule: NewScanExternal(cfg, 5*time.Minute)}
}

// tries is one source's contacts of one story in a pane.
type tries struct {
	source  string
	targets []aggregate.Target
	story   aggregate.Evidence
	allowed bool
}

func try(source string, story aggregate.Evidence, targets ...[]aggregate.Target) tries {
	return tries{source: source, story: story, targets: slices.Concat(targets...)}
}

func targetsOf(all ...tries) *aggregate.Targets {
	var set aggregate.Targets
	for _, t := range all {
		for _, target := range t.targets {
			set.Add(target, t.story)
		}
	}
	return &set
}

// ports returns n TCP ports of a host, from first on.
func ports(host string, first, n int) []aggregate.Target {
	var out []aggregate.Target
	for i := range n {
		out = append(out, aggregate.Target{Addr: netip.MustParseAddr(host), Port: uint16(first + i), Protocol: 6})
	}
	return out
}

// hosts returns n hosts on one port, from first on.
func hosts(first string, n int, port uint16, protocol uint8) []aggregate.Target {
	var out []aggregate.Target
	a := netip.MustParseAddr(first)
	for range n {
		out = append(out, aggregate.Target{Addr: a, Port: port, Protocol: protocol})
		a = a.Next()
	}
	return out
}

// next feeds one pane with these contacts; the VPC is covered.
func (c *scanCase) next(all ...tries) *scanCase {
	byAddr := map[netip.Addr]*Contact{}
	for _, t := range all {
		a := netip.MustParseAddr(t.source)
		k := byAddr[a]
		if k == nil {
			k = &Contact{
				Account: "111122223333", VPC: "vpc-0abc", Source: a, Region: "eu-central-1",
				Internal: a.IsPrivate(), Allowed: t.allowed, Targets: &aggregate.Targets{},
				First: startOf(c.pane) + 7, Last: startOf(c.pane) + 290,
			}
			if k.Internal {
				k.Interface = "eni-0aa1"
			}
			byAddr[a] = k
		}
		for _, target := range t.targets {
			k.Targets.Add(target, t.story)
			k.Records++
		}
	}
	var contacts []Contact
	for _, k := range byAddr {
		contacts = append(contacts, *k)
	}
	slices.SortFunc(contacts, func(a, b Contact) int { return a.Source.Compare(b.Source) })
	c.feed(&Pane{
		Start: startOf(c.pane), End: startOf(c.pane + 1),
		Loads:    []Load{{Key: Key{"111122223333", "vpc-0abc", "eni-0bb2"}, OK: true}},
		Contacts: slices.Values(contacts),
	})
	return c
}

func (c *scanCase) feed(p *Pane) {
	found := c.rule.Detect(p)
	conforms(c.t, found)
	c.found = append(c.found, found...)
	for _, f := range found {
		c.events = append(c.events, eventLine(&f))
	}
	c.pane++
}

// quiet feeds n panes in which the VPC has records, but none of a scan.
func (c *scanCase) quiet(n int) *scanCase {
	for range n {
		c.next()
	}
	return c
}

func (c *scanCase) missing(n int64) *scanCase {
	c.pane += n
	return c
}

func (c *scanCase) want(events ...string) *scanCase {
	c.t.Helper()
	if diff := cmp.Diff(events, c.events); diff != "" {
		c.t.Fatalf("events (-want +got):\n%s", diff)
	}
	c.events = nil
	return c
}

func (c *scanCase) last() *Finding {
	c.t.Helper()
	if len(c.found) == 0 {
		c.t.Fatal("nothing was found")
	}
	return &c.found[len(c.found)-1]
}

const firedAtOnce = "p0 create high #1 uid=p0 scan.internal,"

func TestScanThreshold(t *testing.T) {
	internalCase(t).next(try(insider, rejected, ports("10.0.7.42", 1, 8))).quiet(2).want()
	internalCase(t).next(try(insider, rejected, ports("10.0.7.42", 1, 9))).want(firedAtOnce + "vertical")
	internalCase(t, func(c *ScanInternalConfig) { c.MinFailed = 30 }).
		next(try(insider, rejected, ports("10.0.7.42", 1, 29))).want().
		next(try(insider, rejected, ports("10.0.7.42", 30, 1))).
		want("p1 create high #1 uid=p1 scan.internal,vertical")
}

func TestScanShapes(t *testing.T) {
	var block [][]aggregate.Target
	for i := range 6 {
		block = append(block, ports(fmt.Sprintf("10.0.7.%d", i), 20, 6))
	}
	for _, c := range []struct {
		name  string
		tries tries
		want  string
	}{
		{"vertical", try(insider, rejected, ports("10.0.7.42", 1, 40)), "vertical"},
		{"vertical on five hosts", try(insider, rejected, ports("10.0.7.42", 1, 40), hosts("10.0.7.43", 4, 22, 6)), "vertical"},
		{"horizontal", try(insider, rejected, hosts("10.0.7.1", 40, 445, 6)), "horizontal"},
		{"horizontal on two ports", try(insider, rejected, hosts("10.0.7.1", 40, 445, 6), hosts("10.0.7.1", 40, 139, 6)), "horizontal"},
		{"block", try(insider, rejected, block...), "block"},
		{"IPv6", try("fd00::17", rejected, hosts("fd00::1", 20, 22, 6)), "horizontal"},
	} {
		t.Run(c.name, func(t *testing.T) { internalCase(t).next(c.tries).want(firedAtOnce + c.want) })
	}
}

func TestScanKeysOfIPv6(t *testing.T) {
	c := internalCase(t).next(try("fd00::17", rejected, hosts("fd00::1", 20, 22, 6)))
	if got, want := c.last().UID, "scan.internal/111122223333/vpc-0abc/fd00::17/1795392000"; got != want {
		t.Errorf("uid is %s, want %s", got, want)
	}
}

func TestScanEvidence(t *testing.T) {
	c := internalCase(t).next(
		try(insider, rejected, ports("10.0.7.42", 1000, 96)),
		try(insider, synThenRST, ports("10.0.7.42", 2000, 22)),
		try(insider, connected, ports("10.0.7.42", 443, 1), ports("10.0.7.42", 22, 1)),
	)
	f := c.last()
	want := &ScanEvidence{
		Source: netip.MustParseAddr(insider), Internal: true, Interface: "eni-0aa1",
		Target: netip.MustParseAddr("10.0.7.42"), Protocol: 6, Shape: Vertical,
		Hosts: 1, Ports: 120, Failed: 118, Answered: 2, Rejected: 96, Exact: true,
		HostsSample:   []netip.Addr{netip.MustParseAddr("10.0.7.42")},
		PortsSample:   []uint16{22, 443, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007},
		PortsAnswered: []uint16{22, 443},
		WindowStart:   origin, WindowSeconds: 300, RuleWindowSeconds: 3600,
		Score: 116 * scanWeight, Threshold: c.rule.rule.bound(), MinFailed: 9, Alpha: 1e-5,
	}
	if diff := cmp.Diff(want, f.Scan, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("evidence (-want +got):\n%s", diff)
	}
	message := "Vertical port scan: 10.0.3.17 (eni-0aa1) tried 120 distinct TCP ports on 10.0.7.42 in 5 min; " +
		"118 failed where fewer than 9 are expected, 2 answered"
	if f.Message != message {
		t.Errorf("message is\n%s\nwant\n%s", f.Message, message)
	}
	if f.Records != 120 || f.FirstSeen != origin+7 || f.LastSeen != origin+290 || f.Time != origin+300 || f.Created != f.Time {
		t.Errorf("records %d, seen %d to %d, time %d, created %d", f.Records, f.FirstSeen, f.LastSeen, f.Time, f.Created)
	}
}

// A host that fails at one server does not scan the others that answer it.
func TestScanShapeLeavesOtherTrafficOut(t *testing.T) {
	c := internalCase(t).next(
		try(insider, rejected, ports("10.0.7.42", 1, 60)),
		try(insider, connected, hosts("10.0.9.1", 20, 443, 6)),
	).want(firedAtOnce + "vertical")
	if e := c.last().Scan; e.Hosts != 1 || e.Ports != 60 || e.Answered != 20 {
		t.Errorf("%d hosts, %d ports and %d answered, want 1, 60 and 20", e.Hosts, e.Ports, e.Answered)
	}
}

func TestScanAnsweredCancels(t *testing.T) {
	// 20 failed - 12 answered = 8: one short of the bound, 11.5/ln 4 = 8.3.
	internalCase(t).next(
		try(insider, rejected, ports("10.0.7.42", 1, 20)),
		try(insider, connected, hosts("10.0.9.1", 12, 443, 6)),
	).want()
	internalCase(t).next(
		try(insider, rejected, ports("10.0.7.42", 1, 20)),
		try(insider, connected, hosts("10.0.9.1", 11, 443, 6)),
	).want(firedAtOnce + "vertical")
}

// A target that answered once in the window never counts as failed, whichever
// came first.
func TestScanAnsweredIsSticky(t *testing.T) {
	internalCase(t).
		next(try(insider, connected, ports("10.0.7.42", 1, 9))).
		next(try(insider, rejected, ports("10.0.7.42", 1, 9))).quiet(1).want()
	internalCase(t).
		next(try(insider, rejected, ports("10.0.7.42", 1, 8))).
		next(try(insider, connected, ports("10.0.7.42", 1, 8)), try(insider, rejected, ports("10.0.7.42", 100, 8))).quiet(1).want()
}

func TestScanTargetsAreDistinct(t *testing.T) {
	c := internalCase(t)
	for range 12 {
		c.next(try(insider, rejected, ports("10.0.7.42", 1, 8)))
	}
	c.want()
}

// Without any answer a SYN has failed when the next pane is over; it counts in
// its own pane.
func TestScanPendingIsDecidedByTheNextPane(t *testing.T) {
	t.Run("no answer", func(t *testing.T) {
		c := internalCase(t).next(try(insider, syn, ports("10.0.7.42", 1, 9))).want().
			quiet(1).want("p1 create high #1 uid=p0 scan.internal,vertical")
		if e := c.last().Scan; e.SynOnly != 9 || e.WindowStart != origin || e.WindowSeconds != 300 {
			t.Errorf("%d by SYN alone, window %d + %d s", e.SynOnly, e.WindowStart, e.WindowSeconds)
		}
	})
	t.Run("answered in the next pane", func(t *testing.T) {
		internalCase(t).next(try(insider, syn, ports("10.0.7.42", 1, 9))).
			next(try(insider, aggregate.SynAck, ports("10.0.7.42", 1, 1))).quiet(3).want()
	})
	t.Run("answered too late", func(t *testing.T) {
		internalCase(t).next(try(insider, syn, ports("10.0.7.42", 1, 9))).quiet(1).
			next(try(insider, aggregate.SynAck, ports("10.0.7.42", 1, 9))).
			want("p1 create high #1 uid=p0 scan.internal,vertical")
	})
	t.Run("the next pane is missing", func(t *testing.T) {
		internalCase(t).next(try(insider, syn, ports("10.0.7.42", 1, 9))).missing(5).quiet(1).want(
			"p1 create high #1 uid=p0 scan.internal,vertical",
			"p6 update high #2 uid=p0 scan.internal,vertical",
		)
	})
	t.Run("with failures before", func(t *testing.T) {
		internalCase(t).next(try(insider, rejected, ports("10.0.7.42", 1, 5))).
			next(try(insider, syn, ports("10.0.7.42", 11, 4))).want().quiet(1).
			want("p2 create high #1 uid=p1 scan.internal,vertical")
	})
	t.Run("with failures after", func(t *testing.T) {
		internalCase(t).next(try(insider, syn, ports("10.0.7.42", 11, 4))).
			next(try(insider, rejected, ports("10.0.7.42", 1, 5))).
			want("p1 create high #1 uid=p1 scan.internal,vertical")
	})
	t.Run("an empty pane decides", func(t *testing.T) {
		c := internalCase(t).next(try(insider, syn, ports("10.0.7.42", 1, 9)))
		c.feed(&Pane{Start: startOf(1), End: startOf(2)})
		c.want("p1 create high #1 uid=p0 scan.internal,vertical")
	})
}

func TestScanRepliesAreNoContacts(t *testing.T) {
	// The aggregates keep a server's replies out of its own contacts; what is
	// left from the reverse side alone is nothing.
	internalCase(t).next(try(insider, aggregate.Replied|aggregate.Replied3, hosts("198.51.100.1", 100, 50000, 6))).quiet(2).want()
}

func TestScanUnknownTCPHasNoWeight(t *testing.T) {
	internalCase(t).next(try(insider, sent, hosts("10.0.7.1", 100, 445, 6))).quiet(2).want()
}

func TestScanSweep(t *testing.T) {
	t.Run("unanswered", func(t *testing.T) {
		c := internalCase(t).next(try(insider, sent, hosts("10.0.7.1", 25, 161, 17))).want().
			quiet(1).want("p1 create high #1 uid=p0 scan.internal,horizontal")
		f := c.last()
		want := "UDP sweep: 10.0.3.17 (eni-0aa1) sent UDP to port 161 of 25 hosts in 5 min; " +
			"25 did not answer where fewer than 25 are expected, 0 answered"
		if !f.Scan.Sweep || f.Scan.Hosts != 25 || f.Confidence != MediumConfidence {
			t.Errorf("sweep %v of %d hosts, confidence %v", f.Scan.Sweep, f.Scan.Hosts, f.Confidence)
		}
		if f.Message != want {
			t.Errorf("message is\n%s\nwant\n%s", f.Message, want)
		}
	})
	t.Run("one host short", func(t *testing.T) {
		internalCase(t).next(try(insider, sent, hosts("10.0.7.1", 24, 161, 17))).quiet(2).want()
	})
	t.Run("answered", func(t *testing.T) {
		internalCase(t).next(try(insider, replied, hosts("10.0.7.1", 60, 161, 17))).quiet(2).want()
	})
	t.Run("answered in the next pane", func(t *testing.T) {
		internalCase(t).next(try(insider, sent, hosts("10.0.7.1", 25, 161, 17))).
			next(try(insider, replied, hosts("10.0.7.1", 1, 161, 17))).quiet(1).want()
	})
	t.Run("a client of many", func(t *testing.T) {
		internalCase(t).next(try(insider, sent, hosts("10.0.7.1", 30, 53, 17)), try(insider, replied, hosts("10.0.8.1", 30, 53, 17))).
			quiet(2).want()
	})
	t.Run("ICMP", func(t *testing.T) {
		c := internalCase(t).next(try(insider, sent, hosts("10.0.7.1", 40, 0, 1))).quiet(1)
		if want := "ICMP sweep: 10.0.3.17 (eni-0aa1) sent ICMP to 40 hosts in 5 min; "; !strings.HasPrefix(c.last().Message, want) {
			t.Errorf("message is %s, want it to begin with %s", c.last().Message, want)
		}
	})
	t.Run("from outside", func(t *testing.T) {
		externalCase(t).next(try(outsider, sent, hosts("10.0.7.1", 200, 161, 17))).quiet(2).want()
	})
}

func TestScanWindowSlides(t *testing.T) {
	t.Run("within the hour", func(t *testing.T) {
		internalCase(t).next(try(insider, rejected, ports("10.0.7.42", 1, 8))).quiet(10).
			next(try(insider, rejected, ports("10.0.7.42", 100, 1))).
			want("p11 create high #1 uid=p11 scan.internal,vertical")
	})
	t.Run("beyond the hour", func(t *testing.T) {
		internalCase(t).next(try(insider, rejected, ports("10.0.7.42", 1, 8))).quiet(11).
			next(try(insider, rejected, ports("10.0.7.42", 100, 1))).quiet(2).want()
	})
}

func TestScanAllowed(t *testing.T) {
	ours := try(insider, rejected, ports("10.0.7.42", 1, 100))
	ours.allowed = true
	c := internalCase(t).next(ours).quiet(2).want()
	if got := c.rule.TakeOutcomes(); got != (ScanOutcomes{}) {
		t.Errorf("an allowed source's targets were counted: %+v", got)
	}
}

func TestScanRulesKeepToTheirSources(t *testing.T) {
	internalCase(t).next(try(outsider, rejected, ports("10.0.7.42", 1, 500))).quiet(1).want()
	externalCase(t).next(try(insider, rejected, ports("10.0.7.42", 1, 500))).quiet(1).want()
}

func TestScanUpdatesAndCloses(t *testing.T) {
	c := internalCase(t)
	for i := range 7 {
		c.next(try(insider, rejected, ports("10.0.7.42", 1+10*i, 10)))
	}
	c.quiet(20).want(
		"p0 create high #1 uid=p0 scan.internal,vertical",
		"p3 update high #2 uid=p0 scan.internal,vertical",
		"p6 update high #3 uid=p0 scan.internal,vertical",
		"p9 close high #4 uid=p0 scan.internal,vertical quiet",
	)
	f := c.last()
	if f.Scan.Failed != 70 || f.Records != 70 || f.Scan.WindowSeconds != 7*300 || f.LastSeen != startOf(6)+290 {
		t.Errorf("closed with %d failed, %d records, window %d s, last seen %d; want 70, 70, 2100 and %d",
			f.Scan.Failed, f.Records, f.Scan.WindowSeconds, f.LastSeen, startOf(6)+290)
	}
	if !strings.HasSuffix(f.Message, "; over after 50 min") {
		t.Errorf("message is %s", f.Message)
	}
}

// What an incident reported does not count towards the next one.
func TestScanAfterAnIncident(t *testing.T) {
	scan := func(first, n int) tries { return try(insider, rejected, ports("10.0.7.42", first, n)) }
	closed := []string{
		"p0 create high #1 uid=p0 scan.internal,vertical",
		"p3 close high #2 uid=p0 scan.internal,vertical quiet",
	}
	t.Run("one more failure", func(t *testing.T) {
		internalCase(t).next(scan(1, 20)).quiet(3).next(scan(100, 1)).quiet(12).want(closed...)
	})
	t.Run("again within six panes", func(t *testing.T) {
		internalCase(t).next(scan(1, 20)).quiet(8).next(scan(100, 9)).
			want(append(closed, "p9 update high #3 uid=p0 scan.internal,vertical")...)
	})
	t.Run("again after six panes", func(t *testing.T) {
		internalCase(t).next(scan(1, 20)).quiet(9).next(scan(100, 9)).
			want(append(closed, "p10 create high #1 uid=p10 scan.internal,vertical")...)
	})
	t.Run("the same ports much later", func(t *testing.T) {
		c := internalCase(t).next(scan(1, 20)).quiet(40).next(scan(1, 20)).
			want(append(closed, "p41 create high #1 uid=p41 scan.internal,vertical")...)
		if n := len(c.rule.sources); n != 1 {
			t.Errorf("%d sources are held, want 1", n)
		}
	})
}

func TestScanNoCoverage(t *testing.T) {
	internalCase(t).next(try(insider, rejected, ports("10.0.7.42", 1, 20))).missing(12).quiet(1).want(
		"p0 create high #1 uid=p0 scan.internal,vertical",
		"p12 close high #2 uid=p0 scan.internal,vertical no_data",
	)
	internalCase(t).next(try(insider, rejected, ports("10.0.7.42", 1, 20))).missing(11).quiet(3).want(
		"p0 create high #1 uid=p0 scan.internal,vertical",
		"p12 update high #2 uid=p0 scan.internal,vertical",
		"p14 close high #3 uid=p0 scan.internal,vertical quiet",
	)
}

func TestScanExternal(t *testing.T) {
	create := func(severity, shape string) string {
		return "p0 create " + severity + " #1 uid=p0 scan.external," + shape
	}
	t.Run("99 in a pane", func(t *testing.T) {
		externalCase(t).next(try(outsider, rejected, ports("10.0.7.42", 1, 99))).quiet(1).want()
	})
	t.Run("100 in a pane", func(t *testing.T) {
		c := externalCase(t).next(try(outsider, rejected, ports("10.0.7.42", 1, 100))).want(create("low", "vertical"))
		if e := c.last().Scan; e.RuleWindowSeconds != 600 || e.MinFailed != 100 {
			t.Errorf("window %d s, threshold %d; want 600 and 100", e.RuleWindowSeconds, e.MinFailed)
		}
	})
	t.Run("100 in five minutes that the end of a pane splits", func(t *testing.T) {
		externalCase(t).next(try(outsider, rejected, ports("10.0.7.42", 1, 50))).
			next(try(outsider, rejected, ports("10.0.7.42", 51, 50))).quiet(1).
			want("p1 create low #1 uid=p1 scan.external,vertical")
	})
	t.Run("100 over three panes", func(t *testing.T) {
		externalCase(t).next(try(outsider, rejected, ports("10.0.7.42", 1, 34))).
			next(try(outsider, rejected, ports("10.0.7.42", 35, 33))).
			next(try(outsider, rejected, ports("10.0.7.42", 68, 33))).quiet(1).want()
	})
	t.Run("one-port sweep of the internet", func(t *testing.T) {
		externalCase(t).next(try(outsider, rejected, hosts("10.0.7.1", 120, 23, 6))).want(create("info", "horizontal"))
	})
	t.Run("more ports later", func(t *testing.T) {
		externalCase(t).next(try(outsider, rejected, hosts("10.0.7.1", 110, 23, 6))).
			next(try(outsider, rejected, hosts("10.0.7.1", 15, 23, 6), ports("10.0.7.1", 100, 110))).want(
			create("info", "horizontal"),
			"p1 update low #2 uid=p0 scan.external,block",
		)
	})
	t.Run("allowed", func(t *testing.T) {
		ours := try(outsider, rejected, ports("10.0.7.42", 1, 100))
		ours.allowed = true
		externalCase(t).next(ours).want()
	})
}

func TestScanExternalHour(t *testing.T) {
	c := externalCase(t)
	for i := range 12 {
		c.next(try(outsider, rejected, ports("10.0.7.42", 1+25*i, 25)))
	}
	// Above 128 targets counts are estimates; at twice the threshold no
	// estimate is that far off.
	d := externalCase(t)
	for i := range 8 {
		d.next(try(outsider, rejected, ports("10.0.7.42", 1+80*i, 80)))
	}
	f := d.last()
	if f.Activity == Create && f.Scan.RuleWindowSeconds != 3600 {
		t.Errorf("window %d s, want an hour", f.Scan.RuleWindowSeconds)
	}
	if len(d.events) == 0 || !strings.Contains(d.events[0], "create low #1") {
		t.Errorf("640 failed targets in an hour: %v", d.events)
	}
}

// One incident for a source and VPC, another for the same source elsewhere.
func TestScanIncidentsOrder(t *testing.T) {
	c := internalCase(t).next(
		try("10.0.3.9", rejected, ports("10.0.7.42", 1, 20)),
		try("10.0.3.10", rejected, ports("10.0.7.42", 1, 20)),
		try("10.0.3.1", rejected, ports("10.0.7.42", 1, 20)),
	)
	var keys []string
	for _, f := range c.found {
		keys = append(keys, f.Key)
	}
	if want := []string{"10.0.3.1", "10.0.3.10", "10.0.3.9"}; !slices.Equal(keys, want) {
		t.Errorf("order is %v, want %v", keys, want)
	}
}

func TestScanOutcomes(t *testing.T) {
	c := internalCase(t).next(
		try(insider, rejected, ports("10.0.7.42", 1, 3)),
		try(insider, connected, ports("10.0.7.42", 100, 2)),
		try(insider, sent, hosts("10.0.7.1", 5, 53, 17)),
		try(insider, syn, ports("10.0.7.42", 200, 4)),
	)
	if got, want := c.rule.TakeOutcomes(), (ScanOutcomes{3, 2, 5}); got != want {
		t.Errorf("at the close %+v, want %+v", got, want)
	}
	c.next(try(insider, connected, ports("10.0.7.42", 200, 1)))
	if got, want := c.rule.TakeOutcomes(), (ScanOutcomes{3, 2, 0}); got != want {
		t.Errorf("a pane later %+v, want %+v: three waited in vain, one was answered and is answered again", got, want)
	}
	c.quiet(1)
	if got := c.rule.TakeOutcomes(); got != (ScanOutcomes{}) {
		t.Errorf("later %+v, want nothing more", got)
	}
}

func TestScanEviction(t *testing.T) {
	c := externalCase(t, func(cfg *ScanExternalConfig) { cfg.Sources = 4 })
	var all []tries
	for i := range 7 {
		all = append(all, try(fmt.Sprintf("203.0.113.%d", i+1), rejected, ports("10.0.7.42", 1, 10+i)))
	}
	c.next(all...)
	if n := c.rule.TakeEvicted(); n != 3 {
		t.Errorf("%d sources were evicted, want 3", n)
	}
	var held []string
	for key := range c.rule.sources {
		held = append(held, key.addr.String())
	}
	slices.Sort(held)
	if want := []string{"203.0.113.4", "203.0.113.5", "203.0.113.6", "203.0.113.7"}; !slices.Equal(held, want) {
		t.Errorf("held are %v, want those with the most failures, %v", held, want)
	}
	if n := c.rule.TakeEvicted(); n != 0 {
		t.Errorf("%d more evictions after they were taken", n)
	}
}

func TestScanEvictionInAFlood(t *testing.T) {
	c := externalCase(t, func(cfg *ScanExternalConfig) { cfg.Sources = 50 })
	var all []tries
	a := netip.MustParseAddr("198.51.0.1")
	for range 5000 {
		all = append(all, try(a.String(), syn, ports("10.0.7.42", 80, 1)))
		a = a.Next()
	}
	all = append(all, try("198.50.0.1", rejected, ports("10.0.7.42", 1, 60)))
	c.next(all...)
	// Sources that show next to nothing fill no more than a part of the table.
	const want = 50 / crowdShare
	if c.rule.held != want {
		t.Errorf("%d sources are held, want %d", c.rule.held, want)
	}
	if n := c.rule.TakeEvicted(); n != 5001-want {
		t.Errorf("%d sources were evicted, want %d", n, 5001-want)
	}
	c.quiet(1)
	if got, want := c.rule.TakeOutcomes(), (ScanOutcomes{Failed: 5060}); got != want {
		t.Errorf("outcomes %+v, want %+v: what was evicted while it waited has failed", got, want)
	}
	if _, ok := c.rule.sources[addrKey{"111122223333", "vpc-0abc", netip.MustParseAddr("198.50.0.1")}]; !ok {
		t.Error("the source with the most failures was evicted")
	}
}
