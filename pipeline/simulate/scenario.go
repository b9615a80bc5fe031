package simulate

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// Kind names a scenario.
type Kind string

// The scenarios.
const (
	// VerticalScan: an internal host tries 120 ports of one other host.
	VerticalScan Kind = "vertical-scan"
	// HostSweep: an internal host tries one port of 60 addresses.
	HostSweep Kind = "host-sweep"
	// ExternalScan: a host on the Internet tries 150 ports of two public hosts.
	ExternalScan Kind = "external-scan"
	// IngressSpike: a web service gets many times its normal connections.
	IngressSpike Kind = "ingress-spike"
)

// Scenario is something that happens in a VPC at a time.
type Scenario struct {
	Kind   Kind
	At     time.Duration // after Config.Start, in whole minutes
	For    time.Duration // how long, in whole minutes; 0 is the kind's own default
	VPC    int           // which one, from 0
	Factor float64       // of IngressSpike: how many times the normal traffic, 15 by default
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
	ExpectMetric  = "metric"
	ExpectNone    = "none"
)

// Truth is what really happens in one scenario.
type Truth struct {
	Scenario Kind      `json:"scenario"`
	Rule     string    `json:"rule"` // that is expected to find it
	Account  string    `json:"account"`
	VPC      string    `json:"vpc"`
	Key      string    `json:"key"` // the source's address, or the interface under attack
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`      // of the last minute that it is seen in
	Expect   string    `json:"expect"`   // with the fields that the format has
	Severity string    `json:"severity"` // at least, as detectors write it
	// Of a scan: distinct (address, port, protocol), and what became of them.
	Targets  int `json:"targets,omitempty"`
	Failed   int `json:"failed,omitempty"`
	Answered int `json:"answered,omitempty"`
}

// Truth returns what happens, in the order of Config.Scenarios.
func (g *Generator) Truth() []Truth { return slices.Clone(g.truth) }

// kinds says how long each scenario lasts and how it is made. The function
// fills the truth and returns what one minute of it does.
var kinds = map[Kind]struct {
	lasts time.Duration
	make  func(*planning) (play, error)
}{
	VerticalScan: {4 * time.Minute, planVerticalScan},
	HostSweep:    {3 * time.Minute, planHostSweep},
	ExternalScan: {4 * time.Minute, planExternalScan},
	IngressSpike: {12 * time.Minute, planIngressSpike},
}

// planning is what a scenario is made from.
type planning struct {
	Scenario
	vpc     *vpc
	format  Format
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
	kind, ok := kinds[s.Kind]
	if !ok {
		return fmt.Errorf("simulate: scenario %q: accepted are %v", s.Kind, slices.Sorted(maps.Keys(kinds)))
	}
	set(&s.For, kind.lasts)
	minutes := int(s.For / time.Minute)
	switch {
	case s.VPC < 0 || s.VPC >= len(g.vpcs):
		return fmt.Errorf("simulate: scenario %s: VPC %d, there are 0 to %d", s.Kind, s.VPC, len(g.vpcs)-1)
	case s.At < 0 || minutes < 1:
		return fmt.Errorf("simulate: scenario %s: at %v for %v, accepted are times from the start on, and at least a minute", s.Kind, s.At, s.For)
	}
	from := g.now + int64(s.At/time.Minute)*minute
	v := g.vpcs[s.VPC]
	truth := Truth{
		Scenario: s.Kind, Account: v.account, VPC: v.id, Expect: ExpectFinding,
		Start: time.Unix(from, 0).UTC(), End: time.Unix(from+int64(minutes)*minute, 0).UTC(),
	}
	rng := rand.New(rand.NewPCG(g.cfg.Seed, uint64(i)+1))
	play, err := kind.make(&planning{Scenario: s, vpc: v, format: g.cfg.Format, rng: rng, minutes: minutes, truth: &truth})
	if err != nil {
		return fmt.Errorf("simulate: scenario %s: %w", s.Kind, err)
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
	own := g.rng
	g.rng = a.rng
	a.play(g, n)
	g.rng = own
}

// need returns the VPC's first interface of a role.
func (p *planning) need(r role) (*eni, error) {
	for _, s := range p.vpc.sites {
		if e := s.first(r); e != nil {
			return e, nil
		}
	}
	return nil, fmt.Errorf("VPC %d has no interface of the kind it needs; a VPC of %d interfaces has all", p.vpc.number, len(roles))
}
