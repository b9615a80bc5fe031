package detect

import "math"

// How far above what is expected a count must be.
const (
	leastRatio  = 3.0 // times what is expected, of a candidate
	crowdLeast  = 5.0 // the same of a pane that looks like a crowd
	strongRatio = 10  // needs no second pane, by ten times the floor; and is severe

	// Where the hour's usual mean is known, these are enough to need no second pane:
	// times that mean, times what is expected, and times the floor above it.
	aloneUsual  = 7
	aloneCrowd  = 9 // aloneUsual, of a pane that looks like a crowd
	aloneLeast  = 4
	aloneFloors = 4 // what is severe exceeds what is expected by as much

	// Where nothing but volume rose, the floor of bytes and packets is ten times as
	// high: 50 MiB or 60,000 packets. It takes 1 GiB or 1.2 million packets to need no
	// second pane or to be severe: one upload is thousands of times another.
	volumeFloor  = 10
	volumeFloors = 20
)

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
	excess   [NumMeasures]float64 // z of tail, 0 within the model
	level    [NumMeasures]float64 // its u
	beyond   [NumMeasures]float64 // from where on it is beyond what bursts here reach
	lasts    [NumMeasures]bool    // it has been above the usual for longer than they last
	crowd    bool                 // it looks like a crowd
	flows    bool                 // flows of any kind rose
	volume   bool                 // nothing but bytes and packets rose
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

// test holds a pane against what is expected, and follows the two tests' memories.
// A pane with records missing (skip) teaches no tail.
func (s *Spike) test(in *ingress, counts [NumMeasures]int64, start int64, skip bool) tested {
	t := tested{done: in.seen >= recentPanes, counts: counts}
	if !t.done {
		return t
	}
	adjacent := in.tested == start-s.pane
	calm := in.calm()
	s.look(in, &t, start)
	for m := range NumMeasures {
		b := &in.measures[m]
		e := s.expect(in, m, start)
		t.expected[m], t.phi[m] = e, b.phi
		t.lnP[m] = s.surprise(m, counts[m], e.mu, b.phi)
		s.judge(&t, m, b)
		before := pairOf(b)
		if !adjacent {
			before = pairable{}
		}
		s.confirm(&t, m, b, before)
		if t.usual[m] > 0 {
			s.follow(b, &t, m, adjacent, calm)
		}
		b.cand, b.mu, b.muPhi = t.cand[m], e.mu, b.phi
		b.tail.fade(s.tailKeep)
		b.tail.meet(float32(t.excess[m]), float32(t.level[m]), adjacent, calm && !t.hit[m] && !skip)
	}
	in.tested = start
	t.weighSources()
	return t
}

// weighSources drops a rise of sources alone: more visitors than before are
// evidence only beside flows. In a crowd, whose sources rise more than its flows,
// the flows must strike themselves.
func (t *tested) weighSources() {
	if !t.hit[AcceptedFlows] && (t.crowd || !t.flows) {
		t.hit[UniqueSources], t.drift[UniqueSources] = false, false
	}
}

// expect returns what a pane of one measure is held against. For two days after
// the level has shifted, the peaks do not limit it: they tell of the time before,
// though a nightly job's still is its own.
func (s *Spike) expect(in *ingress, m Measure, start int64) expected {
	peak, days, limit := 0.0, 0, s.cfg.cap()
	b := &in.measures[m]
	if start-in.first >= learningFor {
		peak, days = s.calendar.peak(b.peaks, start/hour, in.hour)
	}
	if start < in.seasonFrom {
		limit = math.Inf(1)
	}
	return b.expect(peak, days, limit)
}

// judge decides whether a measure is a candidate, and a hit that needs no second
// pane. Expected, phi and lnP must be there.
func (s *Spike) judge(t *tested, m Measure, b *baseline) {
	x, mu, floor := float64(t.counts[m]), t.expected[m].mu, s.floor(t, m)
	t.least[m], t.alone[m] = leastFrom(t, m, floor), aloneFrom(t, m, floor)
	t.cand[m] = t.lnP[m] < s.lnA && x >= t.least[m]
	unit := excessUnit(mu, s.cfg.floor(m))
	if t.lnP[m] >= lnTailLevel || x <= mu+leastExcess*unit {
		return
	}
	t.excess[m] = (x - mu) / unit
	within := upperQuantile(int64(math.Ceil(mu+leastExcess*unit)), mu, t.phi[m], lnTailLevel)
	t.level[m] = (float64(within) - mu) / unit
	t.beyond[m] = mu + unit*t.level[m]*b.tail.single.least(s.alpha, s.tailPanes)
	t.alone[m] = max(t.alone[m], t.beyond[m])
	t.hit[m] = t.cand[m] && x >= t.alone[m]
}

// pairable is what the pane before brings to a pair.
type pairable struct {
	cand bool
	z    float64
}

func pairOf(b *baseline) pairable { return pairable{b.cand, float64(b.tail.z)} }

// confirm makes a hit of a candidate after another one, unless such pairs are
// common here.
func (s *Spike) confirm(t *tested, m Measure, b *baseline, before pairable) {
	if t.hit[m] || !t.cand[m] || !before.cand {
		return
	}
	z := min(t.excess[m], before.z)
	if z >= t.level[m]*b.tail.pairLeast(s.alpha, s.tailPanes) {
		t.hit[m], t.confirms = true, true
	}
}

// calm reports whether there is no open incident, or none that is sure.
func (in *ingress) calm() bool {
	return in.incident == nil || in.incident.Closed != 0 || in.incident.Provisional
}

// floor is the least excess over what is expected in a pane.
func (s *Spike) floor(t *tested, m Measure) float64 {
	if t.volume && (m == Bytes || m == Packets) {
		return volumeFloor * s.cfg.floor(m)
	}
	return s.cfg.floor(m)
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
	if t.volume && (m == Bytes || m == Packets) {
		return math.Max(strongRatio*mu, mu+volumeFloors*floor)
	}
	from := math.Max(strongRatio*mu, mu+strongRatio*floor)
	if usual := t.usual[m]; usual > 0 {
		times, least := float64(aloneUsual), float64(aloneLeast)
		if t.crowd {
			times, least = aloneCrowd, crowdLeast
		}
		from = math.Min(from, max(times*usual, least*mu, mu+aloneFloors*floor))
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
	rose := func(m Measure) bool {
		x := float64(t.counts[m])
		return x >= 2*usual[m] && x-usual[m] >= s.cfg.floor(m)/2
	}
	t.flows = rose(AcceptedFlows) || rose(RejectedFlows) || rose(SynOnlyFlows)
	t.volume = !t.flows && !rose(UniqueSources)
}

// follow takes a measure's pane into the drift test.
func (s *Spike) follow(b *baseline, t *tested, m Measure, adjacent, calm bool) {
	h, ratio := plainDrift, float64(driftRatio)
	if t.crowd {
		h, ratio = crowdDrift, crowdRatio
	}
	if !adjacent {
		b.trend.score, b.trend.run = 0, 0
	}
	mu := t.usual[m]
	least := mu + s.floor(t, m)
	run := b.trend.run
	b.trend.take(t.counts[m], mu, b.phi, h, least)
	if b.trend.run == 0 && run > 1 && calm {
		b.tail.longest = max(b.tail.longest, float32(run))
	}
	t.score[m] = b.trend.score
	t.lasts[m] = float64(b.trend.run) >= math.Max(lastingPanes, b.tail.outlasts())
	t.drift[m] = float64(b.trend.run) >= b.tail.outlasts() && b.trend.drifts(t.counts[m], mu, ratio, max(least, driftPeak*t.expected[m].mu))
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
