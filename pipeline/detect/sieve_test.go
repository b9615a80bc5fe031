package detect

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

func TestSieve(t *testing.T) {
	addr := func(n uint32) netip.Addr {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], n)
		return netip.AddrFrom4(b)
	}
	var s sieve
	for _, n := range []uint32{0, 1, 3, 4, 5, 1000, 50_000, 10} { // it shrinks again, too
		sources := make(map[addrKey]bool)
		for i := range n {
			sources[addrKey{"a", "v", addr(i)}] = true
		}
		fill(&s, sources)
		for i := range n {
			if !s.passes(addr(i)) {
				t.Fatalf("of %d sources, number %d does not pass", n, i)
			}
		}
		passed := 0
		for i := range uint32(10_000) {
			if s.passes(addr(1<<24 + i)) {
				passed++
			}
		}
		if passed > 10_000/sieveBits*5/4 {
			t.Errorf("of %d sources: %d of 10000 other addresses pass, want about one in %d at most", n, passed, sieveBits)
		}
	}
}
