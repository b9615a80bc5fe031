// Package enrich says who is who in a record: direction, source, target, what
// is ours and what is a reply.
package enrich

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Networks is a set of address ranges with a fast test of membership.
type Networks struct {
	v4 []range4
	v6 []netip.Prefix
}

type range4 struct{ from, to uint32 }

// NewNetworks compiles prefixes; overlapping ones are fine.
func NewNetworks(prefixes []netip.Prefix) *Networks {
	n := &Networks{}
	for _, p := range prefixes {
		if !p.Addr().Is4() {
			n.v6 = append(n.v6, p.Masked())
			continue
		}
		a := p.Masked().Addr().As4()
		from := binary.BigEndian.Uint32(a[:])
		n.v4 = append(n.v4, range4{from, from | uint32(1<<(32-p.Bits())-1)})
	}
	slices.SortFunc(n.v4, func(a, b range4) int { return int(int64(a.from) - int64(b.from)) })
	return n
}

// Contains reports whether an address lies in one of the ranges. The zero
// address lies in none.
func (n *Networks) Contains(a netip.Addr) bool {
	if a.Is4() {
		b := a.As4()
		v := binary.BigEndian.Uint32(b[:])
		for _, r := range n.v4 {
			if v < r.from {
				return false
			}
			if v <= r.to {
				return true
			}
		}
		return false
	}
	for _, p := range n.v6 {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
