package detect

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// figuresVariable asks for the figures of docs/detection.md in full: a range of
// seeds, such as 101-140.
const figuresVariable = "FLOWWATCH_SPIKE_SEEDS"

// figures is what came of a number of seeds.
type figures struct {
	found, of     [numClasses]map[string]int // by kind of event
	delays        map[string][]int64
	falseBy       [numClasses]map[Severity]int
	days          [numClasses]float64 // of interfaces, after learning
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
	// leastMore is how many flows a pane an attack brings at least: one a second.
	leastMore = 300
)

// run feeds the interfaces of one seed. The rule sees counts alone.
func (f *figures) run(seed uint64, interfaces int) {
	stations := make([]*station, interfaces)
	for i := range stations {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		stations[i] = newStation(rng)
		if i%2 == 0 { // the other half has no event
			kind := &eventKinds[int(seed+uint64(i/2))%len(eventKinds)]
			for !stations[i].plan(kind) {
				stations[i] = newStation(rng)
			}
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
func (s *station) plan(kind *eventKind) bool {
	if kind.flat > 0 {
		s.rate, s.pool, s.probes, s.bursty, s.jobPanes = 0, 1, 0, false, 0
	}
	for range 20 {
		e := event{kind: kind, bots: 20 + float64(s.rng.IntN(60))}
		e.from = int64(2*day + 24 + s.rng.IntN(3*day))
		e.to = e.from + kind.panes[0] + s.rng.Int64N(kind.panes[1]-kind.panes[0]+1)
		if s.usual(e.from)*kind.more(1) >= leastMore || !kind.attack {
			s.event = e
			return true
		}
	}
	return false
}

func (f *figures) score(stations []*station, incidents map[string]*Finding) {
	hit := make([]bool, len(stations))
	for _, found := range incidents {
		var i int
		if _, err := fmt.Sscanf(found.Key, "eni-%05d", &i); err != nil {
			panic(err)
		}
		s, b := stations[i], stations[i].class()
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
	}
	for i, s := range stations {
		b := s.class()
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
		fmt.Fprintf(&b, "%-27s", name)
		for c := range numClasses {
			fmt.Fprintf(&b, "  %v %3d of %3d", c, f.found[c][name], f.of[c][name])
		}
		fmt.Fprintf(&b, "  median delay %d\n", middle(f.delays[name]))
	}
	for i := range numClasses {
		for s := Low; s <= Medium; s++ {
			fmt.Fprintf(&b, "false, %s, %v: %d in %.0f interface-days: %.2f a day and 1,000 interfaces\n",
				i, s, f.falseBy[i][s], f.days[i], 1000*float64(f.falseBy[i][s])/f.days[i])
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
	return slices.Sorted(slices.Values(of))[len(of)/2]
}

// recall returns found and of over the interfaces that the model is made for.
func (f *figures) recall(names ...string) (found, of int) {
	for _, name := range names {
		for _, c := range []class{steady, varying} {
			found += f.found[c][name]
			of += f.of[c][name]
		}
	}
	return found, of
}

// TestSpikeFigures holds the rule to what docs/detection.md says of it, over a few
// interfaces; with FLOWWATCH_SPIKE_SEEDS=101-140 over many, and prints the figures
// (go test -run TestSpikeFigures -v).
func TestSpikeFigures(t *testing.T) {
	f := newFigures()
	first, last, interfaces := uint64(1), uint64(3), 78
	if seeds := os.Getenv(figuresVariable); seeds != "" {
		if _, err := fmt.Sscanf(seeds, "%d-%d", &first, &last); err != nil || last < first {
			t.Fatalf("%s=%q: accepted is a range such as 101-140", figuresVariable, seeds)
		}
		interfaces = 260
	}
	for seed := first; seed <= last; seed++ {
		f.run(seed, interfaces)
	}
	t.Logf("seeds %d to %d, %d interfaces each\n%v", first, last, interfaces, f)
	for _, k := range []struct {
		of    []string
		least float64
	}{
		{[]string{"flood x50"}, 0.98},
		{[]string{"flood x10"}, 0.9},
		{[]string{"flood x5"}, 0.7},
		{[]string{"ramp x10, even", "ramp x10, doubling"}, 0.8},
	} {
		if found, of := f.recall(k.of...); of == 0 || float64(found) < k.least*float64(of) {
			t.Errorf("%v: found %d of %d, want %.0f %%", k.of, found, of, 100*k.least)
		}
	}
	for _, k := range []struct {
		of   string
		most float64
	}{
		{"flash crowd x4", 0.1}, {"shift x2.5, more visitors", 0.1}, {"shift x2.5, busier clients", 0.2}, {"dormant wakes", 0},
	} {
		if found, of := f.recall(k.of); of == 0 || float64(found) > k.most*float64(of) {
			t.Errorf("%s: reported %d of %d, want %.0f %% at most", k.of, found, of, 100*k.most)
		}
	}
	severe, days := 0, 0.0
	for c := range numClasses {
		severe += f.falseBy[c][Medium]
		days += f.days[c]
	}
	if most := 1 + 3*days/1000; float64(severe) > most {
		t.Errorf("%d false findings of Medium in %.0f interface-days, want %.0f at most", severe, days, most)
	}
}
