package detect

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

const (
	spikeVersion = "3"

	learningFor  = 2 * 24 * 3600 // seconds until findings have full confidence
	newBaseline  = 6 * 3600      // seconds open, after which it is the normal level
	seasonOutFor = 2 * 24 * 3600 // seconds after that until the seasons have seen it
	forgetAfter  = 7 * 24 * 3600 // seconds without coverage
)

// Spike is the rule spike: ingress of an interface far above both its recent
// level and the peak of this hour on the days before, by a negative-binomial
// test on six measures. Counts of network events vary more than a Poisson
// variable; the over-dispersion is learned for each measure.
type Spike struct {
	cfg         SpikeConfig
	pane        int64 // seconds
	alpha, lnA  float64
	rates       learning
	tailKeep    float32 // of a tail's counts, from pane to pane
	tailPanes   float64 // that they stand for
	calendar    calendar
	interfaces  map[Key]*ingress
	order       []*ingress // of the last pane, ascending
	open        []*ingress // with an incident, open or closed lately
	last        int64      // start of the last pane
	calibration [NumMeasures]Calibration
	changed     []*ingress
	found       []Finding
}

// ingress is the state of one interface.
type ingress struct {
	Key
	first, covered int64 // start of the first and the last pane with records
	seen           int   // panes learned
	tested         int64 // start of the last pane with a test
	seasonFrom     int64 // the level shifted: before, seasons tell of another one
	hour           int64 // the latest that the seasons hold
	measures       [NumMeasures]baseline
	incident       *incident

	// What Changes has to put, and what it has put before.
	listed, dropped, peaksChanged, incidentChanged bool
	stored, incidentStored                         bool
}

// Calibration counts the tests of one measure, to hold the model's promise
// against: of the panes tested, a share of 1e-2 should have P below 1e-2.
type Calibration struct {
	Tested                 int64
	Below2, Below3, Below4 int64 // P < 1e-2, 1e-3, 1e-4
}

// add counts one test.
func (c *Calibration) add(lnP float64) {
	c.Tested++
	for _, level := range [...]struct {
		lnP float64
		n   *int64
	}{{math.Log(1e-2), &c.Below2}, {math.Log(1e-3), &c.Below3}, {math.Log(1e-4), &c.Below4}} {
		if lnP < level.lnP {
			*level.n++
		}
	}
}

// NewSpike returns the rule for panes of this length. The configuration must
// be valid.
func NewSpike(cfg SpikeConfig, pane time.Duration) *Spike {
	seconds := int64(pane / time.Second)
	alpha := cfg.alpha(seconds)
	keep := math.Exp2(-float64(seconds) / tailHalfLife)
	return &Spike{
		cfg: cfg, pane: seconds, alpha: alpha, lnA: math.Log(alpha),
		rates: learningRates(seconds), tailKeep: float32(keep), tailPanes: 1 / (1 - keep), calendar: calendarOf(cfg.Profile),
		interfaces: make(map[Key]*ingress), last: math.MinInt64,
	}
}

// Name returns "spike".
func (s *Spike) Name() string { return "spike" }

// Version tells apart states that can't be read as one another's.
func (s *Spike) Version() string {
	return fmt.Sprintf("%s pane=%d profile=%s false_findings=%g min_counts=%d min_bytes=%d",
		spikeVersion, s.pane, s.cfg.Profile, s.cfg.FalseFindings, s.cfg.MinCounts, s.cfg.MinBytes)
}

// TakeCalibration returns what was counted since the last call, by measure.
func (s *Spike) TakeCalibration() [NumMeasures]Calibration {
	c := s.calibration
	s.calibration = [NumMeasures]Calibration{}
	return c
}

// Detect tests every interface of the pane.
func (s *Spike) Detect(pane *Pane) []Finding {
	s.found = s.found[:0]
	s.closeUncovered(pane)
	s.order = s.order[:0]
	for i := range pane.Loads {
		load := &pane.Loads[i]
		in := s.ingress(load.Key, pane.Start)
		s.order = append(s.order, in)
		s.inspect(in, load, pane)
	}
	s.forget(pane.Start)
	s.last = pane.Start
	sortFindings(s.found)
	return s.found
}

func (s *Spike) ingress(key Key, start int64) *ingress {
	if in := s.interfaces[key]; in != nil {
		if start-in.covered <= forgetAfter {
			return in
		}
		s.drop(in)
	}
	return s.newIngress(key, start)
}

func (s *Spike) newIngress(key Key, start int64) *ingress {
	in := &ingress{Key: key, first: start, tested: math.MinInt64, hour: start / hour}
	for m := range in.measures {
		in.measures[m] = baseline{phi: priorPhi, peaks: s.calendar.empty(), trend: trend{means: s.calendar.empty()}}
	}
	s.interfaces[key] = in
	return in
}

// inspect tests one interface's pane, moves its incident on, and learns.
func (s *Spike) inspect(in *ingress, load *Load, pane *Pane) {
	counts := countsOf(load)
	usual := !load.SkipData // a pane with records missing tells no normal level
	t := s.test(in, counts, pane.Start, !usual)
	if usual {
		in.remember(&counts, pane.Start)
	}
	s.advance(in, load, pane, &t)
	if usual {
		s.learn(in, &t)
	}
	in.covered = pane.Start
	s.note(in)
}

// countsOf returns the pane's values in the units of the test.
func countsOf(load *Load) [NumMeasures]int64 {
	var counts [NumMeasures]int64
	for m := range NumMeasures {
		counts[m] = min(max(0, load.Values[m]/m.unit()), 1<<62)
	}
	return counts
}

// remember takes a pane into the recent panes and the hourly peaks, whatever
// the test said of it.
func (in *ingress) remember(counts *[NumMeasures]int64, start int64) {
	h := start / hour
	for m := range NumMeasures {
		b := &in.measures[m]
		b.recent[in.seen%recentPanes] = counts[m]
		if h > in.hour {
			b.peaks.advance(in.hour, h)
			b.trend.turn(in.hour, h)
		}
		b.trend.add(counts[m])
		if b.peaks.raise(h, counts[m]) || h > in.hour {
			in.peaksChanged = true
		}
	}
	in.hour = max(in.hour, h)
	in.seen++
}

// learn takes a pane into level and dispersion, when it is no candidate, no
// incident is open, and the drift test has nothing against it: a flood that takes
// some panes to be found would else widen what it is held against.
func (s *Spike) learn(in *ingress, t *tested) {
	calm := in.calm()
	for m := range NumMeasures {
		b := &in.measures[m]
		switch {
		case in.seen == recentPanes:
			b.relevel()
		case t.done && calm && !t.cand[m] && b.trend.run == 0:
			b.learn(t.counts[m], s.rates)
		}
	}
}

// note lists an interface for the next Changes.
func (s *Spike) note(in *ingress) {
	if !in.listed {
		in.listed = true
		s.changed = append(s.changed, in)
	}
}

// forget drops interfaces that were not seen for a week, once a day: one that
// comes back starts anew in any case.
func (s *Spike) forget(start int64) {
	const day = 24 * 3600
	if s.last == math.MinInt64 || start/day == s.last/day {
		return
	}
	for _, in := range s.interfaces {
		if start-in.covered > forgetAfter {
			s.drop(in)
		}
	}
}

// drop takes an interface out of the state. If it had an incident, that has
// closed for want of records.
func (s *Spike) drop(in *ingress) {
	delete(s.interfaces, in.Key)
	s.open = slices.DeleteFunc(s.open, func(o *ingress) bool { return o == in })
	in.dropped = true
	s.note(in)
}

// compareKeys orders interfaces as panes do.
func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.VPC, b.VPC), cmp.Compare(a.Interface, b.Interface))
}
