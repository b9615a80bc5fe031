package enrich

import "testing"

func TestProtocolName(t *testing.T) {
	for n, want := range map[uint8]string{
		1: "icmp", TCP: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmpv6", 132: "sctp", 0: "0", 133: "133", 255: "255",
	} {
		if got := ProtocolName(n); got != want {
			t.Errorf("protocol %d is %q, want %q", n, got, want)
		}
	}
}
