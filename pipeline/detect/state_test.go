package detect

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
)

// saved is committed state, as a store keeps it.
type saved map[string][]byte

func (s saved) take(d Detector) {
	d.Changes(func(key, value []byte) {
		if value == nil {
			delete(s, string(key))
			return
		}
		s[string(key)] = slices.Clone(value)
	})
}

func (s saved) entries() func() (key, value []byte, ok bool) {
	keys := slices.Sorted(maps.Keys(s))
	return func() ([]byte, []byte, bool) {
		if len(keys) == 0 {
			return nil, nil, false
		}
		k := keys[0]
		keys = keys[1:]
		return []byte(k), s[k], true
	}
}

// unbroken is what a rule finds in panes, when a new one takes over after each
// pane in which restart says so.
func unbroken(t *rapid.T, make func() Detector, panes []*Pane, restart func(int) bool) []Finding {
	var found []Finding
	state, rule := saved{}, make()
	for i, p := range panes {
		found = append(found, rule.Detect(p)...)
		if !restart(i) {
			continue
		}
		state.take(rule)
		rule = make()
		if err := rule.Restore(state.entries()); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

var compareAddr = gocmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func drawPanes(t *rapid.T, fill func(*rapid.T, *Pane)) []*Pane {
	var panes []*Pane
	at := int64(origin)
	for range rapid.IntRange(2, 30).Draw(t, "panes") {
		p := &Pane{Start: at, End: at + fiveMinutes}
		fill(t, p)
		panes = append(panes, p)
		at += fiveMinutes * rapid.SampledFrom([]int64{1, 1, 1, 1, 1, 1, 1, 2, 3, 8, 14, 40}).Draw(t, "step")
	}
	return panes
}

func testRestarts(t *testing.T, make func() Detector, fill func(*rapid.T, *Pane)) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		panes := drawPanes(t, fill)
		restarts := rapid.SliceOfN(rapid.Bool(), len(panes), len(panes)).Draw(t, "restarts")
		want := unbroken(t, make, panes, func(int) bool { return false })
		got := unbroken(t, make, panes, func(i int) bool { return restarts[i] })
		if diff := gocmp.Diff(want, got, compareAddr); diff != "" {
			t.Fatalf("findings with restarts (-uninterrupted +restarted):\n%s", diff)
		}
		found += len(want)
	})
	if found == 0 {
		t.Error("the traffic never led to a finding: nothing was tested")
	}
}

func TestSpikeRestarts(t *testing.T) {
	names := []string{"eni-1", "eni-2", "eni-3"}
	testRestarts(t, func() Detector { return NewSpike(DefaultSpike(), 5*time.Minute) }, func(t *rapid.T, p *Pane) {
		for _, name := range names {
			kind := rapid.IntRange(0, 19).Draw(t, name)
			if kind == 0 {
				continue
			}
			l := Load{Key: Key{"1", "vpc", name}, OK: true, SkipData: kind == 1}
			if kind > 2 {
				l.Values[AcceptedFlows] = rapid.Int64Range(90, 110).Draw(t, "flows")
				l.Values[Bytes] = l.Values[AcceptedFlows] * 10_000
			}
			if kind > 15 {
				l.Values[AcceptedFlows] *= 30
			}
			if kind > 17 {
				l.Values[Bytes] *= 50
			}
			l.Records, l.First, l.Last = l.Values[AcceptedFlows], p.Start, p.End
			p.Loads = append(p.Loads, l)
		}
	})
}

// The season, and what happens in days, by sure traffic and one restart at any
// pane.
func TestSpikeRestartsOverDays(t *testing.T) {
	var panes []*Pane
	for i := range int64(6 * day) {
		l := Load{Key: Key{"1", "vpc", "eni-1"}, OK: true, First: startOf(i), Last: startOf(i + 1)}
		l.Values[AcceptedFlows] = 100 + i%7
		switch {
		case i%day >= 24 && i%day < 30, i > 5*day:
			l.Values[AcceptedFlows] = 1500
		}
		panes = append(panes, &Pane{Start: startOf(i), End: startOf(i + 1), Loads: []Load{l}})
	}
	rule := func() Detector { return NewSpike(DefaultSpike(), 5*time.Minute) }
	rapid.Check(t, func(t *rapid.T) {
		// Two thousand panes for each draw: a few draws must do.
		at := rapid.IntRange(0, len(panes)-1).Draw(t, "at")
		var want, got []Finding
		a, b := rule(), rule()
		state := saved{}
		for i, p := range panes[:at+1] {
			want = append(want, a.Detect(p)...)
			got = append(got, b.Detect(p)...)
			if i%100 == 0 {
				state.take(b)
			}
		}
		state.take(b)
		b = rule()
		if err := b.Restore(state.entries()); err != nil {
			t.Fatal(err)
		}
		for _, p := range panes[at+1 : min(len(panes), at+200)] {
			want = append(want, a.Detect(p)...)
			got = append(got, b.Detect(p)...)
		}
		if diff := gocmp.Diff(want, got, compareAddr); diff != "" {
			t.Fatalf("restart after pane %d (-uninterrupted +restarted):\n%s", at, diff)
		}
	})
}

func drawContacts(internal bool, most int) func(*rapid.T, *Pane) {
	stories := []aggregate.Evidence{rejected, rejected, syn, syn, synThenRST, connected, sent, replied, aggregate.SynAck}
	return func(t *rapid.T, p *Pane) {
		if rapid.Bool().Draw(t, "covered") {
			p.Loads = []Load{{Key: Key{"1", "vpc", "eni-1"}, OK: true}}
		}
		var contacts []Contact
		for i := range 3 {
			if rapid.IntRange(0, 2).Draw(t, "there") == 0 {
				continue
			}
			source := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			c := Contact{Account: "1", VPC: "vpc", Source: source, Internal: internal, Targets: &aggregate.Targets{}, First: p.Start, Last: p.End, Region: "r", Records: 5}
			for range rapid.IntRange(0, 3).Draw(t, "groups") {
				story := rapid.SampledFrom(stories).Draw(t, "story")
				protocol := rapid.SampledFrom([]uint8{6, 6, 6, 17}).Draw(t, "protocol")
				first := rapid.IntRange(1, 40).Draw(t, "first")
				for j := range rapid.IntRange(1, most).Draw(t, "targets") {
					host := netip.AddrFrom4([4]byte{10, 0, 7, byte(j)})
					c.Targets.Add(aggregate.Target{Addr: host, Port: uint16(first + j), Protocol: protocol}, story)
				}
			}
			contacts = append(contacts, c)
		}
		p.Contacts = slices.Values(contacts)
	}
}

func TestScanRestarts(t *testing.T) {
	testRestarts(t, func() Detector { return NewScanInternal(DefaultScanInternal(), 5*time.Minute) }, drawContacts(true, 12))
	testRestarts(t, func() Detector {
		cfg := DefaultScanExternal()
		cfg.MinFailed, cfg.MinFailedHour, cfg.Sources = 20, 40, 2
		return NewScanExternal(cfg, 5*time.Minute)
	}, drawContacts(false, 20))
}

// A rule whose changes nobody takes holds on to no more than one whose changes
// are taken.
func TestScanHoldsNothingForChangesNotTaken(t *testing.T) {
	c := internalCase(t)
	for i := range 100 {
		c.next(try(insider, rejected, ports("10.0.7.42", i, 1)))
	}
	if n := len(c.rule.unsaved); n > 14 {
		t.Errorf("%d visits wait to be saved, want those of the window and no more", n)
	}
	if n := len(c.rule.deleted); n != 0 {
		t.Errorf("%d deletions are noted of what was never saved", n)
	}
}

// State that has expired is deleted from the store.
func TestScanStateIsDeleted(t *testing.T) {
	c := internalCase(t)
	state := saved{}
	for i := range 5 {
		c.next(try(insider, rejected, ports("10.0.7.42", 10*i, 10)))
		state.take(c.rule)
	}
	if len(state) != 7 {
		t.Errorf("%d entries, want 5 visits, an incident and the last pane", len(state))
	}
	for range 30 {
		c.quiet(1)
		state.take(c.rule)
	}
	if len(state) != 1 {
		t.Errorf("%d entries are left, want the last pane alone", len(state))
	}
}

func TestSpikeStateIsDeleted(t *testing.T) {
	c := newIngressCase(t).panes(20, 100).panes(1, 5000)
	state := saved{}
	state.take(c.rule)
	if len(state) != 3 {
		t.Errorf("%d entries, want levels, peaks and an incident", len(state))
	}
	c.missing(9 * day).elsewhere(1)
	state.take(c.rule)
	if len(state) != 2 {
		t.Errorf("%d entries are left, want the two of the other interface", len(state))
	}
	for key := range state {
		if gocmp.Equal(key[len(key)-4:], "0bb2") {
			t.Errorf("entry %q is left", key)
		}
	}
}

func TestVersionsTellConfigurationsApart(t *testing.T) {
	sensitive := DefaultSpike()
	sensitive.Profile = Sensitive
	more := DefaultScanInternal()
	more.MinFailed++
	seen := map[string]bool{}
	for _, d := range []Detector{
		NewSpike(DefaultSpike(), 5*time.Minute), NewSpike(sensitive, 5*time.Minute), NewSpike(DefaultSpike(), time.Minute),
		NewScanInternal(DefaultScanInternal(), 5*time.Minute), NewScanInternal(more, 5*time.Minute),
		NewScanExternal(DefaultScanExternal(), 5*time.Minute),
	} {
		if seen[d.Name()+d.Version()] {
			t.Errorf("two configurations of %s have version %q", d.Name(), d.Version())
		}
		seen[d.Name()+d.Version()] = true
	}
}

func FuzzRestore(f *testing.F) {
	ingress := newIngressCase(&testing.T{}).panes(20, 100).panes(1, 5000)
	scan := internalCase(&testing.T{}).next(try(insider, rejected, ports("10.0.7.42", 1, 20)), try(insider, syn, ports("10.0.7.42", 80, 3)))
	for _, d := range []Detector{ingress.rule, scan.rule} {
		d.Changes(func(key, value []byte) { f.Add(key, value) })
	}
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		defer hostiletest.Bound(t)()
		for _, d := range []Detector{
			NewSpike(DefaultSpike(), 5*time.Minute),
			NewScanInternal(DefaultScanInternal(), 5*time.Minute),
			NewScanExternal(DefaultScanExternal(), 5*time.Minute),
		} {
			if err := d.Restore((saved{string(key): value}).entries()); err != nil {
				continue
			}
			// What was taken must be usable, and give itself back.
			for i := range int64(3) {
				d.Detect(&Pane{
					Start: startOf(i), End: startOf(i + 1),
					Loads: []Load{{Key: Key{"111122223333", "vpc-0abc", "eni-0bb2"}, OK: true}},
				})
			}
			again := saved{}
			again.take(d)
		}
	})
}
