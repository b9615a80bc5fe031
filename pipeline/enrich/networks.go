// Package enrich says who is who in a record: direction, source, target, what
// is ours and what is a reply, and where an address belongs.
package enrich

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

// Networks is a set of address ranges. A test of membership is a binary search
// over ranges that do not overlap: some 15 steps with 30,000 networks.
type Networks struct {
	v4 []range4
	v6 []range6
}

type range4 struct{ from, to uint32 }

type range6 struct{ from, to netip.Addr }

// NewNetworks compiles prefixes; overlapping ones are fine.
func NewNetworks(prefixes []netip.Prefix) *Networks {
	n := &Networks{}
	for _, p := range prefixes {
		from := p.Masked().Addr()
		if from.Is4() {
			v := number(from)
			n.v4 = append(n.v4, range4{v, v | uint32(1<<(32-p.Bits())-1)})
			continue
		}
		n.v6 = append(n.v6, range6{from, last(p)})
	}
	slices.SortFunc(n.v4, func(a, b range4) int { return cmp.Compare(a.from, b.from) })
	slices.SortFunc(n.v6, func(a, b range6) int { return a.from.Compare(b.from) })
	n.v4 = join(n.v4, func(a, b range4) (range4, bool) { return range4{a.from, max(a.to, b.to)}, b.from <= a.to })
	n.v6 = join(n.v6, func(a, b range6) (range6, bool) {
		if a.to.Less(b.to) {
			return range6{a.from, b.to}, !a.to.Less(b.from)
		}
		return a, !a.to.Less(b.from)
	})
	return n
}

// join merges the ranges that overlap, given by ascending start.
func join[R any](all []R, merge func(a, b R) (R, bool)) []R {
	kept := all[:0]
	for _, r := range all {
		if i := len(kept) - 1; i >= 0 {
			if m, ok := merge(kept[i], r); ok {
				kept[i] = m
				continue
			}
		}
		kept = append(kept, r)
	}
	return slices.Clip(kept)
}

func number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// last returns the greatest address of a network.
func last(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr()
	b, bits := a.As16(), p.Bits()+128-a.BitLen()
	for bit := bits; bit < 128; bit++ {
		b[bit/8] |= 1 << (7 - bit%8)
	}
	if a.Is4() {
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return netip.AddrFrom16(b)
}

// Contains reports whether an address lies in one of the ranges. The zero
// address lies in none.
func (n *Networks) Contains(a netip.Addr) bool {
	if a.Is4() {
		v := number(a)
		low, high := 0, len(n.v4)
		for low < high { // the first range that ends at v or behind
			if i := int(uint(low+high) >> 1); n.v4[i].to < v {
				low = i + 1
			} else {
				high = i
			}
		}
		return low < len(n.v4) && n.v4[low].from <= v
	}
	if !a.IsValid() || len(n.v6) == 0 {
		return false
	}
	i, _ := slices.BinarySearchFunc(n.v6, a, func(r range6, a netip.Addr) int { return r.to.Compare(a) })
	return i < len(n.v6) && !a.Less(n.v6[i].from)
}
