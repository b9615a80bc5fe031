package simulate

import "net/netip"

// aggregation sums up the flows of an interface over an interval, as AWS does
// with ten minutes: packets and bytes add up, flags are put together.
type aggregation struct {
	rows map[flowKey]int
	all  []flow
}

type flowKey struct {
	src, dst, pktSrc, pktDst netip.Addr
	srcPort, dstPort         uint16
	protocol                 uint8
	egress, reject           bool
}

func (a *aggregation) add(f *flow) {
	k := flowKey{f.src, f.dst, f.pktSrc, f.pktDst, f.srcPort, f.dstPort, f.protocol, f.egress, f.reject}
	if a.rows == nil {
		a.rows = make(map[flowKey]int)
	}
	i, ok := a.rows[k]
	if !ok {
		a.rows[k] = len(a.all)
		a.all = append(a.all, *f)
		return
	}
	have := &a.all[i]
	have.packets += f.packets
	have.bytes += f.bytes
	have.flags |= f.flags
	have.start, have.end = min(have.start, f.start), max(have.end, f.end)
}

// The aggregations of an interface: the background's is written first, so that
// what is dirty of it leaves attacks alone.
const (
	ofBackground = iota
	ofAttacks
)

// flush writes what was summed up when an interval ends with this minute.
func (g *Generator) flush(which int) {
	seconds := int64(g.cfg.Interval.Seconds())
	if seconds <= minute || (g.now+minute)%seconds != 0 {
		return
	}
	g.close(which)
}

// close writes what was summed up.
func (g *Generator) close(which int) {
	for _, v := range g.vpcs {
		for _, e := range v.enis {
			a := &e.aggregates[which]
			for i := range a.all {
				g.write(e, &a.all[i])
			}
			a.all = a.all[:0]
			clear(a.rows)
		}
	}
}
