package sketch

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/cespare/xxhash/v2"
)

// The hashes below have a fixed seed, because sketches are persisted and
// exchanged: the same input gives the same hash in every process and version.
// Changing one of them changes the format of every sketch. The price is that
// somebody who reads this can pick addresses that share a register, and so be
// counted low; nothing else follows from it, tables here stay small.

const seed = 0x9e3779b97f4a7c15

// mappedPrefix is Mix(seed, 0): the state after the upper half of an
// IPv4-mapped address, which is zero.
const mappedPrefix = 0xcfa260c2c4875b28

// Hash64 hashes bytes (XXH64, seed 0).
func Hash64(b []byte) uint64 { return xxhash.Sum64(b) }

// HashString is Hash64 of the bytes of s.
func HashString(s string) uint64 { return xxhash.Sum64String(s) }

// HashAddr hashes an address. Two IPv4 addresses never collide, nor do two
// IPv6 addresses of one /64. An IPv4 address hashes like its IPv4-mapped
// form, the zero Addr like ::, and a zone is ignored.
func HashAddr(a netip.Addr) uint64 {
	if a.Is4() {
		b := a.As4()
		return Mix(mappedPrefix, 0xffff<<32|uint64(binary.BigEndian.Uint32(b[:])))
	}
	b := a.As16()
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	return Mix(Mix(seed, hi), lo)
}

// Mix folds one more word into a hash, for keys of several parts. For a given
// h it is a bijection of word: distinct words never collide.
func Mix(h, word uint64) uint64 {
	// Stafford's variant 13 of the MurmurHash3 finaliser, as in SplitMix64.
	// Rotating makes Mix(a, b) differ from Mix(b, a).
	x := bits.RotateLeft64(h, 32) ^ word
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
