package simulate

import (
	"fmt"
	"net/netip"
	"slices"
)

// allowedScanner is the scanner that Allowed lists.
var allowedScanner = netip.AddrFrom4([4]byte{192, 0, 2, 77})

// outsider returns an address of the Internet.
func (p *planning) outsider() netip.Addr {
	if p.six() {
		return stranger6(p.rng)
	}
	return stranger(p.rng)
}

// planExternalScan: a host on the Internet tries, by default, 300 targets at one
// to four public hosts.
func planExternalScan(p *planning) (play, error) {
	return p.scanFromOutside(p.outsider(), p.size(300))
}

// planAllowedScanner: a scan from an address that the configuration allows.
func planAllowedScanner(p *planning) (play, error) {
	return p.scanFromOutside(allowedScanner, p.size(400))
}

func (p *planning) scanFromOutside(source netip.Addr, n int) (play, error) {
	tries, err := p.outside(n, nil)
	if err != nil {
		return nil, err
	}
	return p.planScan(nil, source, tries), nil
}

// outside returns the targets of a scan of public hosts, this one among them.
func (p *planning) outside(n int, one *eni) ([]try, error) {
	public := p.vpc.public()
	if len(public) == 0 {
		return nil, fmt.Errorf("VPC %d has no public interface", p.vpc.number)
	}
	hosts := 1 + p.rng.IntN(min(4, len(public)))
	first := p.rng.IntN(len(public))
	if i := slices.Index(public, one); i >= 0 {
		first = i
	}
	ports := p.ports((n + hosts - 1) / hosts)
	tries := make([]try, n)
	for i := range tries {
		e := public[(first+i%hosts)%len(public)]
		tries[i] = try{addr: e.address(p.six()), eni: e, port: ports[i/hosts], outcome: rejected}
		if p.rng.IntN(100) == 0 {
			tries[i].outcome = answered
		}
	}
	return tries, nil
}

// public returns the interfaces with a public address and security groups that
// reject.
func (v *vpc) public() (all []*eni) {
	for _, e := range v.enis {
		if e.role == balancer || e.role == bastion {
			all = append(all, e)
		}
	}
	return all
}

// planExternalSuccess: a scan from outside in the first half of the time, and in
// the second sessions on port 22 of the bastion, which it scanned too.
func planExternalSuccess(p *planning) (play, error) {
	target, err := p.need(bastion)
	if err != nil {
		return nil, err
	}
	tries, err := p.outside(p.size(300), target)
	if err != nil {
		return nil, err
	}
	source := p.outsider()
	tries = append(tries, try{addr: target.address(p.six()), eni: target, port: 22, outcome: answered})
	minutes := p.minutes
	p.minutes = max(1, minutes/2)
	scan := p.planScan(nil, source, tries)
	return func(g *Generator, i int) {
		scan(g, i)
		if i > minutes/2 || minutes == 1 {
			x := &exchange{client: source, server: target.addr, clientPort: g.clientPort(), serverPort: 22, protocol: tcp, sent: g.size(5000), received: g.size(30_000)}
			g.inbound(target, x)
		}
	}, nil
}

// planDistributedScan: sources, by default 120, of which each tries one to four
// ports of the bastion that no other tries.
func planDistributedScan(p *planning) (play, error) {
	target, err := p.need(bastion)
	if err != nil {
		return nil, err
	}
	sources := p.size(120)
	ports := p.ports(min(4*sources, 60_000))
	var tries []try
	var from []netip.Addr
	for range sources {
		source := p.outsider()
		for range 1 + p.rng.IntN(4) {
			if len(tries) < len(ports) {
				tries = append(tries, try{addr: target.address(p.six()), eni: target, port: ports[len(tries)], outcome: rejected})
				from = append(from, source)
			}
		}
	}
	p.victim(target)
	p.truth.Keys = []string{target.address(p.six()).String()}
	p.count(tries)
	p.truth.Sources = sources
	minutes := p.pace(len(tries))
	next := 0
	return func(g *Generator, n int) {
		for ; next < len(tries) && minutes[next] <= n; next++ {
			g.try(nil, from[next], &tries[next])
		}
	}, nil
}

// planInternetSweep: one source tries one port of every public address of the
// VPC.
func planInternetSweep(p *planning) (play, error) {
	ports := [...]uint16{23, 445, 3389, 5900, 6379, 8080, 8443}
	port := ports[p.rng.IntN(len(ports))]
	var tries []try
	for _, e := range p.vpc.public() {
		tries = append(tries, try{addr: e.addr, eni: e, port: port, outcome: rejected})
	}
	if len(tries) == 0 {
		return nil, fmt.Errorf("VPC %d has no public interface", p.vpc.number)
	}
	return p.planScan(nil, stranger(p.rng), tries), nil
}
