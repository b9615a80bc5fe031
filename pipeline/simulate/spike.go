package simulate

import (
	"fmt"
	"math"
	"net/netip"
	"time"
)

// learning is how long a baseline counts as young: findings are Low at most.
const learning = 48 * time.Hour

// planIngressSpike: a load balancer gets many times its normal connections,
// from addresses that were not seen before, each sending more than usual.
func planIngressSpike(p *planning) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	p.victim(lb)
	visits := p.visits(lb, evenly(p.factor(p.kind.factor)))
	p.weigh(visits)
	return func(g *Generator, n int) { g.flood(lb, visits[n], 4) }, nil
}

// planBotFlood: some dozens of hosts open connections to a load balancer, again
// and again.
func planBotFlood(p *planning) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	factor := p.factor(p.kind.factor)
	if factor >= 50 {
		p.truth.Severity = "medium"
	}
	p.victim(lb)
	bots := p.bots(20 + p.rng.IntN(60))
	p.truth.Sources = len(bots)
	visits := p.visits(lb, evenly(factor))
	p.weigh(visits)
	return func(g *Generator, n int) { g.bots(lb, visits[n], bots) }, nil
}

func (p *planning) bots(n int) []netip.Addr {
	var bots []netip.Addr
	for range n {
		bots = append(bots, stranger(p.rng))
	}
	return bots
}

// bots makes so many visits of a load balancer, by a few.
func (g *Generator) bots(lb *eni, visits int, bots []netip.Addr) {
	for range visits {
		g.inbound(lb, g.visit(bots[g.rng.IntN(len(bots))], lb.addr))
	}
}

// planCrowdFlood: a flood that can't be told from visitors, but for its size:
// every connection comes from another source.
func planCrowdFlood(p *planning) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	p.victim(lb)
	visits := p.visits(lb, evenly(p.factor(p.kind.factor)))
	p.weigh(visits)
	return func(g *Generator, n int) { g.flood(lb, visits[n], 1) }, nil
}

// flood makes so many visits of a load balancer, from sources that were not seen
// before, with so many times the bytes.
func (g *Generator) flood(lb *eni, visits int, larger int64) {
	for range visits {
		x := g.visit(stranger(g.rng), lb.addr)
		x.sent *= larger
		g.inbound(lb, x)
	}
}

// planRamp rises to its factor over three quarters of its time, by the same
// share each minute, and stays there.
func planRamp(p *planning) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	factor := p.factor(10)
	p.victim(lb)
	rise := float64(p.minutes) * 3 / 4
	bots := p.bots(40 + p.rng.IntN(80))
	p.truth.Sources = len(bots)
	visits := p.visits(lb, func(n int) float64 { return math.Pow(factor, min(1, float64(n)/rise)) - 1 })
	p.weigh(visits)
	return func(g *Generator, n int) { g.bots(lb, visits[n], bots) }, nil
}

// planSynFlood: SYNs at a load balancer of which none is answered.
func planSynFlood(p *planning) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	p.victim(lb)
	perMinute := float64(p.size(6000)) / 5
	return func(g *Generator, _ int) {
		for range g.poisson(perMinute) {
			g.lone(lb, stranger(g.rng), 443)
		}
	}, nil
}

// lone records a SYN that gets no answer.
func (g *Generator) lone(e *eni, source netip.Addr, port uint16) {
	f := flow{src: source, dst: e.addr, srcPort: g.clientPort(), dstPort: port, protocol: tcp, flags: syn, packets: 1, bytes: 40}
	f.start, f.end = g.window()
	g.record(e, &f)
}

// planReflection: large answers of open servers, from the port of their
// service.
func planReflection(p *planning) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	p.victim(lb)
	port := [...]uint16{53, 123, 11211}[p.rng.IntN(3)]
	var servers []netip.Addr
	for range p.size(800) {
		servers = append(servers, stranger(p.rng))
	}
	p.truth.Sources = len(servers)
	return func(g *Generator, _ int) {
		for _, s := range servers {
			f := flow{src: s, dst: lb.addr, srcPort: port, dstPort: g.clientPort(), protocol: udp, packets: 40 + int64(g.rng.IntN(80))}
			f.bytes = f.packets * 1400
			f.start, f.end = g.window()
			g.record(lb, &f)
		}
	}, nil
}

// planDormantFlood: visits at an interface that had no traffic at all.
func planDormantFlood(p *planning) (play, error) {
	e, err := p.need(idle)
	if err != nil {
		return nil, err
	}
	p.victim(e)
	perMinute := float64(p.size(3000)) / 5
	return func(g *Generator, _ int) {
		for range g.poisson(perMinute) {
			g.inbound(e, g.visit(stranger(g.rng), e.addr))
		}
	}, nil
}

// planSpoofedFlood: SYNs from as many sources as asked for, no two the same.
func planSpoofedFlood(p *planning) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	p.victim(lb)
	sources := p.size(100_000)
	if sources > forged {
		return nil, fmt.Errorf("%d sources: accepted are up to %d", sources, forged)
	}
	p.truth.Sources = sources
	first := p.rng.Uint32()
	return func(g *Generator, n int) {
		for i := n * sources / p.minutes; i < (n+1)*sources/p.minutes; i++ {
			g.lone(lb, forgedSource(first+uint32(i)), 443)
		}
	}, nil
}

// forged is how many sources forgedSource tells apart: eight networks /8.
const forged = 8 << 24

// forgedSource returns the i-th of the forged sources, which follow each other
// without order. An odd factor maps the numbers below a power of two onto
// themselves, so that none comes twice before all have come.
func forgedSource(i uint32) netip.Addr {
	i = i * 2654435761 % forged
	networks := [...]byte{24, 45, 61, 77, 93, 109, 186, 201}
	return netip.AddrFrom4([4]byte{networks[i>>24], byte(i >> 16), byte(i >> 8), byte(i)})
}
