package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Kind names a scenario.
type Kind string

// Scenario is something that happens in a VPC at a time.
type Scenario struct {
	Kind   Kind
	At     time.Duration // after Config.Start, in whole minutes
	For    time.Duration // how long, in whole minutes; 0 is the kind's own default
	VPC    int           // which one, from 0
	Site   int           // which group of ten interfaces of the VPC, from 0
	Factor float64       // of floods: how many times the normal traffic; 0 is the kind's own
	Size   int           // of scans: targets; of what has many sources: sources; 0 is the kind's own
}

// Demo returns one scenario of each kind, at times that leave each rule what it
// has to learn before: the spike comes in the second hour.
func Demo() []Scenario {
	return []Scenario{
		{Kind: VerticalScan, At: 25 * time.Minute},
		{Kind: HostSweep, At: 40 * time.Minute, VPC: 1},
		{Kind: ExternalScan, At: 55 * time.Minute},
		{Kind: IngressSpike, At: 80 * time.Minute, VPC: 1},
	}
}

// What a scenario is expected to lead to.
const (
	ExpectFinding = "finding"
	ExpectMetric  = "metric" // counted and shown, no finding above Info
	ExpectNone    = "none"
)

// Truth is what really happens in one scenario.
type Truth struct {
	Scenario Kind     `json:"scenario"`
	Rule     string   `json:"rule,omitempty"` // that is expected to find it
	Also     []string `json:"also,omitempty"` // rules that rightly say something of it too
	Account  string   `json:"account"`
	VPC      string   `json:"vpc"`
	Key      string   `json:"key"`            // the source's address, or the interface under attack
	Keys     []string `json:"keys,omitempty"` // others that a finding may rightly be about
	// Start and End are the time that it is seen in: End is of its last minute.
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Expect   string    `json:"expect"`             // with the fields that the format has
	Severity string    `json:"severity,omitempty"` // at least, as detectors write it
	Factor   float64   `json:"factor,omitempty"`
	// Normal is how many visits an interface under attack would get in five minutes
	// of that time without it, on average, and Brings how many a flood of so many
	// times that brings in its largest pane of five minutes.
	Normal float64 `json:"normal,omitempty"`
	Brings int     `json:"brings,omitempty"`
	Bursty bool    `json:"bursty,omitempty"` // of the interface under attack
	// Of a scan: distinct (address, port, protocol), and what became of them; of a
	// brute force, connections that were answered.
	Targets  int `json:"targets,omitempty"`
	Failed   int `json:"failed,omitempty"`
	Answered int `json:"answered,omitempty"`
	// Sources is how many addresses it comes from, when that is not one.
	Sources int `json:"sources,omitempty"`
}

// Truth returns what happens, in the order of Config.Scenarios.
func (g *Generator) Truth() []Truth { return slices.Clone(g.truth) }

// planning is what a scenario is made from.
type planning struct {
	Scenario
	kind    *KindInfo
	cfg     *Config
	vpc     *vpc
	begins  int64      // Unix seconds of the simulation's first minute
	from    int64      // Unix seconds of the scenario's first minute
	rng     *rand.Rand // of the scenario's own: it does not disturb the background
	minutes int
	truth   *Truth
}

// play makes the records of the n-th minute of a scenario.
type play func(g *Generator, n int)

// attack is a scenario with its time.
type attack struct {
	from    int64
	minutes int
	play    play
	rng     *rand.Rand
}

func (g *Generator) prepare(i int, s Scenario) error {
	kind := kindOf(s.Kind)
	if kind == nil {
		return fmt.Errorf("simulate: scenario %q: accepted are %v", s.Kind, names())
	}
	set(&s.For, kind.Lasts)
	minutes := int(s.For / time.Minute)
	switch {
	case s.VPC < 0 || s.VPC >= len(g.vpcs):
		return fmt.Errorf("simulate: scenario %s: VPC %d, there are 0 to %d", s.Kind, s.VPC, len(g.vpcs)-1)
	case s.Site < 0 || s.Site >= len(g.vpcs[s.VPC].sites):
		return fmt.Errorf("simulate: scenario %s: site %d of VPC %d, there are 0 to %d", s.Kind, s.Site, s.VPC, len(g.vpcs[s.VPC].sites)-1)
	case s.At < 0 || minutes < 1:
		return fmt.Errorf("simulate: scenario %s: at %v for %v, accepted are times from the start on, and at least a minute", s.Kind, s.At, s.For)
	}
	from := g.now + int64(s.At/time.Minute)*minute
	v := g.vpcs[s.VPC]
	truth := Truth{
		Scenario: s.Kind, Account: v.account, VPC: v.id, Expect: kind.Expect, Rule: kind.Rule, Also: kind.also, Severity: kind.Severity,
		Start: time.Unix(from, 0).UTC(), End: time.Unix(from+int64(minutes)*minute, 0).UTC(),
	}
	rng := rand.New(rand.NewPCG(g.cfg.Seed, uint64(i)+1))
	play, err := kind.plan(&planning{Scenario: s, kind: kind, cfg: &g.cfg, vpc: v, rng: rng, begins: g.now, from: from, minutes: minutes, truth: &truth})
	if err != nil {
		return fmt.Errorf("simulate: scenario %s: %w", s.Kind, err)
	}
	truth.Factor = s.Factor
	if kind.factor > 0 && truth.Factor == 0 {
		truth.Factor = kind.factor
	}
	g.truth = append(g.truth, truth)
	g.attacks = append(g.attacks, &attack{from, minutes, play, rng})
	return nil
}

// run makes the attack's part of the current minute. What it draws comes from
// its own source of chance.
func (a *attack) run(g *Generator) {
	n := int((g.now - a.from) / minute)
	if g.now < a.from || n >= a.minutes {
		return
	}
	g.by(a.rng, func() { a.play(g, n) })
}

// need returns the interface of a role in the scenario's site, or in another
// one where it has none.
func (p *planning) need(r role) (*eni, error) {
	sites := p.vpc.sites
	for i := range sites {
		if e := sites[(p.Site+i)%len(sites)].first(r); e != nil {
			return e, nil
		}
	}
	return nil, fmt.Errorf("VPC %d has no interface of the kind it needs; a VPC of %d interfaces has all", p.vpc.number, len(roles))
}

// six reports whether the scenario is the IPv6 one of its kind.
func (p *planning) six() bool { return p.kind.six }

// size returns how many targets or sources there are, by default n.
func (p *planning) size(n int) int {
	if p.Size > 0 {
		return p.Size
	}
	return n
}

// factor returns by how much the traffic is multiplied, by default f.
func (p *planning) factor(f float64) float64 {
	if p.Factor > 0 {
		return p.Factor
	}
	return f
}

// victim says which interface is under attack.
func (p *planning) victim(e *eni) {
	p.truth.Key, p.truth.Bursty = e.id, e.rhythm.bursty
	if e.role == balancer {
		normal := 0.0
		for _, level := range p.levels(e) {
			normal += 5 * allVisitsPerMinute * level / float64(p.minutes)
		}
		p.truth.Normal = math.Round(10*normal) / 10
	}
	if p.truth.Rule == "spike" && p.At < learning {
		p.truth.Severity = "low"
	}
}

// levels returns the level of an interface in each minute of the scenario, with
// its walk and without what a single minute or a burst does to it. The walk has a
// source of chance of its own, so that it can be known ahead.
func (p *planning) levels(e *eni) []float64 {
	all := make([]float64, p.minutes)
	walk := e.gust
	if p.cfg.Varied {
		walk.walks()
		for at := p.begins; at < p.from; at += minute {
			walk.step()
		}
	}
	for n := range all {
		all[n] = p.cfg.Level * smooth(e, p.from+int64(n)*minute)
		if p.cfg.Varied {
			all[n] *= walk.step()
		}
	}
	return all
}

// visits draws how many visits come to a load balancer in each minute beyond the
// normal ones: more times those, wherever its level has walked to.
func (p *planning) visits(lb *eni, more func(n int) float64) []int {
	each := p.levels(lb)
	drawn := make([]int, len(each))
	for n, level := range each {
		drawn[n] = poisson(p.rng, more(n)*allVisitsPerMinute*level)
	}
	return drawn
}

// evenly is a flood that makes factor times the traffic all of its time.
func evenly(factor float64) func(int) float64 {
	return func(int) float64 { return factor - 1 }
}

// The floors of the rule spike, in flows a pane: see docs/detection.md.
const (
	floodFloor = 60  // of each of two panes in a row
	aloneFloor = 240 // of one pane alone, and of Medium
)

// weigh says what is to be found of a flood that brings so many visits in each
// minute: where they are below the floors of its rule, however many times the
// normal ones they are, nobody is to be told.
func (p *planning) weigh(visits []int) {
	const pane = 5 * minute
	before, pair := 0, 0
	for n := 0; n < len(visits); {
		sum := 0
		for at := (p.from + int64(n)*minute) / pane; n < len(visits) && (p.from+int64(n)*minute)/pane == at; n++ {
			sum += visits[n]
		}
		p.truth.Brings = max(p.truth.Brings, sum)
		pair = max(pair, min(before, sum))
		before = sum
	}
	if p.truth.Brings >= aloneFloor {
		return
	}
	p.truth.Severity = "low"
	if pair < floodFloor {
		p.truth.Expect = ExpectMetric
	}
}

// port draws a port of a client's side.
func (p *planning) port() uint16 { return uint16(32768 + p.rng.IntN(28_000)) }
