package detect

import (
	"iter"
	"net/netip"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// Above 128 targets counts are estimates, good to a few percent; what a scan
// is must still come out right.
func TestScanLarge(t *testing.T) {
	near := func(t *testing.T, what string, got, want int) {
		t.Helper()
		if d := max(got-want, want-got); d*8 > want {
			t.Errorf("%s is %d, want about %d", what, got, want)
		}
	}
	t.Run("vertical", func(t *testing.T) {
		c := internalCase(t).next(try(insider, rejected, ports("10.0.7.42", 1, 5000))).want(firedAtOnce + "vertical")
		e := c.last().Scan
		near(t, "failed", e.Failed, 5000)
		near(t, "ports", e.Ports, 5000)
		if e.Hosts != 1 || e.Exact || e.Target != netip.MustParseAddr("10.0.7.42") {
			t.Errorf("%d hosts, target %v, exact %v", e.Hosts, e.Target, e.Exact)
		}
	})
	t.Run("horizontal by SYN alone", func(t *testing.T) {
		c := internalCase(t).next(try(insider, syn, hosts("10.0.7.1", 3000, 445, 6))).want().quiet(1).
			want("p1 create high #1 uid=p0 scan.internal,horizontal")
		e := c.last().Scan
		near(t, "failed", e.Failed, 3000)
		near(t, "hosts", e.Hosts, 3000)
		if e.Ports != 1 || e.SynOnly != e.Failed {
			t.Errorf("%d ports, %d of %d by SYN alone", e.Ports, e.SynOnly, e.Failed)
		}
	})
	t.Run("a busy client", func(t *testing.T) {
		c := internalCase(t)
		for i := range 6 {
			c.next(try(insider, connected, hosts("10.0.7.1", 2000, 443, 6)), try(insider, rejected, hosts("10.0.99.1", 6, uint16(1000+i), 6)))
		}
		c.want()
	})
	t.Run("a sweep of a /20", func(t *testing.T) {
		c := internalCase(t).next(try(insider, sent, hosts("10.0.16.1", 4000, 161, 17))).quiet(1).
			want("p1 create high #1 uid=p0 scan.internal,horizontal")
		near(t, "hosts", c.last().Scan.Hosts, 4000)
	})
	t.Run("outside, over an hour", func(t *testing.T) {
		c := externalCase(t)
		for i := range 12 { // no two panes have 100, whatever the estimate
			c.next(try(outsider, rejected, ports("10.0.7.42", 1+40*i, 40)))
		}
		if len(c.found) == 0 || c.found[0].Activity != Create {
			t.Fatalf("480 failed targets in an hour were not found: %v", c.events)
		}
		if e := c.found[0].Scan; e.RuleWindowSeconds != 3600 || e.MinFailed != 300 || e.WindowSeconds < 4*300 {
			t.Errorf("window %d of %d s, threshold %d", e.WindowSeconds, e.RuleWindowSeconds, e.MinFailed)
		}
	})
}

// A restart in the middle of an estimate changes nothing.
func TestScanLargeRestart(t *testing.T) {
	panes := []tries{
		try(insider, syn, ports("10.0.7.42", 1, 300)),
		try(insider, aggregate.SynAck, ports("10.0.7.42", 1, 50)),
		try(insider, rejected, ports("10.0.7.43", 1, 200)),
	}
	whole, broken := internalCase(t), internalCase(t)
	state := saved{}
	for _, p := range panes {
		whole.next(p)
		broken.next(p)
		state.take(broken.rule)
		broken.rule = NewScanInternal(DefaultScanInternal(), 5*time.Minute)
		if err := broken.rule.Restore(state.entries()); err != nil {
			t.Fatal(err)
		}
	}
	broken.want(whole.events...)
	if a, b := whole.last(), broken.last(); a.Scan.Failed != b.Scan.Failed || a.Message != b.Message {
		t.Errorf("whole: %s\nbroken: %s", a.Message, b.Message)
	}
}

// radiation is n external sources of which each sends one SYN.
func radiation(n int) iter.Seq[Contact] {
	sets := make([]aggregate.Targets, n)
	for i := range sets {
		sets[i].Add(aggregate.Target{Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Port: 23, Protocol: 6}, rejected)
	}
	return func(yield func(Contact) bool) {
		for i := range sets {
			a := netip.AddrFrom4([4]byte{198, byte(i >> 16), byte(i >> 8), byte(i)})
			if !yield(Contact{Account: "111122223333", VPC: "vpc-0abc", Source: a, Targets: &sets[i], Records: 1}) {
				return
			}
		}
	}
}

func BenchmarkScanExternalRadiation(b *testing.B) {
	rule := NewScanExternal(DefaultScanExternal(), 5*time.Minute)
	contacts := radiation(300_000)
	i := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		rule.Detect(&Pane{Start: startOf(i), End: startOf(i + 1), Contacts: contacts})
		i++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/300_000, "ns/source")
}
