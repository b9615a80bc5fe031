package geotable

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// Builder gathers what a table will know. Ranges are added in any order; where
// two overlap, the one that begins later holds, and of two that begin together
// the shorter one.
type Builder struct {
	Date      string // of the data, as in 2026-06-17
	countries [2][]span[string]
	systems   [2][]span[uint32]
	names     map[uint32]string
}

// span is a range of addresses, of IPv6 of /64 networks.
type span[V comparable] struct {
	from, to uint64 // both in it
	value    V
}

// AddCountry says where the addresses of a range are.
func (b *Builder) AddCountry(from, to netip.Addr, country string) error {
	if !countryName(country) {
		return fmt.Errorf("%s-%s: %q is no country; accepted: two capital letters", from, to, country)
	}
	return addSpan(&b.countries, from, to, country)
}

// AddSystem says which autonomous system announces a range. One number has one
// name: the one that was given first.
func (b *Builder) AddSystem(from, to netip.Addr, number uint32, name string) error {
	if number == 0 {
		return fmt.Errorf("%s-%s: 0 is no autonomous system", from, to)
	}
	if b.names == nil {
		b.names = make(map[uint32]string)
	}
	if _, named := b.names[number]; !named {
		b.names[number] = systemName(name)
	}
	return addSpan(&b.systems, from, to, number)
}

// addSpan adds a range; one that holds the first address of no /64 vanishes.
func addSpan[V comparable](families *[2][]span[V], from, to netip.Addr, value V) error {
	if !from.IsValid() || from.Is4() != to.Is4() || to.Less(from) {
		return fmt.Errorf("%s-%s is no range of addresses", from, to)
	}
	if from.Is4() {
		f, t := from.As4(), to.As4()
		families[0] = append(families[0], span[V]{uint64(binary.BigEndian.Uint32(f[:])), uint64(binary.BigEndian.Uint32(t[:])), value})
		return nil
	}
	first, last := upper(from), upper(to)
	if b := from.As16(); binary.BigEndian.Uint64(b[8:]) != 0 {
		if first == last {
			return nil
		}
		first++
	}
	families[1] = append(families[1], span[V]{first, last, value})
	return nil
}

// step is a start with what holds from there on.
type step[V comparable] struct {
	start uint64
	value V
}

// flatten makes steps of spans: each address has one value, the zero value where
// no span is, and neighbours differ.
func flatten[V comparable](spans []span[V], last uint64) []step[V] {
	slices.SortStableFunc(spans, func(a, b span[V]) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to))
	})
	var none V
	out := []step[V]{{0, none}}
	put := func(start uint64, value V) {
		if end := len(out) - 1; out[end].start == start {
			out = out[:end]
		}
		if len(out) == 0 || out[len(out)-1].value != value {
			out = append(out, step[V]{start, value})
		}
	}
	var open []span[V] // begun, the latest at the end
	closeTo := func(next uint64, end bool) {
		for len(open) > 0 {
			top := open[len(open)-1]
			if !end && top.to >= next {
				return
			}
			open = open[:len(open)-1]
			for len(open) > 0 && open[len(open)-1].to <= top.to {
				open = open[:len(open)-1]
			}
			if top.to == last {
				return
			}
			if len(open) > 0 {
				put(top.to+1, open[len(open)-1].value)
			} else {
				put(top.to+1, none)
			}
		}
	}
	for _, s := range spans {
		closeTo(s.from, false)
		open = append(open, s)
		put(s.from, s.value)
	}
	closeTo(0, true)
	return out
}
