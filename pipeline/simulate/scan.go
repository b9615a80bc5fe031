package simulate

import (
	"net/netip"
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
	outcome outcome
}

// planScan spreads tries evenly over the minutes, and counts them into the
// truth.
func (p *planning) planScan(from *eni, source netip.Addr, tries []try) play {
	p.truth.Key = source.String()
	p.truth.Targets = len(tries)
	for _, t := range tries {
		if t.outcome == answered {
			p.truth.Answered++
		} else {
			p.truth.Failed++
		}
	}
	return func(g *Generator, n int) {
		for i := n * len(tries) / p.minutes; i < (n+1)*len(tries)/p.minutes; i++ {
			g.try(from, source, &tries[i])
		}
	}
}

// try records one try: at the source's interface, when it has one here, and at
// the target's, when there is such a host.
func (g *Generator) try(from *eni, source netip.Addr, t *try) {
	start, end := g.window()
	f := flow{src: source, dst: t.addr, dstPort: t.port, protocol: tcp, flags: syn, packets: 1, bytes: 44, start: start, end: end}
	f.srcPort = g.clientPort()
	if t.outcome == dropped && g.rng.IntN(3) == 0 {
		f.packets, f.bytes = 2, 88 // tried again
	}
	if t.outcome == answered {
		f.flags, f.packets, f.bytes = syn|rst, 2, 84
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
		src: f.dst, dst: f.src, srcPort: f.dstPort, dstPort: f.srcPort, protocol: tcp,
		packets: 1, bytes: 40, flags: rst, start: start, end: end,
	}
	switch t.outcome {
	case answered:
		reply.flags, reply.bytes = synAck, 44
	case refused:
	default:
		return
	}
	if from != nil {
		g.record(from, &reply)
	}
	reply.egress, reply.path = true, path
	g.record(t.eni, &reply)
}

// planVerticalScan: a worker tries 120 ports of a web server. Four fifths are
// rejected, the others reach a host that keeps silent, but for two that are
// open.
func planVerticalScan(p *planning) (play, error) {
	from, err := p.need(worker)
	if err != nil {
		return nil, err
	}
	target, err := p.need(web)
	if err != nil {
		return nil, err
	}
	var tries []try
	for i, port := range p.ports(120) {
		t := try{target.addr, target, port, rejected}
		switch {
		case i%60 == 30:
			t.outcome = answered
		case i%5 == 1:
			t.outcome = dropped
		case i%30 == 2:
			t.outcome = refused
		}
		tries = append(tries, t)
	}
	p.truth.Rule, p.truth.Severity = "scan.internal", "high"
	return p.planScan(from, from.addr, tries), nil
}

// planHostSweep: the bastion tries port 3389 of the 60 first addresses of its
// zone. Most of them are nobody's; the hosts that exist reject it. A format
// without tcp-flags doesn't tell a lone SYN from a connection, so there it
// can't be found.
func planHostSweep(p *planning) (play, error) {
	from, err := p.need(bastion)
	if err != nil {
		return nil, err
	}
	var tries []try
	first := from.addr.As4()
	for host := byte(5); len(tries) < 60; host++ {
		first[3] = host
		t := try{addr: netip.AddrFrom4(first), port: 3389, outcome: dropped}
		if t.addr == from.addr {
			continue
		}
		for _, e := range p.vpc.enis {
			if e.addr == t.addr {
				t.eni, t.outcome = e, rejected
			}
		}
		tries = append(tries, t)
	}
	p.truth.Rule, p.truth.Severity = "scan.internal", "high"
	if p.format == V2 {
		p.truth.Expect = ExpectNone
	}
	return p.planScan(from, from.addr, tries), nil
}

// planExternalScan: an address of a documentation range tries 150 ports of the
// load balancer and of the bastion.
func planExternalScan(p *planning) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	b, err := p.need(bastion)
	if err != nil {
		return nil, err
	}
	var tries []try
	for _, port := range p.ports(150) {
		tries = append(tries, try{lb.addr, lb, port, rejected}, try{b.addr, b, port, rejected})
	}
	source := netip.AddrFrom4([4]byte{198, 51, 100, byte(10 + p.rng.IntN(200))})
	p.truth.Rule, p.truth.Severity = "scan.external", "low"
	return p.planScan(nil, source, tries), nil
}

// ports returns n distinct ports in random order, none of them one that the
// hosts here serve.
func (p *planning) ports(n int) []uint16 {
	served := map[uint16]bool{22: true, 53: true, 80: true, 443: true, 5432: true, 6379: true, 8080: true}
	var ports []uint16
	for _, i := range p.rng.Perm(1000) {
		if port := uint16(i + 1); !served[port] && len(ports) < n {
			ports = append(ports, port)
		}
	}
	return ports
}
