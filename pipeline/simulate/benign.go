package simulate

import (
	"net/netip"
	"time"
)

// planRadiation adds nothing: it says that what a load balancer gets from
// scanners of the whole Internet in this time is no finding.
func planRadiation(p *planning) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	p.truth.Key = lb.id
	return func(*Generator, int) {}, nil
}

// planGateway: the hosts behind a NAT gateway fetch as much again as they do
// anyway. To the gateway's address come answers of many servers, at many ports.
func planGateway(p *planning) (play, error) {
	gateway, err := p.need(nat)
	if err != nil {
		return nil, err
	}
	p.truth.Key = gateway.id
	return func(g *Generator, _ int) {
		for _, e := range gateway.site.enis {
			if e.role != web && e.role != worker && e.role != database {
				continue
			}
			for range g.poisson(updates * e.smooth) {
				g.fetch(e, gateway)
			}
		}
	}, nil
}

// planReplies: one client, the address of an office say, opens as many
// connections to a load balancer as all others together.
func planReplies(p *planning) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	office := stranger(p.rng)
	p.truth.Key, p.truth.Keys = lb.addr.String(), []string{lb.id, office.String()}
	return func(g *Generator, _ int) {
		for range g.poisson(min(60, g.visitRate(lb))) {
			g.inbound(lb, g.visit(office, lb.addr))
		}
	}, nil
}

// planDeadTarget: every ten seconds a load balancer tries a web server that is
// dead, on a fresh port.
func planDeadTarget(p *planning) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	target, err := p.need(web)
	if err != nil {
		return nil, err
	}
	p.truth.Key = lb.addr.String()
	dead := try{addr: target.addr, port: 8081, outcome: dropped}
	return func(g *Generator, _ int) {
		for range 6 {
			g.try(lb, lb.addr, &dead)
		}
	}, nil
}

// planSSHChecks: every six seconds a load balancer opens a connection to port 22
// of a host that is alive, and closes it.
func planSSHChecks(p *planning) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	target, err := p.need(bastion)
	if err != nil {
		return nil, err
	}
	p.truth.Key, p.truth.Keys = lb.addr.String(), []string{target.id}
	return func(g *Generator, _ int) {
		for range 10 {
			g.internal(lb, target, &exchange{clientPort: g.port(lb), serverPort: 22, protocol: tcp, sent: 0, received: 21})
		}
	}, nil
}

// planCrawler: one source reads pages of every load balancer.
func planCrawler(p *planning) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	source := stranger(p.rng)
	p.truth.Key, p.truth.Keys = source.String(), []string{lb.id}
	return func(g *Generator, _ int) {
		for _, s := range p.vpc.sites {
			for _, b := range s.byRole[balancer] {
				for range g.poisson(min(4, 0.3*g.visitRate(b))) {
					g.inbound(b, g.visit(source, b.addr))
				}
			}
		}
	}, nil
}

// planFlashCrowd: visitors come in ten minutes, stay for an hour and leave.
func planFlashCrowd(p *planning) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	p.truth.Key, p.truth.Bursty = lb.id, lb.rhythm.bursty
	factor := p.factor(4)
	visits := p.visits(lb, func(n int) float64 {
		return (factor - 1) * min(1, float64(n+1)/10, float64(p.minutes-n)/20)
	})
	return func(g *Generator, n int) { g.flood(lb, visits[n], 1) }, nil
}

// planNightlyJob: from two o'clock on the worker copies some gigabytes to the
// database host.
func planNightlyJob(p *planning) (play, error) {
	from, err := p.need(worker)
	if err != nil {
		return nil, err
	}
	to, err := p.need(database)
	if err != nil {
		return nil, err
	}
	p.truth.Key = to.id
	port := p.port()
	begins := 120 + p.rng.IntN(20)
	return func(g *Generator, _ int) {
		at := time.Unix(g.now, 0).UTC()
		if n := at.Hour()*60 + at.Minute() - begins; n >= 0 && n < 25 {
			g.internal(from, to, &exchange{clientPort: port, serverPort: 873, protocol: tcp, phase: middle, sent: g.volume(80 << 20), received: 20_000})
		}
	}, nil
}

// planLevelShift: a deployment brings 2.5 times the traffic for good.
func planLevelShift(p *planning) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	p.truth.Key, p.truth.Bursty = lb.id, lb.rhythm.bursty
	visits := p.visits(lb, evenly(p.factor(2.5)))
	return func(g *Generator, n int) { g.flood(lb, visits[n], 1) }, nil
}

// planDiscovery: a worker asks each of its peers every minute; six of them are
// dead.
func planDiscovery(p *planning) (play, error) {
	from, err := p.need(worker)
	if err != nil {
		return nil, err
	}
	p.truth.Key = from.addr.String()
	var alive []*eni
	var dead []try
	for i, e := range p.vpc.enis {
		switch {
		case e == from || e.role == balancer || e.role == nat:
		case len(dead) < 6 && i%3 == 0:
			dead = append(dead, try{addr: e.addr, eni: e, port: 7946, outcome: [...]outcome{dropped, refused}[len(dead)%2]})
		case len(alive) < 24:
			alive = append(alive, e)
		}
	}
	return func(g *Generator, _ int) {
		for i := range dead {
			g.try(from, from.addr, &dead[i])
		}
		for _, e := range alive {
			g.internal(from, e, &exchange{clientPort: g.port(from), serverPort: 7946, protocol: tcp, sent: 300, received: 300})
		}
	}, nil
}

// planLostServer: every host calls, twice a minute, a server that died.
func planLostServer(p *planning) (play, error) {
	gone := netip.AddrFrom4([4]byte{10, byte(p.vpc.number), 254, byte(1 + p.rng.IntN(250))})
	p.truth.Key = gone.String()
	dead := try{addr: gone, port: 4505, outcome: dropped}
	return func(g *Generator, _ int) {
		for _, e := range p.vpc.enis {
			if e.role == web || e.role == worker || e.role == database {
				g.try(e, e.addr, &dead)
				g.try(e, e.addr, &dead)
			}
		}
	}, nil
}

// planDownload: a worker fetches gigabytes from a service on the Internet.
func planDownload(p *planning) (play, error) {
	e, err := p.need(worker)
	if err != nil {
		return nil, err
	}
	p.truth.Key = e.id
	gateway := e.site.first(nat)
	port := p.port()
	return func(g *Generator, _ int) {
		x := exchange{clientPort: port, serverPort: 443, protocol: tcp, phase: middle, sent: 200_000, received: g.volume(300 << 20)}
		x.server = netip.AddrFrom4([4]byte{52, 219, 171, 9})
		g.outbound(e, gateway, &x, "S3")
	}, nil
}

// planDormantWakes: an interface without traffic gets a few visits.
func planDormantWakes(p *planning) (play, error) {
	e, err := p.need(idle)
	if err != nil {
		return nil, err
	}
	p.truth.Key = e.id
	return func(g *Generator, _ int) {
		for range g.poisson(3) {
			g.inbound(e, g.visit(stranger(g.rng), e.addr))
		}
	}, nil
}

// planOutage: what is delivered in its time comes at its end.
func planOutage(p *planning) (play, error) {
	p.truth.Key = p.vpc.id
	p.vpc.outages = append(p.vpc.outages, span{p.from, p.from + int64(p.minutes)*minute})
	return func(*Generator, int) {}, nil
}

// planLateBurst: what is logged in its time is delivered 50 minutes later.
func planLateBurst(p *planning) (play, error) {
	p.truth.Key = p.vpc.id
	p.vpc.late = append(p.vpc.late, span{p.from, p.from + int64(p.minutes)*minute})
	return func(*Generator, int) {}, nil
}

// span is a stretch of time in Unix seconds, [from, to).
type span struct{ from, to int64 }

func (s span) has(at int64) bool { return s.from <= at && at < s.to }
