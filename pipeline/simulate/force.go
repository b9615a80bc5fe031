package simulate

import "net/netip"

// planBruteForce: one source logs in to the bastion again and again, by default 80
// times in five minutes, each time from a fresh port, with a try or a few per
// connection.
func planBruteForce(port uint16) func(*planning) (play, error) {
	return func(p *planning) (play, error) {
		target, err := p.need(bastion)
		if err != nil {
			return nil, err
		}
		source := stranger(p.rng)
		p.truth.Key, p.truth.Keys = source.String(), []string{target.id}
		perMinute := p.connections(float64(p.size(80)) / 5)
		return func(g *Generator, n int) {
			for range perMinute[n] {
				g.inbound(target, g.login(source, target.addr, port))
			}
		}, nil
	}
}

// connections draws how many there are in each minute, and counts them into the
// truth.
func (p *planning) connections(mean float64) []int {
	perMinute := make([]int, p.minutes)
	for i := range perMinute {
		perMinute[i] = poisson(p.rng, mean)
		p.truth.Answered += perMinute[i]
	}
	return perMinute
}

// planInternalForce: the same by a worker, on a web server.
func planInternalForce(p *planning) (play, error) {
	from, err := p.need(worker)
	if err != nil {
		return nil, err
	}
	target, err := p.need(web)
	if err != nil {
		return nil, err
	}
	p.truth.Key, p.truth.Keys = from.addr.String(), []string{target.id}
	perMinute := p.connections(float64(p.size(80)) / 5)
	return func(g *Generator, n int) {
		for range perMinute[n] {
			x := g.login(from.addr, target.addr, 22)
			x.clientPort = g.port(from)
			g.internal(from, target, x)
		}
	}, nil
}

// login is a connection in which one to six passwords are tried.
func (g *Generator) login(client, server netip.Addr, port uint16) *exchange {
	tries := int64(1 + g.rng.IntN(6))
	g.scratch = exchange{
		client: client, server: server, clientPort: g.clientPort(), serverPort: port, protocol: tcp,
		sent: 1100 + 150*tries, received: 1500 + 90*tries,
	}
	return &g.scratch
}
