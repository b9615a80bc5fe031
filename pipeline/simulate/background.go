package simulate

import (
	"net/netip"
	"time"
)

// Rates of the background, in events a minute at level 1.
const (
	visitsPerMinute  = 24.0 // connections from clients at each load balancer
	visits6PerMinute = 3.0
	// both together, of which a flood makes many
	allVisitsPerMinute = visitsPerMinute + visits6PerMinute
	checksPerMinute    = 2 // health checks of each web server
	poolSize           = 3 // connections that stay open between two hosts
	lookups            = 1.2
	updates            = 1.0 // connections of each private host through the NAT gateway
)

// background makes the normal traffic of one site and minute.
func (g *Generator) background(s *site) {
	for _, e := range s.enis {
		g.blow(e)
	}
	for _, lb := range s.byRole[balancer] {
		g.visits(lb)
		for _, w := range s.byRole[web] {
			g.check(lb, w)
		}
	}
	for _, p := range s.pools {
		g.keep(p)
	}
	for _, e := range s.enis {
		g.hostTraffic(e)
		if e.public() {
			g.radiation(e)
		}
	}
	for _, b := range s.byRole[bastion] {
		g.administer(b)
	}
	g.copyOut(s)
}

// visits are clients of the web service.
func (g *Generator) visits(lb *eni) {
	regulars := lb.vpc.clients
	for range g.poisson(visitsPerMinute * lb.level) {
		client := stranger(g.rng)
		if g.rng.IntN(3) > 0 {
			client = regulars[g.rng.IntN(len(regulars))]
		}
		g.inbound(lb, g.visit(client, lb.addr))
	}
	for range g.poisson(visits6PerMinute * lb.level) {
		g.inbound(lb, g.visit(stranger6(g.rng), lb.addr6))
	}
}

func (g *Generator) visit(client, server netip.Addr) *exchange {
	g.scratch = exchange{
		client: client, server: server, clientPort: g.clientPort(), serverPort: 443, protocol: tcp,
		sent: g.size(1500), received: g.size(18_000),
	}
	return &g.scratch
}

// check is the load balancer's look at one web server.
func (g *Generator) check(lb, w *eni) {
	for range checksPerMinute {
		g.internal(lb, w, &exchange{clientPort: g.port(lb), serverPort: 8080, protocol: tcp, sent: 180, received: 240})
	}
}

// hostTraffic is what a host does by itself: looking up names and fetching
// updates.
func (g *Generator) hostTraffic(e *eni) {
	switch e.role {
	case web, worker, database, bastion:
	default:
		return
	}
	if r := e.site.first(resolver); r != nil {
		for range g.poisson(lookups * e.level) {
			g.internal(e, r, &exchange{clientPort: g.port(e), serverPort: 53, protocol: udp, sent: 60, received: 140})
		}
	}
	if e.role == bastion {
		return
	}
	gateway := e.site.first(nat)
	for range g.poisson(updates * e.level) {
		g.fetch(e, gateway)
	}
}

// fetch is a private host's own connection to the Internet.
func (g *Generator) fetch(e, gateway *eni) {
	x := exchange{clientPort: g.port(e), serverPort: 443, protocol: tcp, sent: g.size(2500), received: g.size(40_000)}
	switch n := g.rng.IntN(10); {
	case n < 5:
		x.server = netip.AddrFrom4([4]byte{52, 219, byte(170 + n), byte(1 + g.rng.IntN(200))})
		g.outbound(e, gateway, &x, "S3")
	case n < 9:
		x.server = g.servers[g.rng.IntN(len(g.servers))]
		g.outbound(e, gateway, &x, "")
	default: // the time
		x.server = g.servers[g.rng.IntN(8)]
		x.serverPort, x.protocol, x.sent, x.received = 123, udp, 48, 48
		g.outbound(e, gateway, &x, "")
	}
}

// administer is an SSH session to the bastion, open for the first twenty
// minutes of each hour of the working day.
func (g *Generator) administer(b *eni) {
	at := time.Unix(g.now, 0).UTC()
	if at.Hour() < 7 || at.Hour() > 17 || at.Minute() >= 20 {
		return
	}
	x := exchange{
		client: b.vpc.clients[0], server: b.addr, clientPort: uint16(50_000 + at.Hour()), serverPort: 22, protocol: tcp,
		phase: middle, sent: g.size(4000), received: g.size(9000),
	}
	switch at.Minute() {
	case 0:
		x.phase = opened
	case 19:
		x.phase = closed
	}
	g.inbound(b, &x)
}

// pool is a connection between two hosts that stays open for some minutes and
// is then opened anew.
type pool struct {
	client, server *eni
	serverPort     uint16
	clientPort     uint16
	age, life      int // minutes
}

// connect makes the pools of a site: from the load balancer to each web server,
// from those to the database and the cache.
func (g *Generator) connect(s *site) {
	add := func(client, server *eni, port uint16) {
		if server == nil {
			return
		}
		for range poolSize {
			life := 5 + g.rng.IntN(25)
			s.pools = append(s.pools, &pool{client: client, server: server, serverPort: port,
				clientPort: g.port(client), age: g.rng.IntN(life), life: life})
		}
	}
	for _, w := range s.byRole[web] {
		for _, lb := range s.byRole[balancer] {
			add(lb, w, 8080)
		}
		add(w, s.first(database), 5432)
		add(w, s.first(resolver), 6379)
	}
}

func (g *Generator) keep(p *pool) {
	x := exchange{clientPort: p.clientPort, serverPort: p.serverPort, protocol: tcp, phase: middle}
	x.sent = int64(float64(g.volume(30_000)) * p.server.level)
	x.received = int64(float64(g.volume(60_000)) * p.server.level)
	p.age++
	switch {
	case p.age == 1:
		x.phase = opened
	case p.age >= p.life:
		x.phase = closed
	}
	g.internal(p.client, p.server, &x)
	if p.age >= p.life {
		p.age, p.life = 0, 5+g.rng.IntN(25)
		p.clientPort = g.port(p.client)
	}
}
