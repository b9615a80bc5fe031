package detect

import (
	"math/bits"
	"net/netip"

	"github.com/flowwatch/flowwatch/pipeline/sketch"
)

// sieve says of most addresses at once that no source that a rule holds has
// them: a Bloom filter with one hash function (Bloom, 1970). A rule that holds
// few sources asks it before it looks one up by account, VPC and address, which
// costs ten times as much and would be in vain for nearly every contact.
type sieve struct {
	bits  []uint64
	shift int // of a hash, to the number of a bit
}

// sieveBits is how many bits there are for a source: one address in so many
// passes that should not.
const sieveBits = 16

// fill puts in the addresses of sources, and nothing else.
func fill[V any](s *sieve, sources map[addrKey]V) {
	s.shift = 64 - bits.Len(uint(max(64, sieveBits*len(sources))-1))
	if words := 1 << (64 - s.shift) / 64; cap(s.bits) >= words {
		s.bits = s.bits[:words]
		clear(s.bits)
	} else {
		s.bits = make([]uint64, words)
	}
	for key := range sources {
		bit := sketch.HashAddr(key.addr) >> s.shift
		s.bits[bit/64] |= 1 << (bit % 64)
	}
}

// passes reports whether an address may be among those put in: never falsely
// no.
func (s *sieve) passes(a netip.Addr) bool {
	bit := sketch.HashAddr(a) >> s.shift
	return s.bits[bit/64]&(1<<(bit%64)) != 0
}
