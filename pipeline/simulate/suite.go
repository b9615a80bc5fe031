package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Suites are the names that Suite knows.
func Suites() []string { return []string{"background", "attacks", "floods", "benign", "all"} }

// course is what a suite plans of one kind. What has a least and a most is drawn
// in between, by shares: small as often as large.
type course struct {
	kind   Kind
	factor float64
	sizes  [2]int // 0 for the kind's own
	lasts  [2]int // minutes; 0 for the kind's own
	every  int    // in which rounds, of the longer ones; 0 for each
}

// The courses of the attacks. Sizes and lengths are drawn so that recall is not
// that of one shape: a scan has from a dozen targets to hundreds, within minutes
// or most of an hour.
var attackCourses = []course{
	{kind: VerticalScan, sizes: [2]int{14, 300}, lasts: [2]int{2, 40}},
	{kind: VerticalScan + "-v6", sizes: [2]int{14, 300}, lasts: [2]int{2, 40}, every: 2},
	{kind: HostSweep, sizes: [2]int{14, 200}, lasts: [2]int{1, 40}},
	{kind: HostSweep + "-v6", sizes: [2]int{14, 200}, lasts: [2]int{1, 40}, every: 2},
	{kind: "block-scan", sizes: [2]int{16, 80}, lasts: [2]int{3, 40}},
	{kind: "block-scan-v6", sizes: [2]int{16, 80}, lasts: [2]int{3, 40}, every: 2},
	{kind: "udp-sweep", sizes: [2]int{30, 200}, lasts: [2]int{1, 30}},
	{kind: "slow-scan", every: 4}, {kind: "slow-scan-v6", every: 8},
	{kind: "scan-success", sizes: [2]int{16, 60}, lasts: [2]int{8, 60}},
	{kind: "scan-success-v6", sizes: [2]int{16, 60}, lasts: [2]int{8, 60}, every: 2},
	{kind: "external-success", sizes: [2]int{120, 800}, lasts: [2]int{8, 60}},
	{kind: ExternalScan, sizes: [2]int{120, 800}, lasts: [2]int{2, 10}}, {kind: ExternalScan, sizes: [2]int{400, 1500}, lasts: [2]int{10, 55}},
	{kind: ExternalScan + "-v6", sizes: [2]int{120, 800}, lasts: [2]int{2, 10}, every: 2},
	{kind: "distributed-scan", sizes: [2]int{60, 250}}, {kind: "distributed-scan-v6", sizes: [2]int{60, 250}, every: 2},
	{kind: "brute-force-ssh", sizes: [2]int{50, 200}}, {kind: "brute-force-rdp", sizes: [2]int{50, 200}}, {kind: "brute-force-internal", sizes: [2]int{50, 200}},
	{kind: "flood", factor: 3}, {kind: "flood", factor: 5}, {kind: "flood", factor: 10}, {kind: "flood", factor: 50, every: 2},
	{kind: "crowd-flood", factor: 5, every: 2}, {kind: "crowd-flood", factor: 10, every: 2},
	{kind: "pulse", factor: 20}, {kind: "ramp", factor: 10},
	{kind: "syn-flood", sizes: [2]int{3000, 20_000}}, {kind: "udp-reflection", sizes: [2]int{200, 1000}},
	{kind: "dormant-flood", sizes: [2]int{1500, 6000}}, {kind: "spoofed-flood", sizes: [2]int{20_000, 60_000}, every: 4},
}

var benignCourses = []course{
	{kind: "internet-sweep"}, {kind: "radiation", every: 2}, {kind: "nat-gateway"}, {kind: "web-replies"}, {kind: "dead-target"}, {kind: "ssh-checks"},
	{kind: "crawler"}, {kind: "flash-crowd", factor: 4}, {kind: "flash-crowd", factor: 4}, {kind: "nightly-job", every: 6},
	{kind: "level-shift", factor: 2.5, every: 3}, {kind: "service-discovery", every: 2}, {kind: "lost-server", every: 2},
	{kind: "big-download"}, {kind: "allowed-scanner"}, {kind: "dormant-wakes", every: 2},
}

// Of whole VPCs: planned only where no attack is.
var vpcCourses = []course{{kind: "delivery-outage"}, {kind: "late-burst"}}

// floodCourses are the attacks that the rule spike is to find, and what it has to
// tell from them. What is hard to tell comes more often.
var floodCourses = []course{
	{kind: "flood", factor: 5}, {kind: "flood", factor: 5}, {kind: "flood", factor: 10}, {kind: "flood", factor: 10},
	{kind: "flood", factor: 3, every: 2}, {kind: "flood", factor: 50, every: 2},
	{kind: "crowd-flood", factor: 5, every: 2}, {kind: "crowd-flood", factor: 10, every: 2},
	{kind: "pulse", factor: 20}, {kind: "pulse", factor: 20}, {kind: "ramp", factor: 10},
	{kind: "syn-flood", sizes: [2]int{3000, 20_000}, every: 2}, {kind: "udp-reflection", sizes: [2]int{200, 1000}, every: 2},
	{kind: "dormant-flood", sizes: [2]int{1500, 6000}, every: 2}, {kind: "spoofed-flood", sizes: [2]int{20_000, 60_000}, every: 4},
	{kind: "flash-crowd", factor: 4}, {kind: "flash-crowd", factor: 4},
	{kind: "level-shift", factor: 2.5, every: 6}, {kind: "dormant-wakes", every: 6},
}

// rest is how long a site rests between two scenarios, so that what belongs to one
// can be told from what belongs to the next: at least so long, and up to so much
// longer, by chance.
type rest struct{ least, more time.Duration }

var (
	short = rest{4 * time.Hour, 90 * time.Minute}
	// Floods come about once a day. An interface that is flooded every few hours has
	// had a flood at any hour of the day on two days before: to the rule spike that is
	// what is usual at that hour, and it is right.
	daily = rest{12 * time.Hour, 12 * time.Hour}
)

// Suite plans the scenarios of a name over the first so long of a simulation:
// as many as fit with enough distance between them, each kind about as often as
// the others. The same arguments give the same plan.
func Suite(name string, cfg Config, lasts time.Duration) ([]Scenario, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	var courses, ofVPCs []course
	switch name {
	case "background":
	case "attacks":
		courses = attackCourses
	case "floods":
		courses = floodCourses
	case "benign":
		courses, ofVPCs = benignCourses, vpcCourses
	case "all":
		courses = append(append(courses, attackCourses...), benignCourses...)
	default:
		return nil, fmt.Errorf("simulate: suite %q: accepted are %v", name, Suites())
	}
	p := &planner{rng: rand.New(rand.NewPCG(cfg.Seed, 1<<41)), lasts: lasts, rest: short}
	if name == "floods" {
		p.rest = daily
	}
	for v := range cfg.VPCs {
		interfaces := cfg.Interfaces/cfg.VPCs + btoi(v < cfg.Interfaces%cfg.VPCs)
		for s := range interfaces / len(roles) { // a site that lacks roles borrows from others
			p.places = append(p.places, &place{vpc: v, site: s, free: 2 * time.Hour})
		}
	}
	if len(courses) > 0 && len(p.places) == 0 {
		return nil, fmt.Errorf("simulate: suite %s: %d interfaces in %d VPCs: accepted are %d or more for each VPC", name, cfg.Interfaces, cfg.VPCs, len(roles))
	}
	p.fill(courses)
	if len(ofVPCs) > 0 {
		for at := 6 * time.Hour; at+2*time.Hour < lasts; at += 9 * time.Hour {
			p.all = append(p.all, Scenario{Kind: ofVPCs[len(p.all)%2].kind, At: at, VPC: p.rng.IntN(cfg.VPCs)})
		}
	}
	return p.all, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

type place struct {
	vpc, site int
	free      time.Duration // from then on
}

type planner struct {
	rng    *rand.Rand
	lasts  time.Duration
	rest   rest
	places []*place
	all    []Scenario
}

// fill goes through the courses in rounds until none fits any more.
func (p *planner) fill(courses []course) {
	if len(courses) == 0 {
		return
	}
	for round := 0; ; round++ {
		placed := false
		for _, i := range p.rng.Perm(len(courses)) {
			c := &courses[i]
			if round%max(1, c.every) == 0 && p.put(c) {
				placed = true
			}
		}
		if !placed && round%12 == 11 {
			return
		}
	}
}

// put plans one scenario where there is room first.
func (p *planner) put(c *course) bool {
	kind := kindOf(c.kind)
	lasts := kind.Lasts
	if c.lasts[1] > 0 {
		lasts = time.Duration(p.between(c.lasts)) * time.Minute
	}
	lasts = min(lasts, p.lasts-time.Minute)
	// Floods are judged after two days of learning only, the others any time.
	needs := kind.needs
	if needs > 0 {
		needs += 2 * time.Hour
	}
	at := p.places[p.rng.IntN(len(p.places))]
	for _, q := range p.places { // the first to be free, and of several the last that became so
		if a, b := max(q.free, needs), max(at.free, needs); a < b || a == b && q.free > at.free {
			at = q
		}
	}
	start := (max(at.free, needs) + time.Duration(p.rng.Int64N(int64(p.rest.more)))).Truncate(time.Minute)
	if kind.Kind == "pulse" { // within a single pane
		start = start.Truncate(5 * time.Minute)
	}
	if kind.Kind == "nightly-job" {
		start = 0
		for _, s := range p.all { // once a site
			if s.Kind == kind.Kind && s.VPC == at.vpc && s.Site == at.site {
				return false
			}
		}
		lasts = p.lasts - time.Minute
	}
	if start+lasts+30*time.Minute > p.lasts && kind.Kind != "nightly-job" {
		return false
	}
	s := Scenario{Kind: c.kind, At: start, VPC: at.vpc, Site: at.site, Factor: c.factor, For: lasts}
	if c.sizes[1] > 0 {
		s.Size = p.between(c.sizes)
	}
	p.all = append(p.all, s)
	if kind.Kind != "nightly-job" {
		at.free = start + lasts + p.rest.least
	}
	return true
}

// between draws a number by shares: as often below the geometric mean of the two
// as above.
func (p *planner) between(bounds [2]int) int {
	least, most := float64(bounds[0]), float64(bounds[1])
	return int(math.Round(least * math.Pow(most/least, p.rng.Float64())))
}
