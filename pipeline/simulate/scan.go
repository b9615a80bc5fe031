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
	outcome outcome
}

// planScan spreads tries evenly over the minutes, and counts them into the
// truth.
func (p *planning) planScan(from *eni, source netip.Addr, tries []try) play {
	p.truth.Key = source.String()
	p.truth.Targets = len(tries)
	if from != nil {
		p.truth.Keys = append(p.truth.Keys, from.id)
	}
	for _, t := range tries {
		if t.eni != nil && !slices.Contains(p.truth.Keys, t.eni.id) {
			p.truth.Keys = append(p.truth.Keys, t.eni.id)
		}
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
	if g.drawn(g.cfg.Misread) {
		opposite := answered
		if t.outcome == answered {
			opposite = rejected
		}
		t = &try{t.addr, t.eni, t.port, opposite}
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
func planVerticalScan(p *planning) (play, error) { return p.verticalScan(false) }

func planVerticalScan6(p *planning) (play, error) { return p.verticalScan(true) }

func (p *planning) verticalScan(six bool) (play, error) {
	from, err := p.need(worker)
	if err != nil {
		return nil, err
	}
	target, err := p.need(web)
	if err != nil {
		return nil, err
	}
	var tries []try
	for i, port := range p.ports(p.size(120)) {
		t := try{target.address(six), target, port, rejected}
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
	return p.planScan(from, from.address(six), tries), nil
}

// planHostSweep: the bastion tries port 3389 of the 60 first addresses of its
// zone. Most of them are nobody's; the hosts that exist reject it. A format
// without tcp-flags doesn't tell a lone SYN from a connection, so there it
// can't be found.
func planHostSweep(p *planning) (play, error) { return p.hostSweep(false) }

func planHostSweep6(p *planning) (play, error) { return p.hostSweep(true) }

func (p *planning) hostSweep(six bool) (play, error) {
	from, err := p.need(bastion)
	if err != nil {
		return nil, err
	}
	own := from.address(six)
	first := own.AsSlice()
	var tries []try
	for host := byte(5); len(tries) < min(200, p.size(60)); host++ {
		first[len(first)-1] = host
		if a, ok := netip.AddrFromSlice(first); ok && a != own {
			tries = append(tries, p.knock(a, 3389))
		}
	}
	if p.format == V2 {
		p.truth.Expect = ExpectNone
	}
	return p.planScan(from, own, tries), nil
}

// knock is a try of an address of the VPC: a host that exists rejects it, and
// where there is none nobody answers.
func (p *planning) knock(a netip.Addr, port uint16) try {
	t := try{addr: a, port: port, outcome: dropped}
	for _, e := range p.vpc.enis {
		if e.addr == a || e.addr6 == a {
			t.eni, t.outcome = e, rejected
		}
	}
	return t
}

// planBlockScan: a worker tries three or four ports of the hosts of its VPC, one
// of fifteen of which is open.
func planBlockScan(p *planning) (play, error) { return p.blockScan(false) }

func planBlockScan6(p *planning) (play, error) { return p.blockScan(true) }

func (p *planning) blockScan(six bool) (play, error) {
	from, err := p.need(worker)
	if err != nil {
		return nil, err
	}
	n := p.size(40)
	ports := p.ports(3 + p.rng.IntN(6))
	var tries []try
	for _, i := range p.rng.Perm(len(p.vpc.enis)) {
		e := p.vpc.enis[i]
		if e == from {
			continue
		}
		for _, port := range ports {
			if len(tries) < n {
				tries = append(tries, try{e.address(six), e, port, [...]outcome{rejected, rejected, dropped, refused}[p.rng.IntN(4)]})
			}
		}
	}
	for i := range tries {
		if i%15 == 7 {
			tries[i].outcome = answered
		}
	}
	return p.planScan(from, from.address(six), tries), nil
}

// planSlowScan: a worker tries two targets an hour.
func planSlowScan(p *planning) (play, error) { return p.slowScan(false) }

func planSlowScan6(p *planning) (play, error) { return p.slowScan(true) }

func (p *planning) slowScan(six bool) (play, error) {
	from, err := p.need(worker)
	if err != nil {
		return nil, err
	}
	n := p.size(p.minutes / 30)
	var tries []try
	for i, port := range p.ports(n) {
		e := p.vpc.enis[(i*7+p.rng.IntN(5))%len(p.vpc.enis)]
		if e == from {
			e = p.vpc.enis[0]
		}
		tries = append(tries, try{e.address(six), e, port, [...]outcome{rejected, dropped}[i%2]})
	}
	return p.planScan(from, from.address(six), tries), nil
}

// planScanSuccess: a vertical scan in the first minutes, and then a session of
// some kilobytes with the port that was open.
func planScanSuccess(p *planning) (play, error) {
	from, err := p.need(worker)
	if err != nil {
		return nil, err
	}
	target, err := p.need(web)
	if err != nil {
		return nil, err
	}
	var tries []try
	for _, port := range p.ports(p.size(24)) {
		tries = append(tries, try{target.addr, target, port, rejected})
	}
	port := p.ports(500)[499]
	minutes := p.minutes
	p.minutes = minutes / 2
	scan := p.planScan(from, from.addr, tries)
	return func(g *Generator, n int) {
		if n < minutes/2 {
			scan(g, n)
			return
		}
		if n > minutes/2 {
			x := &exchange{clientPort: from.port(), serverPort: port, protocol: tcp, sent: g.size(3000), received: g.size(20_000)}
			g.internal(from, target, x)
		}
	}, nil
}

// planExternalScan: an address of a documentation range tries 150 ports of the
// load balancer and of the bastion.
func planExternalScan(p *planning) (play, error) { return p.externalScan(false) }

func planExternalScan6(p *planning) (play, error) { return p.externalScan(true) }

func (p *planning) externalScan(six bool) (play, error) {
	source := netip.AddrFrom4([4]byte{198, 51, 100, byte(10 + p.rng.IntN(200))})
	if six {
		source = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: byte(10 + p.rng.IntN(200))})
	}
	return p.scanFromOutside(source, p.size(150), six)
}

func (p *planning) scanFromOutside(source netip.Addr, ports int, six bool) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	b, err := p.need(bastion)
	if err != nil {
		return nil, err
	}
	var tries []try
	for _, port := range p.ports(ports) {
		tries = append(tries, try{lb.address(six), lb, port, rejected}, try{b.address(six), b, port, rejected})
	}
	return p.planScan(nil, source, tries), nil
}

// planDistributedScan: sources of which each tries one to four ports of the
// bastion, all within the scenario's minutes.
func planDistributedScan(p *planning) (play, error) { return p.distributedScan(false) }

func planDistributedScan6(p *planning) (play, error) { return p.distributedScan(true) }

func (p *planning) distributedScan(six bool) (play, error) {
	target, err := p.need(bastion)
	if err != nil {
		return nil, err
	}
	sources := p.size(120)
	ports := p.ports(900)
	type knock struct {
		source netip.Addr
		try    try
	}
	var knocks []knock
	for range sources {
		source := stranger(p.rng)
		if six {
			source = stranger6(p.rng)
		}
		for range 1 + p.rng.IntN(4) {
			port := ports[len(knocks)%len(ports)]
			knocks = append(knocks, knock{source, try{target.address(six), target, port, rejected}})
		}
	}
	p.victim(target)
	p.truth.Keys = []string{target.address(six).String()}
	p.truth.Targets, p.truth.Failed = len(knocks), len(knocks)
	return func(g *Generator, n int) {
		for i := n * len(knocks) / p.minutes; i < (n+1)*len(knocks)/p.minutes; i++ {
			g.try(nil, knocks[i].source, &knocks[i].try)
		}
	}, nil
}

// planInternetSweep: one source tries one port of every public address.
func planInternetSweep(p *planning) (play, error) {
	ports := [...]uint16{22, 23, 445, 3389, 5900, 6379, 8080, 8443}
	port := ports[p.rng.IntN(len(ports))]
	var tries []try
	for _, e := range p.vpc.enis {
		if e.public() && !(e.role == bastion && port == 22) {
			tries = append(tries, try{e.addr, e, port, rejected})
		}
	}
	return p.planScan(nil, stranger(p.rng), tries), nil
}

// planAllowedScanner: a scan from an address that the configuration allows.
func planAllowedScanner(p *planning) (play, error) {
	return p.scanFromOutside(allowedScanner, p.size(200), false)
}

// allowedScanner is the scanner that Allowed lists.
var allowedScanner = netip.AddrFrom4([4]byte{192, 0, 2, 77})

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
