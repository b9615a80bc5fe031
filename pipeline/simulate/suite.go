package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Suites are the names that Suite knows.
func Suites() []string { return []string{"background", "attacks", "benign", "all"} }

// course is what a suite plans of one kind: by which factor, and how large.
type course struct {
	kind   Kind
	factor float64
	sizes  [2]int // least and most; 0 for the kind's own
	often  int    // in how many rounds, of the longer ones: 1 is every one
}

// The courses of the attacks. Sizes are drawn so that recall is not that of one
// shape: a scan has from a dozen targets to hundreds.
var attackCourses = []course{
	{VerticalScan, 0, [2]int{14, 300}, 1}, {HostSweep, 0, [2]int{14, 150}, 1}, {"block-scan", 0, [2]int{16, 80}, 1},
	{"vertical-scan-v6", 0, [2]int{14, 200}, 1}, {"block-scan-v6", 0, [2]int{16, 80}, 1},
	{"host-sweep-v6", 0, [2]int{14, 150}, 2}, {"slow-scan-v6", 0, [2]int{}, 6}, {"distributed-scan-v6", 0, [2]int{60, 250}, 2},
	{"slow-scan", 0, [2]int{}, 4}, {"scan-success", 0, [2]int{14, 60}, 1},
	{ExternalScan, 0, [2]int{60, 400}, 1}, {"external-scan-v6", 0, [2]int{60, 400}, 1},
	{"distributed-scan", 0, [2]int{60, 250}, 1},
	{"brute-force-ssh", 0, [2]int{50, 200}, 1}, {"brute-force-rdp", 0, [2]int{50, 200}, 1}, {"brute-force-internal", 0, [2]int{50, 200}, 1},
	{"flood", 3, [2]int{}, 1}, {"flood", 5, [2]int{}, 1}, {"flood", 10, [2]int{}, 1}, {"flood", 50, [2]int{}, 2},
	{"crowd-flood", 5, [2]int{}, 2}, {"crowd-flood", 10, [2]int{}, 2},
	{"pulse", 20, [2]int{}, 1}, {"ramp", 10, [2]int{}, 1},
	{"syn-flood", 0, [2]int{3000, 20_000}, 1}, {"udp-reflection", 0, [2]int{200, 1000}, 1},
	{"dormant-flood", 0, [2]int{1500, 6000}, 1}, {"spoofed-flood", 0, [2]int{20_000, 60_000}, 4},
}

var benignCourses = []course{
	{"internet-sweep", 0, [2]int{}, 1}, {"dead-target", 0, [2]int{}, 1}, {"ssh-checks", 0, [2]int{}, 1}, {"crawler", 0, [2]int{}, 1},
	{"flash-crowd", 4, [2]int{}, 1}, {"flash-crowd", 4, [2]int{}, 1}, {"nightly-job", 0, [2]int{}, 6}, {"level-shift", 2.5, [2]int{}, 3},
	{"service-discovery", 0, [2]int{}, 2}, {"lost-server", 0, [2]int{}, 2}, {"big-download", 0, [2]int{}, 1},
	{"allowed-scanner", 0, [2]int{}, 1}, {"dormant-wakes", 0, [2]int{}, 2},
}

// Of whole VPCs: planned only where no attack is.
var vpcCourses = []course{{"delivery-outage", 0, [2]int{}, 1}, {"late-burst", 0, [2]int{}, 1}}

// apart is how long a site rests between two scenarios, so that what belongs to
// one can be told from what belongs to the next.
const apart = 4 * time.Hour

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
	case "benign":
		courses, ofVPCs = benignCourses, vpcCourses
	case "all":
		courses = append(append(courses, attackCourses...), benignCourses...)
	default:
		return nil, fmt.Errorf("simulate: suite %q: accepted are %v", name, Suites())
	}
	p := &planner{rng: rand.New(rand.NewPCG(cfg.Seed, 1<<41)), lasts: lasts}
	for v := range cfg.VPCs {
		interfaces := cfg.Interfaces/cfg.VPCs + btoi(v < cfg.Interfaces%cfg.VPCs)
		for s := range interfaces / len(roles) { // a site that lacks roles borrows from others
			p.places = append(p.places, &place{vpc: v, site: s, free: 2 * time.Hour})
		}
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
	places []*place
	all    []Scenario
}

// fill goes through the courses in rounds until none fits any more.
func (p *planner) fill(courses []course) {
	if len(courses) == 0 || len(p.places) == 0 {
		return
	}
	for round := 0; ; round++ {
		placed := false
		for _, i := range p.rng.Perm(len(courses)) {
			c := &courses[i]
			if round%c.often == 0 && p.put(c) {
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
	lasts := min(kind.Lasts, p.lasts-time.Minute)
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
	start := (max(at.free, needs) + time.Duration(p.rng.IntN(90))*time.Minute).Truncate(time.Minute)
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
		least, most := float64(c.sizes[0]), float64(c.sizes[1])
		s.Size = int(least * math.Pow(most/least, p.rng.Float64()))
	}
	p.all = append(p.all, s)
	if kind.Kind != "nightly-job" {
		at.free = start + lasts + apart
	}
	return true
}
