package detect

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

const (
	spikeVersion = "2"

	leastRatio  = 3.0 // a candidate is at least so many times what is expected
	strongRatio = 10  // from here on it needs no second pane, and is severe
	crowdLeast  = 5.0 // leastRatio, of a pane that looks like a crowd
	aloneUsual  = 7
	aloneLeast  = 4
	aloneFloors = 4

	learningFor  = 2 * 24 * 3600 // seconds until findings have full confidence
	newBaseline  = 6 * 3600      // seconds open, after which it is the normal level
	seasonOutFor = 2 * 24 * 3600 // seconds without a seasonal baseline after that
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
	seasonFrom     int64 // no seasonal baseline before
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

// NewSpike returns the rule for panes of this length. The configuration must
// be valid.
func NewSpike(cfg SpikeConfig, pane time.Duration) *Spike {
	seconds := int64(pane / time.Second)
	alpha := cfg.alpha(seconds)
	return &Spike{
		cfg: cfg, pane: seconds, alpha: alpha, lnA: math.Log(alpha),
		rates: learningRates(seconds), calendar: calendarOf(cfg.Profile),
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
	t := s.test(in, counts, pane.Start)
	usual := !load.SkipData // a pane with records missing tells no normal level
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

// tested is the outcome of the test of one interface's pane.
type tested struct {
	done     bool // false in the first panes of an interface
	counts   [NumMeasures]int64
	expected [NumMeasures]expected
	phi      [NumMeasures]float64
	lnP      [NumMeasures]float64
	cand     [NumMeasures]bool
	hit      [NumMeasures]bool
	// Of the drift test: the usual mean, 0 before there is one, the score, and
	// whether it struck.
	usual    [NumMeasures]float64
	score    [NumMeasures]float64
	drift    [NumMeasures]bool
	least    [NumMeasures]float64 // from where on a count can be a candidate
	alone    [NumMeasures]float64 // from where on a count needs no second pane
	crowd    bool                 // it looks like a crowd
	confirms bool                 // a hit rests on the candidate of the pane before
}

// hits returns the measures that struck.
func (t *tested) hits() []Measure {
	var out []Measure
	for m := range NumMeasures {
		if t.hit[m] {
			out = append(out, m)
		}
	}
	return out
}

func (s *Spike) test(in *ingress, counts [NumMeasures]int64, start int64) tested {
	t := tested{done: in.seen >= recentPanes, counts: counts}
	if !t.done {
		return t
	}
	adjacent := in.tested == start-s.pane
	s.look(in, &t, start)
	for m := range NumMeasures {
		b := &in.measures[m]
		peak, days := 0.0, 0
		if start-in.first >= learningFor && start >= in.seasonFrom {
			peak, days = s.calendar.peak(b.peaks, start/hour, in.hour)
		}
		e := b.expect(peak, days, s.cfg.cap())
		t.expected[m], t.phi[m] = e, b.phi
		t.lnP[m] = s.surprise(m, counts[m], e.mu, b.phi)
		x, floor := float64(counts[m]), s.cfg.floor(m)
		t.least[m] = leastFrom(&t, m, floor)
		t.cand[m] = t.lnP[m] < s.lnA && x >= t.least[m]
		t.alone[m] = aloneFrom(&t, m, floor)
		alone := x >= t.alone[m]
		t.hit[m] = t.cand[m] && (alone || adjacent && b.cand)
		t.confirms = t.confirms || t.hit[m] && !alone
		if t.usual[m] > 0 {
			s.follow(b, &t, m, adjacent)
		}
		b.cand, b.x, b.mu, b.muPhi = t.cand[m], counts[m], e.mu, b.phi
	}
	in.tested = start
	return t
}

// leastFrom returns from where on a count can be a candidate.
func leastFrom(t *tested, m Measure, floor float64) float64 {
	ratio := leastRatio
	if t.crowd {
		ratio = crowdLeast
	}
	mu := t.expected[m].mu
	return math.Max(ratio*mu, mu+floor)
}

// aloneFrom returns from where on a count is so high that no second pane is
// needed: ten times what is expected, by ten times the floor. Where the hour's
// usual mean is known and the pane looks like no crowd, seven times that and four
// times what is expected, by four times the floor.
func aloneFrom(t *tested, m Measure, floor float64) float64 {
	mu := t.expected[m].mu
	from := math.Max(strongRatio*mu, mu+strongRatio*floor)
	if usual := t.usual[m]; usual > 0 && !t.crowd {
		from = math.Min(from, max(aloneUsual*usual, aloneLeast*mu, mu+aloneFloors*floor))
	}
	return from
}

// look finds what is usual in each measure, by the drift test's means where they
// are known and the recent level before, and whether the pane looks like a crowd.
func (s *Spike) look(in *ingress, t *tested, start int64) {
	var usual [NumMeasures]float64
	for m := range NumMeasures {
		b := &in.measures[m]
		usual[m] = b.m
		if start-in.first < learningFor || start < in.seasonFrom {
			continue
		}
		if mean, days := s.calendar.peak(b.trend.means, start/hour, in.hour); days >= leastDays {
			t.usual[m] = math.Max(1, mean)
			usual[m] = t.usual[m]
		}
	}
	t.crowd = crowd(t.counts, usual, s.cfg.floor(UniqueSources))
}

// follow takes a measure's pane into the drift test.
func (s *Spike) follow(b *baseline, t *tested, m Measure, adjacent bool) {
	h, ratio := plainDrift, float64(driftRatio)
	if t.crowd {
		h, ratio = crowdDrift, crowdRatio
	}
	if !adjacent {
		b.trend.score, b.trend.run = 0, 0
	}
	mu := t.usual[m]
	least := mu + s.cfg.floor(m)
	b.trend.take(t.counts[m], mu, b.phi, h, least)
	t.score[m] = b.trend.score
	t.drift[m] = b.trend.drifts(t.counts[m], mu, ratio, max(least, driftPeak*t.expected[m].mu))
	if t.drift[m] && !t.hit[m] {
		t.hit[m] = true
	}
}

// surprise returns ln P of a count and counts the test. At or below the mean P
// is far above every level that matters, so it is left at 1.
func (s *Spike) surprise(m Measure, x int64, mu, phi float64) float64 {
	c := &s.calibration[m]
	c.Tested++
	if float64(x) <= mu {
		return 0
	}
	lnP := lnUpperTail(x, mu, phi)
	p := math.Exp(lnP)
	for _, level := range []struct {
		p float64
		n *int64
	}{{1e-2, &c.Below2}, {1e-3, &c.Below3}, {1e-4, &c.Below4}} {
		if p < level.p {
			*level.n++
		}
	}
	return lnP
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

// learn takes a pane into level and dispersion, when it is no candidate and no
// incident is open.
func (s *Spike) learn(in *ingress, t *tested) {
	calm := in.incident == nil || in.incident.Closed != 0 || in.incident.Provisional
	for m := range NumMeasures {
		b := &in.measures[m]
		switch {
		case in.seen == recentPanes:
			b.relevel()
		case t.done && calm && !t.cand[m]:
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
