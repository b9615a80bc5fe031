package simulate

// What the probes of the Internet's background look for, by how often.
var probed = []struct {
	port     uint16
	protocol uint8
	weight   int
}{
	{23, tcp, 16}, {22, tcp, 9}, {3389, tcp, 7}, {445, tcp, 6}, {8080, tcp, 6}, {80, tcp, 6},
	{5900, tcp, 4}, {6379, tcp, 4}, {1433, tcp, 4}, {3306, tcp, 3}, {5432, tcp, 3}, {8443, tcp, 3},
	{2323, tcp, 3}, {9200, tcp, 2}, {2375, tcp, 2}, {25, tcp, 2}, {21, tcp, 2}, {81, tcp, 2},
	{5060, udp, 3}, {53, udp, 2}, {161, udp, 2}, {123, udp, 2}, {1900, udp, 1}, {11211, udp, 1}, {0, icmp, 2},
	{anyPort, tcp, 15},
}

// anyPort stands for a port drawn at random.
const anyPort = 1

// radiation makes the unsolicited probes of one interface with a public
// address: many sources, hardly ever more than two probes from one of them.
func (g *Generator) radiation(e *eni) {
	if g.cfg.Radiation < 0 {
		return
	}
	for range g.poisson(g.cfg.Radiation / 60 / 1.15) {
		source := stranger(g.rng)
		probes := 1
		if g.rng.IntN(7) == 0 {
			probes = 2
		}
		for range probes {
			f := g.probe(e)
			f.src = source
			g.record(e, &f)
		}
	}
}

// probe is one unsolicited packet. The security groups reject it, but for a
// NAT gateway, which has none: it accepts the packet and drops it in silence.
func (g *Generator) probe(e *eni) flow {
	f := flow{dst: e.addr, packets: 1, bytes: 40 + 4*int64(g.rng.IntN(2)), reject: e.role != nat}
	f.start, f.end = g.window()
	n := g.rng.IntN(g.probedTotal)
	for _, p := range probed {
		if n -= p.weight; n < 0 {
			f.dstPort, f.protocol = p.port, p.protocol
			break
		}
	}
	if f.dstPort == anyPort {
		f.dstPort = uint16(1024 + g.rng.IntN(60_000))
	}
	switch f.protocol {
	case tcp:
		f.flags, f.srcPort = syn, uint16(1024+g.rng.IntN(64_000))
	case udp:
		f.srcPort = uint16(1024 + g.rng.IntN(64_000))
		f.bytes = 60 + int64(g.rng.IntN(200))
	}
	return f
}
