// Package geotable is a compact table of the country and the autonomous system
// of every address, and the one that is built into the binary.
//
// A table is a file of some megabytes and takes some 13 MiB when it is read.
// Of IPv6 it knows whole /64 networks: what is told of smaller ones is that of
// the first address of their /64.
package geotable

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
)

// Table is immutable and safe for concurrent use. A nil table knows nothing.
type Table struct {
	date      string
	countries []string // by value; 0 is ""
	systems   []system // by value; 0 is none
	country4  steps[uint32, uint8]
	country6  steps[uint64, uint8]
	system4   steps[uint32, uint32]
	system6   steps[uint64, uint32]
	near4     [2][]uint32 // of country4 and system4, see nearby
}

// system is one autonomous system.
type system struct {
	number uint32
	name   string
}

// Date returns the day of the data, as in 2026-06-17.
func (t *Table) Date() string {
	if t == nil {
		return ""
	}
	return t.date
}

// Country returns the country of an address, as ISO 3166-1 alpha-2; "" when it
// is not known.
func (t *Table) Country(a netip.Addr) string {
	switch {
	case t == nil || !a.IsValid():
		return ""
	case a.Is4():
		return t.countries[at4(&t.country4, t.near4[0], a)]
	}
	return t.countries[t.country6.at(upper(a))]
}

// System returns the autonomous system that announces an address; 0 and "" when
// it is not known.
func (t *Table) System(a netip.Addr) (number uint32, name string) {
	if t == nil || !a.IsValid() {
		return 0, ""
	}
	var s *system
	if a.Is4() {
		s = &t.systems[at4(&t.system4, t.near4[1], a)]
	} else {
		s = &t.systems[t.system6.at(upper(a))]
	}
	return s.number, s.name
}

// steps says what holds from each start to the one before the next. The first
// start is 0.
type steps[K uint32 | uint64, V uint8 | uint32] struct {
	starts []K
	values []V
}

func (s *steps[K, V]) at(k K) V { return s.within(k, 0, len(s.starts)) }

// within looks for k where its step is known to be among [low, high).
func (s *steps[K, V]) within(k K, low, high int) V {
	for high-low > 1 {
		if i := int(uint(low+high) >> 1); s.starts[i] <= k {
			low = i
		} else {
			high = i
		}
	}
	return s.values[low]
}

// nearby tells for each /16 of IPv4 the step that its first address is in, and
// one more: three or four comparisons are left of eighteen, and these are of
// neighbours.
func nearby[V uint8 | uint32](s *steps[uint32, V]) []uint32 {
	near := make([]uint32, 1<<16+1)
	step := 0
	for i := range 1 << 16 {
		for step+1 < len(s.starts) && s.starts[step+1] <= uint32(i)<<16 {
			step++
		}
		near[i] = uint32(step)
	}
	near[1<<16] = uint32(len(s.starts) - 1)
	return near
}

func at4[V uint8 | uint32](s *steps[uint32, V], near []uint32, a netip.Addr) V {
	b := a.As4()
	k := binary.BigEndian.Uint32(b[:])
	return s.within(k, int(near[k>>16]), int(near[k>>16+1])+1)
}

// upper returns the first 64 bits of an IPv6 address.
func upper(a netip.Addr) uint64 {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8])
}

// countryName reports whether s may stand for a country: two capital letters.
func countryName(s string) bool {
	return len(s) == 2 && !slices.ContainsFunc([]byte(s), func(c byte) bool { return c < 'A' || c > 'Z' })
}

// systemName makes a name fit for one line: no controls, single spaces, and once
// what a registry wrote twice.
func systemName(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\u00ad", "-"), "")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r >= 0x80 && r <= 0xa0 }), " ")
	if half, again, ok := strings.Cut(s, " - "); ok && half == again {
		return half
	}
	return s
}
