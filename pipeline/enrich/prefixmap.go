package enrich

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

// prefixMap finds the value of the network that an address lies in, 0 for none.
// It is a binary search over steps: what holds from each address on.
type prefixMap struct {
	v4 []step4
	v6 []step6
	// before counts the steps of IPv4 that begin before each /16; nil where there
	// are few. Sixteen comparisons in memory that no cache holds become one or two.
	before []uint32
}

// fewSteps are found without before.
const fewSteps = 1024

type step4 struct {
	from  uint32
	value uint16
}

type step6 struct {
	high, low uint64
	value     uint16
}

// prefixValue is a network with its value, from 1 on.
type prefixValue struct {
	prefix netip.Prefix
	value  uint16
}

// newPrefixMap compiles networks. Where they overlap, the one that better says is
// better holds; of equals the longer, then the one that was given first.
func newPrefixMap(all []prefixValue, better func(a, b uint16) bool) *prefixMap {
	m := &prefixMap{}
	sorted := slices.Clone(all)
	for i := range sorted {
		sorted[i].prefix = sorted[i].prefix.Masked()
	}
	slices.SortStableFunc(sorted, func(a, b prefixValue) int {
		return cmp.Or(a.prefix.Addr().Compare(b.prefix.Addr()), cmp.Compare(a.prefix.Bits(), b.prefix.Bits()))
	})
	var open []prefixValue // each lies in the one before
	for _, p := range sorted {
		for len(open) > 0 && !open[len(open)-1].prefix.Contains(p.prefix.Addr()) {
			open = m.end(open, better)
		}
		open = append(open, p)
		m.put(p.prefix.Addr(), best(open, better))
	}
	for len(open) > 0 {
		open = m.end(open, better)
	}
	if len(m.v4) > fewSteps {
		m.before = make([]uint32, 1<<16+1)
		for _, s := range m.v4 {
			m.before[s.from>>16+1]++
		}
		for i := range 1 << 16 {
			m.before[i+1] += m.before[i]
		}
	}
	return m
}

// best returns the value that holds where all these networks are.
func best(open []prefixValue, better func(a, b uint16) bool) uint16 {
	var held prefixValue
	for _, p := range open {
		if held.value == 0 || better(p.value, held.value) || p.prefix != held.prefix && !better(held.value, p.value) {
			held = p
		}
	}
	return held.value
}

// end closes the last of the open networks.
func (m *prefixMap) end(open []prefixValue, better func(a, b uint16) bool) []prefixValue {
	after := last(open[len(open)-1].prefix).Next() // not valid behind the last address of all
	open = open[:len(open)-1]
	if after.IsValid() {
		m.put(after, best(open, better))
	}
	return open
}

func (m *prefixMap) put(from netip.Addr, value uint16) {
	if from.Is4() {
		if i := len(m.v4) - 1; i >= 0 && m.v4[i].from == number(from) {
			m.v4 = m.v4[:i]
		}
		m.v4 = append(m.v4, step4{number(from), value})
		return
	}
	high, low := halves(from)
	if i := len(m.v6) - 1; i >= 0 && m.v6[i].high == high && m.v6[i].low == low {
		m.v6 = m.v6[:i]
	}
	m.v6 = append(m.v6, step6{high, low, value})
}

func halves(a netip.Addr) (high, low uint64) {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

// at returns the value of an address, which must be valid.
func (m *prefixMap) at(a netip.Addr) uint16 {
	low, high := 0, 0
	if a.Is4() {
		v := number(a)
		if high = len(m.v4); m.before != nil {
			low, high = int(m.before[v>>16]), int(m.before[v>>16+1])
		}
		for low < high { // the first step behind v
			if i := int(uint(low+high) >> 1); m.v4[i].from <= v {
				low = i + 1
			} else {
				high = i
			}
		}
		if low == 0 {
			return 0
		}
		return m.v4[low-1].value
	}
	upper, lower := halves(a)
	for high = len(m.v6); low < high; {
		i := int(uint(low+high) >> 1)
		if s := &m.v6[i]; s.high < upper || s.high == upper && s.low <= lower {
			low = i + 1
		} else {
			high = i
		}
	}
	if low == 0 {
		return 0
	}
	return m.v6[low-1].value
}
