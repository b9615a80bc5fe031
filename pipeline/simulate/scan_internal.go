package simulate

import (
	"fmt"
	"net/netip"
)

// mostOpen is the share of open ports that scans from inside meet at most.
const mostOpen = 0.12

// attacker returns the host that a scan from inside comes from.
func (p *planning) attacker() (*eni, error) {
	return p.need([...]role{worker, web, bastion}[p.rng.IntN(3)])
}

// other returns some interface of the VPC that is not this one.
func (p *planning) other(than *eni) (*eni, error) {
	n := len(p.vpc.enis)
	for i, first := 0, p.rng.IntN(n); i < n; i++ {
		if e := p.vpc.enis[(first+i)%n]; e != than {
			return e, nil
		}
	}
	return nil, fmt.Errorf("VPC %d has no second interface", p.vpc.number)
}

// planVerticalScan: a host tries, by default, 120 ports of another one.
func planVerticalScan(p *planning) (play, error) {
	from, err := p.attacker()
	if err != nil {
		return nil, err
	}
	target, err := p.other(from)
	if err != nil {
		return nil, err
	}
	n := p.size(120)
	outcomes := p.outcomes(n, mostOpen)
	tries := make([]try, n)
	for i, port := range p.ports(n) {
		tries[i] = try{addr: target.address(p.six()), eni: target, port: port, outcome: outcomes[i]}
	}
	return p.planScan(from, from.address(p.six()), tries), nil
}

// planHostSweep: a host tries one port of, by default, 60 addresses of its
// subnet, most of which are nobody's.
func planHostSweep(p *planning) (play, error) {
	ports := [...]uint16{21, 23, 139, 445, 1433, 3389, 5900, 5985, 9200}
	return p.sweep(ports[p.rng.IntN(len(ports))], false)
}

// planUDPSweep: the same with a UDP service, where silence is no failure that
// one could tell from a success.
func planUDPSweep(p *planning) (play, error) { return p.sweep(161, true) }

func (p *planning) sweep(port uint16, udp bool) (play, error) {
	from, err := p.need([...]role{bastion, worker}[p.rng.IntN(2)])
	if err != nil {
		return nil, err
	}
	n := p.size(60)
	outcomes := p.outcomes(n, mostOpen)
	tries := make([]try, 0, n)
	for a := from.network(p.six()); len(tries) < n; a = a.Next() {
		if a == from.address(p.six()) {
			continue
		}
		t := try{addr: a, eni: p.vpc.at[a], port: port, udp: udp, outcome: dropped}
		if t.eni != nil && !udp {
			t.outcome = outcomes[len(tries)]
		}
		tries = append(tries, t)
	}
	if p.rng.IntN(2) == 0 {
		p.rng.Shuffle(n, func(i, j int) { tries[i], tries[j] = tries[j], tries[i] })
	}
	return p.planScan(from, from.address(p.six()), tries), nil
}

// network returns the first address of the interface's subnet that a host may
// have, behind those that AWS keeps.
func (e *eni) network(six bool) netip.Addr {
	if six {
		b := e.addr6.As16()
		b[14], b[15] = 0, 4
		return netip.AddrFrom16(b)
	}
	b := e.addr.As4()
	b[2] -= b[2] % zoneSize
	b[3] = 4
	return netip.AddrFrom4(b)
}

// planBlockScan: a host tries three to eight ports of several hosts, by default
// 40 targets.
func planBlockScan(p *planning) (play, error) {
	from, err := p.attacker()
	if err != nil {
		return nil, err
	}
	n := p.size(40)
	ports := p.ports(max(3+p.rng.IntN(6), n/max(1, len(p.vpc.enis)-1)+1))
	outcomes := p.outcomes(n, mostOpen)
	var tries []try
	for _, i := range p.rng.Perm(len(p.vpc.enis)) {
		e := p.vpc.enis[i]
		for j := 0; e != from && j < len(ports) && len(tries) < n; j++ {
			tries = append(tries, try{addr: e.address(p.six()), eni: e, port: ports[j], outcome: outcomes[len(tries)]})
		}
	}
	if len(tries) < n {
		return nil, fmt.Errorf("VPC %d has too few interfaces for %d targets", p.vpc.number, n)
	}
	return p.planScan(from, from.address(p.six()), tries), nil
}

// planSlowScan: a host tries two targets an hour, or as many as asked for in its
// time.
func planSlowScan(p *planning) (play, error) {
	from, err := p.attacker()
	if err != nil {
		return nil, err
	}
	n := p.size(max(2, p.minutes/30))
	outcomes := p.outcomes(n, mostOpen)
	tries := make([]try, n)
	for i, port := range p.ports(n) {
		e, err := p.other(from)
		if err != nil {
			return nil, err
		}
		tries[i] = try{addr: e.address(p.six()), eni: e, port: port, outcome: outcomes[i]}
	}
	return p.planScan(from, from.address(p.six()), tries), nil
}

// planScanSuccess: a vertical scan in the first half of the time, one port of
// which is open, and in the second half sessions of some kilobytes with it.
func planScanSuccess(p *planning) (play, error) {
	from, err := p.attacker()
	if err != nil {
		return nil, err
	}
	target, err := p.other(from)
	if err != nil {
		return nil, err
	}
	n := p.size(25)
	outcomes := p.outcomes(n, 0)
	outcomes[n/2] = answered
	tries := make([]try, n)
	for i, port := range p.ports(n) {
		tries[i] = try{addr: target.address(p.six()), eni: target, port: port, outcome: outcomes[i]}
	}
	open := tries[n/2].port
	minutes := p.minutes
	p.minutes = max(1, minutes/2)
	scan := p.planScan(from, from.address(p.six()), tries)
	six := p.six()
	return func(g *Generator, i int) {
		scan(g, i)
		if i > minutes/2 || minutes == 1 {
			g.between(from, target, six, &exchange{clientPort: g.port(from), serverPort: open, protocol: tcp, sent: g.size(3000), received: g.size(20_000)})
		}
	}, nil
}
