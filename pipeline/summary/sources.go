package summary

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// reportSources fills what depends on the table of sources, in one pass.
func (s *Summary) reportSources(r *Report, o Options) {
	var unique [directions]int64
	top := ranking[ranked]{limit: o.Top, compare: compareSources}
	places := newPlaces(o.Locate)
	s.sources(func(addr netip.Addr, t *totals) {
		for d := range unique {
			if t.seen(d) {
				unique[d]++
			}
		}
		if t.seen(flowlog.Ingress) {
			top.add(ranked{addr, t})
			places.add(addr, t.records)
		}
	})
	r.UniqueSources = s.unlessLacking(hasSource, int64(s.v4.len()+s.v6.len()))
	r.Ingress.UniqueSources = s.unlessLacking(hasSource, unique[flowlog.Ingress])
	r.Egress.UniqueSources = s.unlessLacking(hasSource, unique[flowlog.Egress])
	r.Unknown.UniqueSources = s.unlessLacking(hasSource, unique[0])
	for _, e := range top.items {
		r.TopSources = append(r.TopSources, s.source(e, o))
	}
	places.report(r, o.Top)
}

// sources visits every source.
func (s *Summary) sources(visit func(netip.Addr, *totals)) {
	s.v4.all(func(e *entry[uint32]) {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], e.key)
		visit(netip.AddrFrom4(b), &e.totals)
	})
	s.v6.all(func(e *entry[[16]byte]) { visit(netip.AddrFrom16(e.key), &e.totals) })
}

func (s *Summary) source(e ranked, o Options) Source {
	out := Source{
		Addr:    e.addr,
		Records: e.totals.records,
		Bytes:   s.unlessLacking(hasBytes, e.totals.bytes),
		Packets: s.unlessLacking(hasPackets, e.totals.packets),
		Targets: s.unlessLacking(hasTarget, s.targets(e.totals)),
	}
	if o.Locate != nil {
		out.Place = o.Locate(e.addr)
		out.Country, out.ASN, out.ASName = out.Place.Country, out.Place.ASN, out.Place.ASName
	}
	return out
}

func (s *Summary) topPorts(n int) []Port {
	top := ranking[Port]{limit: n, compare: comparePorts}
	s.ports.all(func(protocol uint8, port uint16, records int64) {
		top.add(Port{Port: port, Protocol: enrich.ProtocolName(protocol), Records: records, number: protocol})
	})
	return append([]Port{}, top.items...)
}

type ranked struct {
	addr   netip.Addr
	totals *totals
}

func compareSources(a, b ranked) int {
	return cmp.Or(cmp.Compare(b.totals.records, a.totals.records), a.addr.Compare(b.addr))
}

func comparePorts(a, b Port) int {
	return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Port, b.Port), cmp.Compare(a.number, b.number))
}

// ranking keeps the first few of many items, in order.
type ranking[T any] struct {
	limit   int
	compare func(a, b T) int
	items   []T
}

func (r *ranking[T]) add(item T) {
	if n := len(r.items); n == r.limit {
		if r.compare(item, r.items[n-1]) >= 0 {
			return
		}
		r.items = r.items[:n-1]
	}
	i, _ := slices.BinarySearchFunc(r.items, item, r.compare)
	r.items = slices.Insert(r.items, i, item)
}
