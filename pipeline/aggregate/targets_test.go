package aggregate

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestWhoBegan(t *testing.T) {
	f := func(flow flow, want side) {
		t.Helper()
		if got := initiator(flow.enriched(t)); got != want {
			t.Errorf("%s: initiator %d, want %d", flow.line(), got, want)
		}
	}
	f(flow{sport: 50000, dport: 50001, flags: "2"}, source)                           // SYN
	f(flow{sport: 443, dport: 50001, flags: "3"}, source)                             // SYN+FIN, whatever the ports
	f(flow{sport: 50000, dport: 22, flags: "18"}, target)                             // SYN-ACK
	f(flow{sport: 50000, dport: 50001, action: "REJECT"}, source)                     // refused
	f(flow{sport: 443, dport: 50001, action: "REJECT"}, target)                       // a late reply, refused
	f(flow{sport: 443, dport: 50001, action: "REJECT", flags: "2"}, source)           // a scan from port 443
	f(flow{sport: 50000, dport: 443, flags: "0"}, source)                             // by ports
	f(flow{sport: 443, dport: 50000, flags: "0"}, target)                             // the reply
	f(flow{sport: 50000, dport: 8080}, source)                                        // a listed port
	f(flow{sport: 20000, dport: 50000}, target)                                       // by the ephemeral range
	f(flow{sport: 50000, dport: 51000}, undecided)                                    // both ephemeral
	f(flow{sport: 0, dport: 0, proto: 1}, undecided)                                  // ICMP
	f(flow{sport: 53, dport: 123, proto: 17}, undecided)                              // both services
	f(flow{src: "2001:db8::1", dst: "fd00::1", sport: 40000, dport: 22}, source)      // IPv6 alike
	f(flow{sport: 443, dport: 1000, action: "REJECT", src: "198.51.100.1"}, source)   // not towards a client
	f(flow{sport: 40000, dport: 22, action: "REJECT", flags: "18", proto: 6}, target) // a SYN-ACK refused
}

// outcome folds the records of one source's contact with one target and says
// what became of it.
func outcome(t *testing.T, flows ...flow) Outcome {
	t.Helper()
	got := NoContact
	for c := range fold(t, plan(t), flows...).Pane(0).Contacts().All {
		if c.Source != netip.MustParseAddr("203.0.113.9") {
			continue
		}
		all, _ := c.Targets.Exact()
		for target, e := range all {
			got = e.Outcome(target.Protocol)
		}
	}
	return got
}

func TestWhatBecameOfAContact(t *testing.T) {
	to := func(dport int, flags string, packets int64) flow {
		return flow{sport: 40000, dport: dport, flags: flags, packets: packets}
	}
	back := func(sport int, flags string, packets int64) flow {
		return flow{src: "10.0.0.1", dst: "203.0.113.9", sport: sport, dport: 40000, flags: flags, packets: packets, dir: "egress"}
	}
	refused := func(f flow) flow { f.action = "REJECT"; return f }
	udp := func(f flow) flow { f.proto = 17; return f }
	for name, c := range map[string]struct {
		flows []flow
		want  Outcome
	}{
		"rejected":                         {[]flow{refused(to(22, "2", 1))}, Failed},
		"only SYN":                         {[]flow{to(22, "2", 1)}, Pending},
		"many SYN packets are a flood":     {[]flow{to(22, "2", 50)}, Unknown},
		"closed port":                      {[]flow{to(22, "2", 1), back(22, "4", 1)}, Failed},
		"the RST alone":                    {[]flow{back(22, "4", 1)}, Failed},
		"open port":                        {[]flow{to(22, "2", 1), back(22, "18", 1)}, Answered},
		"open, then reset":                 {[]flow{to(22, "6", 2), back(22, "18", 1)}, Answered},
		"a short session":                  {[]flow{to(443, "3", 5), back(443, "19", 5)}, Answered},
		"middle of a long session":         {[]flow{to(443, "0", 500), back(443, "0", 700)}, Answered},
		"a reset after data":               {[]flow{back(443, "4", 20)}, Answered},
		"rejected once, answered sticks":   {[]flow{refused(to(22, "2", 1)), back(22, "18", 1)}, Answered},
		"v2: both ways, 3 packets":         {[]flow{to(22, "-", 3), back(22, "-", 3)}, Answered},
		"v2: both ways, too few packets":   {[]flow{to(22, "-", 2), back(22, "-", 3)}, Unknown},
		"v2: one way":                      {[]flow{to(22, "-", 3)}, Unknown},
		"v2: rejected":                     {[]flow{refused(to(22, "-", 1))}, Failed},
		"UDP without a reply":              {[]flow{udp(to(161, "-", 1))}, Unknown},
		"UDP with one":                     {[]flow{udp(to(161, "-", 1)), udp(back(161, "-", 1))}, Answered},
		"UDP rejected":                     {[]flow{refused(udp(to(161, "-", 1)))}, Failed},
		"a refused reply says nothing new": {[]flow{to(22, "2", 1), refused(back(22, "4", 1))}, Pending},
	} {
		t.Run(name, func(t *testing.T) {
			if got := outcome(t, c.flows...); got != c.want {
				t.Errorf("outcome %d, want %d", got, c.want)
			}
		})
	}
}

func TestServersDoNotCollectTheirClients(t *testing.T) {
	var flows []flow
	for i := range 50 {
		flows = append(flows, flow{src: "10.0.0.1", dst: fmt.Sprintf("203.0.113.%d", i), sport: 443, dport: 40000 + i, flags: "0", packets: 9, dir: "egress"})
	}
	for c := range fold(t, plan(t), flows...).Pane(0).Contacts().All {
		if c.Source == netip.MustParseAddr("10.0.0.1") {
			t.Errorf("the web server is taken for an initiator with %d targets", c.Targets.Len())
		}
	}
}

func aTarget() *rapid.Generator[Target] {
	return rapid.Custom(func(t *rapid.T) Target {
		a := netip.AddrFrom4([4]byte{10, 0, 0, rapid.Byte().Draw(t, "host")})
		if rapid.Bool().Draw(t, "six") {
			a = netip.AddrFrom16([16]byte{0: 0xfd, 15: rapid.Byte().Draw(t, "host6")})
		}
		return Target{a, uint16(rapid.IntRange(1, 5).Draw(t, "port")), 6}
	})
}

func TestTargetsDependOnWhatWasAddedOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{3, 100, 128, 129, 130, 700}).Draw(t, "n")
		list := rapid.SliceOfN(aTarget(), n, n).Draw(t, "targets")
		var whole Targets
		parts := make([]Targets, 3)
		for i, to := range list {
			e := Evidence(1) << (i % 9)
			whole.Add(to, e)
			parts[rapid.IntRange(0, 2).Draw(t, "part")].Add(to, e)
		}
		var merged Targets
		for _, p := range rapid.Permutation([]*Targets{&parts[0], &parts[1], &parts[2], &parts[0]}).Draw(t, "order") {
			merged.Merge(p)
		}
		want := whole.AppendBinary(nil)
		if !bytes.Equal(want, merged.AppendBinary(nil)) {
			t.Fatal("a set differs by how it came together")
		}
		decoded, rest, err := DecodeTargets(want)
		if err != nil || len(rest) != 0 {
			t.Fatal(err, len(rest))
		}
		if diff := cmp.Diff(whole.Outcomes(), decoded.Outcomes()); diff != "" {
			t.Fatalf("decoded outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestLargeSetsAreEstimated(t *testing.T) {
	var s Targets
	const hosts, ports = 100, 60
	for h := range hosts {
		for p := range ports {
			e := Rejected
			if p%6 == 0 {
				e = SynAck
			}
			s.Add(Target{netip.AddrFrom4([4]byte{10, 0, 0, byte(h)}), uint16(p), 6}, e)
		}
	}
	o := s.Outcomes()
	near := func(what string, got, want int, within float64) {
		t.Helper()
		if float64(got) < float64(want)*(1-within) || float64(got) > float64(want)*(1+within) {
			t.Errorf("%s: %d, want %d within %g", what, got, want, within)
		}
	}
	near("targets", s.Len(), hosts*ports, 0.08)
	near("failed", o.Failed, 5000, 0.15)
	near("hosts", o.Hosts, hosts, 0.05)
	near("ports", o.Ports, ports, 0.05)
	if o.Exact || o.Failed != o.Rejected {
		t.Errorf("outcomes of a large set: %+v", o)
	}
}

func TestSmallSetsAreExact(t *testing.T) {
	var s Targets
	for i := range 128 {
		s.Add(Target{netip.AddrFrom4([4]byte{10, 0, byte(i % 4), 1}), uint16(i / 4), 6}, Evidence(1<<(i%2)))
	}
	want := Outcomes{Failed: 64, Pending: 64, Rejected: 64, SynOnly: 64, Hosts: 4, Ports: 32, Exact: true}
	if diff := cmp.Diff(want, s.Outcomes()); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func FuzzDecodeTargets(f *testing.F) {
	var s Targets
	for i := range 200 {
		f.Add(s.AppendBinary(nil))
		s.Add(Target{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 22, 6}, Rejected)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		defer hostiletest.Bound(t)()
		if s, _, err := DecodeTargets(b); err == nil {
			s.Outcomes()
			s.Add(Target{netip.MustParseAddr("10.1.2.3"), 22, 6}, SynOnly)
			s.Merge(s)
		}
	})
}

// All yields the initiators by ascending row.
func (c *Contacts) All(yield func(*Contact) bool) {
	for _, contact := range c.Rows(func(int) bool { return true }) {
		if !yield(contact) {
			return
		}
	}
}

// A set that is used again for one source after another has in the end no more
// room than for a few targets, though one in ten was wide.
func TestResetSetsDoNotPileUp(t *testing.T) {
	host := func(i int) Target { return Target{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 22, 6} }
	var s Targets
	for source := range 100 {
		n := 3
		if source%10 == 0 {
			n = 200
		}
		for i := range n {
			s.Add(host(i), Rejected)
		}
		s.Reset()
		if s.Len() != 0 || cap(s.kept) > spareTargets {
			t.Fatalf("an emptied set of %d has %d and room for %d", n, s.Len(), cap(s.kept))
		}
	}
	if n := testing.AllocsPerRun(10, func() { s.Add(host(1), Rejected); s.Add(host(2), Rejected); s.Reset() }); n != 0 {
		t.Errorf("a set of two that is used again makes %v allocations", n)
	}
}
