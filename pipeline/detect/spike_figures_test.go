package detect

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// figuresVariable asks for the figures of docs/detection.md in full: a range of
// seeds, such as 101-140.
const figuresVariable = "FLOWWATCH_SPIKE_SEEDS"

// figures is what came of a number of seeds.
type figures struct {
	found, of     [2]map[string]int // by kind of event; 1: at interfaces that burst
	delays        map[string][]int64
	falseBy       [2]map[Severity]int
	days          [2]float64 // of interfaces, after learning
	examples      []string
	calibration   [NumMeasures]Calibration
	jobs, jobDays int // findings of nightly jobs, from the fourth night on
}

func newFigures() *figures {
	f := &figures{delays: map[string][]int64{}}
	for i := range f.found {
		f.found[i], f.of[i], f.falseBy[i] = map[string]int{}, map[string]int{}, map[Severity]int{}
	}
	return f
}

const (
	figureDays = 6
	// leastMore is how many flows a pane an attack brings at least: fewer would
	// hide below the floor.
	leastMore = 200
)

// run feeds the interfaces of one seed. The rule sees counts alone.
func (f *figures) run(seed uint64, interfaces int) {
	stations := make([]*station, interfaces)
	for i := range stations {
		stations[i] = newStation(rand.New(rand.NewPCG(seed, uint64(i))))
		if i%2 == 0 { // the other half has no event
			stations[i].plan(&eventKinds[int(seed+uint64(i/2))%len(eventKinds)])
		}
	}
	rule := NewSpike(DefaultSpike(), 5*time.Minute)
	loads := make([]Load, interfaces)
	for i := range loads {
		loads[i] = Load{Key: Key{"111122223333", "vpc-0abc", fmt.Sprintf("eni-%05d", i)}, OK: true, First: 1}
	}
	incidents := map[string]*Finding{}
	for pane := range int64(figureDays * day) {
		for i, s := range stations {
			loads[i].Values = s.load(pane)
			loads[i].Records = loads[i].Values[AcceptedFlows]
		}
		for _, found := range rule.Detect(&Pane{Start: startOf(pane), End: startOf(pane + 1), Loads: loads}) {
			if had := incidents[found.UID]; had != nil {
				had.Severity = max(had.Severity, found.Severity)
				continue
			}
			incidents[found.UID] = &found
		}
	}
	f.score(stations, incidents)
	for m, c := range rule.TakeCalibration() {
		all := &f.calibration[m]
		all.Tested += c.Tested
		all.Below2 += c.Below2
		all.Below3 += c.Below3
		all.Below4 += c.Below4
	}
}

// plan puts an event at a time at which it is no trifle, if there is one.
func (s *station) plan(kind *eventKind) {
	if kind.flat > 0 {
		s.rate, s.pool, s.probes, s.bursty, s.jobPanes = 0, 1, 0, false, 0
	}
	for range 20 {
		e := event{kind: kind, bots: 20 + float64(s.rng.IntN(60))}
		e.from = int64(2*day + 24 + s.rng.IntN(3*day))
		e.to = e.from + kind.panes[0] + s.rng.Int64N(kind.panes[1]-kind.panes[0]+1)
		if s.usual(e.from)*kind.more(1) >= leastMore || !kind.attack {
			s.event = e
			return
		}
	}
}

func (f *figures) score(stations []*station, incidents map[string]*Finding) {
	hit := make([]bool, len(stations))
	for uid, found := range incidents {
		var i int
		if _, err := fmt.Sscanf(found.Key, "eni-%05d", &i); err != nil {
			panic(err)
		}
		s, b := stations[i], index(stations[i].bursts())
		pane := (found.Created-origin)/fiveMinutes - 1
		if e := &s.event; e.kind != nil && pane >= e.from && pane < e.to+12 {
			if pane <= e.to && !hit[i] {
				f.delays[e.kind.name] = append(f.delays[e.kind.name], pane-e.from)
				hit[i] = true
			}
			continue
		}
		if pane < 2*day {
			continue
		}
		if at := int(pane % day); s.jobPanes > 0 && at >= s.jobAt-1 && at < s.jobAt+s.jobPanes+2 {
			f.jobs++
		}
		f.falseBy[b][found.Severity]++
		f.examples = append(f.examples, fmt.Sprintf("%v phi %.2f rate %.1f %s %s", found.Severity, s.phi, s.rate, uid, found.Desc))
	}
	for i, s := range stations {
		b := index(s.bursts())
		f.days[b] += figureDays - 2
		if s.jobPanes > 0 {
			f.jobDays += figureDays - 2
		}
		if k := s.event.kind; k != nil {
			f.of[b][k.name]++
			f.found[b][k.name] += index(hit[i])
		}
	}
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (f *figures) String() string {
	var b strings.Builder
	for i := range eventKinds {
		name := eventKinds[i].name
		fmt.Fprintf(&b, "%-28s %4d of %4d   bursty %4d of %4d   median delay %d\n", name,
			f.found[0][name], f.of[0][name], f.found[1][name], f.of[1][name], middle(f.delays[name]))
	}
	for i, kind := range []string{"even", "bursty"} {
		for s := Low; s <= Medium; s++ {
			fmt.Fprintf(&b, "false, %s, %v: %d in %.0f interface-days: %.2f a day and 1,000 interfaces\n",
				kind, s, f.falseBy[i][s], f.days[i], 1000*float64(f.falseBy[i][s])/f.days[i])
		}
	}
	fmt.Fprintf(&b, "nightly jobs: %d found in %d nights\n", f.jobs, f.jobDays)
	for m, c := range f.calibration {
		n := float64(c.Tested)
		fmt.Fprintf(&b, "%-14v p < 1e-2, 1e-3, 1e-4: %.2f, %.2f, %.2f times as often as expected\n", Measure(m),
			float64(c.Below2)/n/1e-2, float64(c.Below3)/n/1e-3, float64(c.Below4)/n/1e-4)
	}
	return b.String()
}

func middle(of []int64) int64 {
	if len(of) == 0 {
		return -1
	}
	sorted := append([]int64(nil), of...)
	for i := range sorted {
		for j := i; j > 0 && sorted[j] < sorted[j-1]; j-- {
			sorted[j], sorted[j-1] = sorted[j-1], sorted[j]
		}
	}
	return sorted[len(sorted)/2]
}

func TestSpikeFigures(t *testing.T) {
	f := newFigures()
	first, last, interfaces := uint64(1), uint64(2), 26
	if seeds := os.Getenv(figuresVariable); seeds != "" {
		if _, err := fmt.Sscanf(seeds, "%d-%d", &first, &last); err != nil {
			t.Fatalf("%s=%q: %v", figuresVariable, seeds, err)
		}
		interfaces = 260
	}
	for seed := first; seed <= last; seed++ {
		f.run(seed, interfaces)
	}
	t.Logf("seeds %d to %d\n%v", first, last, f)
}
