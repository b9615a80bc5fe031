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
	// Of the drift test: the usual mean, 0 before there is one, the mean that the pane
	// was held against, the score, and whether it struck.
	usual    [NumMeasures]float64
	against  [NumMeasures]float64
	score    [NumMeasures]float64
	drift    [NumMeasures]bool
	least    [NumMeasures]float64 // from where on a count can be a candidate
	pair     [NumMeasures]float64 // and, with the pane before, a hit
	alone    [NumMeasures]float64 // from where on a count needs no second pane
	beyond   [NumMeasures]excess
	lasts    [NumMeasures]bool // it has been above the usual for longer than bursts last
	crowd    bool              // it looks like a crowd
	flows    bool              // flows of any kind rose
	volume   bool              // nothing but bytes and packets rose
	confirms bool              // a hit rests on the candidate of the pane before
}

// excess is how far a count is beyond the model: see tail.
type excess struct {
	z, u float64 // 0 within the model
	// From which z on it is found alone, as one of two, and may be Medium.
	alone, pair, medium float64
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

// hold holds counts against what is expected, and leaves no trace in the state.
// Only what is so strong that it needs no second pane is a hit.
func (s *Spike) hold(in *ingress, counts [NumMeasures]int64, start int64) tested {
	t := tested{done: in.seen >= recentPanes, counts: counts}
	if !t.done {
		return t
	}
	s.look(in, &t, start)
	for m := range NumMeasures {
		b := &in.measures[m]
		t.expected[m], t.phi[m] = s.expect(in, m, start), b.phi
		// At or below the mean P is far above every level that matters: ln P is left at 0.
		if mu := t.expected[m].mu; float64(counts[m]) > mu {
			t.lnP[m] = lnUpperTail(counts[m], mu, b.phi)
		}
		s.judge(&t, m, b)
	}
	return t
}

// test holds a pane against what is expected, and takes it into what the tests
// remember. A pane with records missing (skip) teaches no tail.
func (s *Spike) test(in *ingress, counts [NumMeasures]int64, start int64, skip bool) tested {
	t := s.hold(in, counts, start)
	if !t.done {
		return t
	}
	adjacent := in.tested == start-s.pane
	calm := in.calm()
	for m := range NumMeasures {
		b := &in.measures[m]
		s.calibration[m].add(t.lnP[m])
		if adjacent {
			t.confirm(m, pairOf(b))
		}
		if t.usual[m] > 0 {
			s.follow(b, &t, m, adjacent)
		}
		b.cand, b.x, b.mu, b.muPhi = t.cand[m], counts[m], t.expected[m].mu, b.phi
		b.tail.fade(s.tailKeep)
		b.tail.meet(float32(t.beyond[m].z), float32(t.beyond[m].u), adjacent, calm && !t.hit[m] && !skip)
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
	unit := excessUnit(mu, s.cfg.floor(m))
	t.beyond[m] = s.exceed(t, m, unit, &b.tail)
	t.least[m] = leastFrom(t, m, floor)
	t.pair[m] = max(t.least[m], mu+unit*t.beyond[m].pair)
	t.alone[m] = max(aloneFrom(t, m, floor), mu+unit*t.beyond[m].alone)
	t.cand[m] = t.lnP[m] < s.lnA && x >= t.least[m]
	t.hit[m] = t.cand[m] && x >= t.alone[m]
}

// exceed returns how far a count is beyond the model, and what the tail demands of it.
func (s *Spike) exceed(t *tested, m Measure, unit float64, tl *tail) excess {
	x, mu := float64(t.counts[m]), t.expected[m].mu
	if t.lnP[m] >= lnTailLevel || x <= mu+leastExcess*unit {
		return excess{}
	}
	within := upperQuantile(int64(math.Ceil(mu+leastExcess*unit)), mu, t.phi[m], lnTailLevel)
	e := excess{z: (x - mu) / unit, u: (float64(within) - mu) / unit}
	e.alone = tl.least(e.u, aloneWeight*s.alpha, s.tailPanes)
	e.pair = tl.least(e.u, pairWeight*s.alpha, s.tailPanes)
	e.medium = tl.least(e.u, s.alpha, s.tailPanes)
	return e
}

// pairable is what the pane before brings to a pair.
type pairable struct {
	cand bool
	z    float64
}

func pairOf(b *baseline) pairable { return pairable{b.cand, float64(b.tail.z)} }

// confirm makes a hit of a candidate after another one, unless bursts as high as
// both are common here.
func (t *tested) confirm(m Measure, before pairable) {
	if t.hit[m] || !t.cand[m] || !before.cand {
		return
	}
	if e := t.beyond[m]; min(e.z, before.z) >= e.pair {
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
// needed, as far as the tail allows: ten times what is expected, by ten times the
// floor. Where the hour's usual mean is known, seven times that and four times what
// is expected, by four times the floor; nine times and five in what looks like a crowd.
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
func (s *Spike) follow(b *baseline, t *tested, m Measure, adjacent bool) {
	h, ratio := plainDrift, float64(driftRatio)
	if t.crowd {
		h, ratio = crowdDrift, crowdRatio
	}
	if !adjacent {
		b.trend.score, b.trend.run = 0, 0
	}
	x, usual, expected := float64(t.counts[m]), t.usual[m], t.expected[m].mu
	mu := against(usual, b.m, expected)
	least := mu + s.floor(t, m)
	b.trend.take(t.counts[m], mu, b.phi, h, least)
	panes, peak := driftPanes, driftPeak
	if b.tail.bursts() {
		panes = lastingPanes
	}
	if x < ratio*usual || x < driftPeak*expected {
		panes, peak = lastingPanes, jumpPeak
	}
	t.against[m], t.score[m] = mu, b.trend.score
	t.lasts[m] = b.trend.run >= lastingPanes
	t.drift[m] = b.trend.run >= panes && b.trend.drifts(t.counts[m], mu, ratio, max(least, peak*expected))
	t.hit[m] = t.hit[m] || t.drift[m]
}
