package simulate

import (
	"math/rand/v2"
	"net/netip"
	"time"
)

// Minute is the lines of one simulated minute, in the batches in which the
// interfaces' log streams deliver them.
type Minute struct {
	Start   time.Time
	Batches []Batch // by time of delivery, then by stream
}

// Batch is what one log stream delivers at once.
type Batch struct {
	At      time.Time // of delivery
	Account string
	VPC     string
	Stream  string // "eni-0123456789abcdef0-all"
	Lines   []Line
}

// Line is one log event.
type Line struct {
	Text  []byte // without a line end
	Start int64  // Unix seconds: the start of its window, which is the event's timestamp
}

// Counts is what has been generated so far.
type Counts struct {
	Lines     int64 // delivered or on their way: late, broken and repeated ones among them
	Malformed int64
	Late      int64
	// Lines that are never delivered, which Lines doesn't count, and that are
	// delivered a second time.
	Missing, Duplicates int64
}

// Generator makes one minute after another. It is not for concurrent use.
type Generator struct {
	cfg     Config
	rng     *rand.Rand
	vpcs    []*vpc
	servers []netip.Addr // on the Internet, that hosts talk to
	attacks []*attack
	truth   []Truth

	attacking   int   // ofBackground or ofAttacks: whose flows are being recorded
	now         int64 // start of the minute being made, Unix seconds
	probedTotal int
	counts      Counts
	held        []heldLine
	scratch     exchange
	minute      Minute
	lines       []Line
	transit     transit
	mail        *rand.Rand // of the delivery
	logging     *rand.Rand // of what goes wrong with lines
}

// New checks the configuration and lays out the networks.
func New(cfg Config) (*Generator, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	g := &Generator{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0))}
	g.mail, g.logging = rand.New(rand.NewPCG(cfg.Seed, 1<<42)), rand.New(rand.NewPCG(cfg.Seed, 1<<43))
	g.now = cfg.Start.Unix() - cfg.Start.Unix()%minute
	for _, p := range probed {
		g.probedTotal += p.weight
	}
	for range 60 {
		g.servers = append(g.servers, stranger(g.rng))
	}
	g.vpcs = networks(&cfg, g.rng)
	for _, v := range g.vpcs {
		for _, s := range v.sites {
			g.connect(s)
		}
	}
	for i, s := range cfg.Scenarios {
		if err := g.prepare(i, s); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// Format returns the field list of the lines.
func (g *Generator) Format() string { return string(g.cfg.Format) }

// Internal returns the address ranges of the simulated networks.
func (g *Generator) Internal() []netip.Prefix {
	var ranges []netip.Prefix
	for _, v := range g.vpcs {
		ranges = append(ranges,
			netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(v.number)}), 16),
			netip.PrefixFrom(netip.AddrFrom16([16]byte{0x2a, 0x05, 0xd0, 0x14, 0, byte(v.number)}), 48))
	}
	return ranges
}

// Streams returns the names of all log streams, in no meaningful order.
func (g *Generator) Streams() []string {
	var names []string
	for _, v := range g.vpcs {
		for _, e := range v.enis {
			names = append(names, e.stream)
		}
	}
	return names
}

// Counts returns what has been generated so far.
func (g *Generator) Counts() Counts { return g.counts }

// Next makes the next minute. The result, lines and all, is valid until the
// next call.
func (g *Generator) Next() *Minute {
	g.begin()
	for _, v := range g.vpcs {
		for _, s := range v.sites {
			g.background(s)
		}
	}
	g.flush(ofBackground)
	g.by(g.logging, g.hold)
	g.attacking = ofAttacks
	for _, a := range g.attacks {
		a.run(g)
	}
	g.attacking = ofBackground
	g.flush(ofAttacks)
	for _, v := range g.vpcs {
		g.by(g.logging, func() { g.statuses(v) })
		for _, e := range v.enis {
			g.deliver(e)
		}
	}
	g.arrive()
	g.now += minute
	return &g.minute
}

// by does something with a source of chance of its own, so that how often it
// draws changes nothing of the rest.
func (g *Generator) by(rng *rand.Rand, do func()) {
	own := g.rng
	g.rng = rng
	do()
	g.rng = own
}

// begin forgets what the last minute handed out.
func (g *Generator) begin() {
	for _, v := range g.vpcs {
		for _, e := range v.enis {
			e.out.reset()
		}
	}
	g.lines = g.lines[:0]
	g.minute.Start = time.Unix(g.now, 0).UTC()
	g.minute.Batches = g.minute.Batches[:0]
}

// statuses writes the lines that say that an interface had no traffic, or that
// some of it was left out. What it draws does not depend on the traffic.
func (g *Generator) statuses(v *vpc) {
	for _, e := range v.enis {
		start, end := g.window()
		skipped := g.rng.IntN(g.cfg.SkipData) == 0
		if seconds := int64(g.cfg.Interval.Seconds()); seconds > minute {
			if (g.now+minute)%seconds != 0 {
				continue
			}
			start -= seconds - minute
		}
		if e.out.len() == 0 {
			g.status(e, "NODATA", start, end)
		}
		if skipped {
			g.status(e, "SKIPDATA", start, end)
		}
	}
}
