package simulate

import (
	"net/netip"
	"slices"
)

// outcome is what becomes of one try of a scan.
type outcome uint8

const (
	rejected outcome = iota // by the target's security group
	dropped                 // nobody answers
	refused                 // a closed port: RST
	answered                // an open port: SYN-ACK, which the scanner resets
)

// try is one target of a scan.
type try struct {
	addr    netip.Addr
	eni     *eni // that has the address, nil when none has
	port    uint16
	udp     bool
	outcome outcome
}

// planScan spreads tries over the minutes, and counts them into the truth. Half
// of the scans keep a steady pace, the others come as chance has it; the first
// minute and the last have a try always.
func (p *planning) planScan(from *eni, source netip.Addr, tries []try) play {
	p.truth.Key = source.String()
	if from != nil {
		p.truth.Keys = append(p.truth.Keys, from.id)
	}
	p.count(tries)
	minutes := p.pace(len(tries))
	next := 0
	return func(g *Generator, n int) {
		for ; next < len(tries) && minutes[next] <= n; next++ {
			g.try(from, source, &tries[next])
		}
	}
}

// count adds tries to the truth, and says that nothing is to be found when too
// few of the failures show in the format.
func (p *planning) count(tries []try) {
	shown := 0
	for i := range tries {
		t := &tries[i]
		if t.eni != nil && !slices.Contains(p.truth.Keys, t.eni.id) {
			p.truth.Keys = append(p.truth.Keys, t.eni.id)
		}
		p.truth.Targets++
		if t.outcome == answered {
			p.truth.Answered++
		} else {
			p.truth.Failed++
		}
		if t.outcome == rejected {
			shown++
		}
	}
	// Without tcp-flags a lone SYN and a lone RST are small flows: what is
	// rejected shows, and silence after UDP.
	if p.cfg.Format == V2 && shown < p.kind.least && !tries[0].udp {
		p.truth.Expect = ExpectMetric
	}
}

// pace returns in which minute each of n tries comes, in order.
func (p *planning) pace(n int) []int {
	minutes := make([]int, n)
	steady := p.rng.IntN(2) == 0
	for i := range minutes {
		if steady {
			minutes[i] = i * p.minutes / n
		} else {
			minutes[i] = p.rng.IntN(p.minutes)
		}
	}
	slices.Sort(minutes)
	minutes[0], minutes[n-1] = 0, p.minutes-1
	return minutes
}

// outcomes draws what becomes of n tries at hosts that exist: mostly failures of
// all kinds, in shares that differ from scan to scan, and open ports, at most
// this share of them.
func (p *planning) outcomes(n int, open float64) []outcome {
	open *= p.rng.Float64()
	silent := 0.5 * p.rng.Float64()
	closed := 0.3 * p.rng.Float64()
	most := max(0, n-10) / 2 // more failures than open ports, whatever is drawn
	all := make([]outcome, n)
	for i := range all {
		switch r := p.rng.Float64(); {
		case r < open && most > 0:
			all[i] = answered
			most--
		case r < open+silent:
			all[i] = dropped
		case r < open+silent+closed:
			all[i] = refused
		}
	}
	return all
}

// ports returns n distinct ports in random order, none of them one that the
// hosts here serve: low ones while there are enough.
func (p *planning) ports(n int) []uint16 {
	served := map[uint16]bool{22: true, 53: true, 80: true, 443: true, 5432: true, 6379: true, 8080: true}
	highest := 1000
	if n > 900 {
		highest = 65_535
	}
	var ports []uint16
	for _, i := range p.rng.Perm(highest) {
		if port := uint16(i + 1); !served[port] && len(ports) < n {
			ports = append(ports, port)
		}
	}
	return ports
}

// try records one try: at the source's interface, when it has one here, and at
// the target's, when there is such a host.
func (g *Generator) try(from *eni, source netip.Addr, t *try) {
	if g.drawn(g.cfg.Misread) {
		t = t.misread()
	}
	start, end := g.window()
	f := flow{src: source, dst: t.addr, dstPort: t.port, protocol: tcp, flags: syn, packets: 1, bytes: 44, start: start, end: end}
	f.srcPort = g.clientPort()
	if t.outcome == dropped && g.rng.IntN(3) == 0 {
		f.packets, f.bytes = 2, 88 // tried again
	}
	if t.outcome == answered {
		f.flags, f.packets, f.bytes = syn|rst, 2, 84
	}
	if t.udp {
		f.protocol, f.flags, f.packets, f.bytes = udp, 0, 1, 71
	}
	path := uint8(internet)
	if from != nil {
		path = withinVPC
		out := f
		out.egress, out.path = true, path
		g.record(from, &out)
	}
	if t.eni == nil {
		return
	}
	in := f
	in.reject = t.outcome == rejected
	g.record(t.eni, &in)
	reply := flow{
		src: f.dst, dst: f.src, srcPort: f.dstPort, dstPort: f.srcPort, protocol: f.protocol,
		packets: 1, bytes: 40, flags: rst, start: start, end: end,
	}
	switch {
	case t.udp && t.outcome == answered:
		reply.flags, reply.bytes = 0, 120
	case t.udp:
		return
	case t.outcome == answered:
		reply.flags, reply.bytes = synAck, 44
	case t.outcome == refused:
	default:
		return
	}
	if from != nil {
		g.record(from, &reply)
	}
	reply.egress, reply.path = true, path
	g.record(t.eni, &reply)
}

// misread is the try with the opposite outcome.
func (t *try) misread() *try {
	opposite := *t
	opposite.outcome = answered
	if t.outcome == answered {
		opposite.outcome = rejected
	}
	return &opposite
}
