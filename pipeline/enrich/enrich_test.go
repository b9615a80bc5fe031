package enrich

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

func prefixes(list ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range list {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

func enriched(t *testing.T, format, line string) *Flow {
	t.Helper()
	layout, err := flowlog.ParseLayout(format)
	if err != nil {
		t.Fatal(err)
	}
	r := new(flowlog.Record)
	if reason := layout.Parse([]byte(line), r); reason != flowlog.ReasonNone {
		t.Fatalf("%s: %s", line, reason)
	}
	f := new(Flow)
	New(prefixes("10.0.0.0/8", "fd00::/8"), nil).Enrich(r, f)
	return f
}

func TestDirection(t *testing.T) {
	f := func(format, line string, want int) {
		t.Helper()
		if got := enriched(t, format, line).Direction; got != want {
			t.Errorf("%s: direction %d, want %d", line, got, want)
		}
	}
	const ends = "srcaddr dstaddr"
	f(ends, "203.0.113.9 10.0.0.1", flowlog.Ingress)
	f(ends, "10.0.0.1 203.0.113.9", flowlog.Egress)
	f(ends, "10.0.0.1 10.0.0.2", 0)
	f(ends, "203.0.113.9 198.51.100.1", 0)
	f(ends, "2001:db8::1 fd00::1", flowlog.Ingress)
	f(ends, "- -", 0)
	f(ends, "- 10.0.0.1", 0)
	f(ends+" flow-direction", "10.0.0.1 10.0.0.2 ingress", flowlog.Ingress) // as the record says
	f(ends+" flow-direction", "203.0.113.9 10.0.0.1 egress", flowlog.Egress)
	f(ends+" flow-direction", "203.0.113.9 10.0.0.1 -", flowlog.Ingress) // null: by the networks
	f(ends+" tgw-id flow-direction", "203.0.113.9 10.0.0.1 tgw-1 ingress", 0)
	f(ends+" resource-type", "203.0.113.9 10.0.0.1 TransitGatewayAttachment", 0)
}

func TestSourceAndTargetAreTheRealEnds(t *testing.T) {
	f := func(format, line, source, target string) {
		t.Helper()
		got := enriched(t, format, line)
		if got.Source.String() != source || got.Target.String() != target {
			t.Errorf("%s: %s to %s, want %s to %s", line, got.Source, got.Target, source, target)
		}
	}
	f("srcaddr dstaddr", "203.0.113.9 10.0.0.1", "203.0.113.9", "10.0.0.1")
	f("srcaddr dstaddr pkt-srcaddr pkt-dstaddr", "10.0.9.9 10.0.0.1 203.0.113.9 10.0.5.5", "203.0.113.9", "10.0.5.5")
	f("srcaddr dstaddr pkt-srcaddr pkt-dstaddr", "10.0.9.9 10.0.0.1 - -", "10.0.9.9", "10.0.0.1")
	f("srcaddr dstaddr", "- -", "invalid IP", "invalid IP")
}

func TestReplies(t *testing.T) {
	f := func(line string, want bool) {
		t.Helper()
		if got := enriched(t, "srcaddr dstaddr srcport dstport protocol tcp-flags", line).Reply; got != want {
			t.Errorf("%s: reply %v, want %v", line, got, want)
		}
	}
	f("203.0.113.9 10.0.0.1 443 40000 6 0", true)
	f("203.0.113.9 10.0.0.1 443 40000 6 -", true)   // no flags known
	f("203.0.113.9 10.0.0.1 443 40000 6 19", true)  // SYN-ACK and FIN: a short download
	f("203.0.113.9 10.0.0.1 443 40000 6 2", false)  // a SYN from port 443 asks
	f("203.0.113.9 10.0.0.1 443 32767 6 0", false)  // below the ephemeral ports
	f("203.0.113.9 10.0.0.1 3306 40000 6 0", true)  // a listed port
	f("203.0.113.9 10.0.0.1 4000 40000 6 0", false) // no service's
	f("203.0.113.9 10.0.0.1 53 40000 17 -", false)  // UDP may be reflection
	f("10.0.0.1 203.0.113.9 443 40000 6 0", false)  // egress
}

func TestNetworksContainWhatTheirPrefixesDo(t *testing.T) {
	list := prefixes("10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/32", "192.168.7.0/31", "255.255.255.255/32", "fd00::/8", "2001:db8::/33")
	n := NewNetworks(list)
	want := func(a netip.Addr) bool {
		for _, p := range list {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	rng := rand.New(rand.NewPCG(1, 1))
	try := func(a netip.Addr) {
		t.Helper()
		if got := n.Contains(a); got != want(a) {
			t.Errorf("%s: %v", a, got)
		}
	}
	for _, s := range []string{"0.0.0.0", "0.0.0.1", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0", "192.168.6.255", "192.168.7.1", "192.168.7.2", "255.255.255.255", "fd00::1", "2001:db8:8000::", "::"} {
		try(netip.MustParseAddr(s))
	}
	for range 2000 {
		v := rng.Uint32()
		try(netip.AddrFrom4([4]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}))
	}
	if n.Contains(netip.Addr{}) || !NewNetworks(prefixes("0.0.0.0/0")).Contains(netip.MustParseAddr("203.0.113.9")) {
		t.Error("the zero address is in no network, and 0.0.0.0/0 holds all of IPv4")
	}
}
