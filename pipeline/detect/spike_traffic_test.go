package detect

import (
	"math"
	"math/rand/v2"
)

// Traffic for the spike rule's figures. It is a model of counts, made apart from
// package simulate, which makes records: what holds on both is no accident of
// either. An interface has
//   - a lognormal rate of accepted flows (median 30 a pane, from 0.1 to 10,000),
//     a day and a weekend of its own, and a level that wanders (AR(1));
//   - counts that are negative-binomial, phi from 0.02 to 2;
//   - packets a flow from a Pareto distribution (exponent 1.5, cut at 10,000 times
//     the least), so that the bytes of few flows have a heavy tail;
//   - at 15 of 100 interfaces six bursts a day, of a size with a Pareto tail; at 10
//     of 100 a job every night; at 60 of 100 unsolicited probes, 300 or 1,100 an hour.
type station struct {
	rng                 *rand.Rand
	rate                float64 // accepted flows a pane, on average
	swing, noon, rest   float64 // of the day, its peak in hours, the weekend's share
	wander, keep, level float64 // sigma and memory of the level, and the level
	phi                 float64
	leastPackets, size  float64 // packets a flow at least, bytes a packet
	pool                float64 // sources that are known, of whom flows come
	probes              float64 // unsolicited, a pane
	bursty              bool
	burst               int // panes that a burst still lasts
	burstSize           float64
	jobAt, jobPanes     int // nightly, 0 panes: none
	jobSize             float64

	event event
}

func newStation(rng *rand.Rand) *station {
	s := &station{rng: rng}
	s.rate = math.Exp(max(math.Log(0.1), min(math.Log(1e4), math.Log(30)+2*rng.NormFloat64())))
	s.swing, s.noon, s.rest = 0.8*rng.Float64(), 24*rng.Float64(), 0.3+0.8*rng.Float64()
	s.wander, s.keep = 0.05+0.25*rng.Float64(), 0.9+0.09*rng.Float64()
	s.phi = 0.02 * math.Pow(100, rng.Float64())
	s.leastPackets, s.size = 2+8*rng.Float64(), 100+900*rng.Float64()
	s.pool = s.rate * math.Exp(1.5*rng.NormFloat64())
	if rng.Float64() < 0.6 {
		s.probes = [...]float64{25, 92}[rng.IntN(2)]
	}
	s.bursty = rng.Float64() < 0.15
	if rng.Float64() < 0.1 {
		s.jobAt, s.jobPanes = 12*rng.IntN(6), 3+rng.IntN(10)
		s.jobSize = s.rate * (5 + 25*rng.Float64())
	}
	return s
}

// class tells apart how well the negative-binomial model with a moderate spread
// fits an interface.
func (s *station) class() class {
	switch {
	case s.bursty || s.phi > 0.5:
		return wild
	case s.phi > 0.15:
		return varying
	}
	return steady
}

type class int

const (
	steady  class = iota // phi up to 0.15, as the simulator's
	varying              // phi up to 0.5
	wild                 // phi above, or bursts
	numClasses
)

func (c class) String() string { return [...]string{"steady", "varying", "wild"}[c] }

// usual is the mean of a pane, without gusts, bursts and jobs.
func (s *station) usual(pane int64) float64 {
	hours := float64(pane) / 12
	mean := s.rate * (1 + s.swing*math.Cos((hours-s.noon)*math.Pi/12))
	if pane/day%7 >= 5 { // origin is a Monday
		mean *= s.rest
	}
	return mean
}

// load makes the next pane.
func (s *station) load(pane int64) [NumMeasures]int64 {
	s.level = s.keep*s.level + math.Sqrt(1-s.keep*s.keep)*s.wander*s.rng.NormFloat64()
	mean := s.usual(pane) * math.Exp(s.level)
	normal := mean * gamma(s.rng, 1/s.phi) * s.phi
	switch {
	case s.burst > 0:
		s.burst--
		normal += s.burstSize
	case s.bursty && s.rng.IntN(48) == 0:
		s.burst = s.rng.IntN(3)
		s.burstSize = mean * pareto(s.rng, 1.6, 1, 100)
		normal += s.burstSize
	}
	if at := int(pane % day); s.jobPanes > 0 {
		if at == 0 {
			s.jobAt = max(0, s.jobAt+s.rng.IntN(3)-1)
		}
		if at >= s.jobAt && at < s.jobAt+s.jobPanes {
			normal += s.jobSize
		}
	}
	flows := poisson(s.rng, normal)
	sources := s.pool * (1 - math.Exp(-flows/s.pool))
	e := s.event.at(pane)
	added := poisson(s.rng, e.flows*mean+e.flat)
	fresh := added
	if e.bots > 0 {
		fresh = e.bots * (1 - math.Exp(-added/e.bots))
	}
	if e.known {
		fresh = s.pool*(1-math.Exp(-(flows+added)/s.pool)) - sources
	}
	packets := s.packets(flows + added)
	probes := s.probes
	if probes > 0 {
		probes = poisson(s.rng, probes*gamma(s.rng, 10)/10)
	}
	syns := math.Round(0.2*probes) + poisson(s.rng, 0.01*flows)
	var v [NumMeasures]int64
	v[AcceptedFlows] = int64(flows + added + math.Round(0.2*probes))
	v[RejectedFlows] = int64(math.Round(0.8 * probes))
	v[SynOnlyFlows] = int64(syns)
	v[UniqueSources] = int64(math.Ceil(sources + fresh + 0.7*probes))
	v[Packets] = int64(packets + probes)
	v[Bytes] = int64(packets*s.size*(0.9+0.2*s.rng.Float64()) + 40*probes)
	return v
}

// packets is the sum of so many flows' sizes: the large ones one by one, the
// others by their mean and deviation.
func (s *station) packets(flows float64) float64 {
	const exponent, cut, large = 1.5, 10_000, 100
	below := func(power float64) float64 { // E[X^power; X < large] of the Pareto variable
		return exponent / (power - exponent) * (math.Pow(large, power-exponent) - 1)
	}
	if flows == 0 {
		return 0
	}
	sum := 0.0
	tail := poisson(s.rng, flows*math.Pow(large, -exponent))
	for range int(tail) {
		sum += large * pareto(s.rng, exponent, 1, cut/large)
	}
	mean := below(1)
	bulk := flows*mean + math.Sqrt(flows*(below(2)-mean*mean))*s.rng.NormFloat64()
	return s.leastPackets * (sum + max(flows, bulk))
}

func pareto(rng *rand.Rand, exponent, least, most float64) float64 {
	return min(most, least*math.Pow(1-rng.Float64(), -1/exponent))
}

// gamma draws a gamma variable of scale 1 (Marsaglia and Tsang, 2000).
func gamma(rng *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return gamma(rng, shape+1) * math.Pow(1-rng.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v *= v * v
		if math.Log(1-rng.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// poisson draws a Poisson variable, from 50 on by its normal limit.
func poisson(rng *rand.Rand, mean float64) float64 {
	if mean <= 0 {
		return 0
	}
	if mean > 50 {
		return math.Max(0, math.Round(mean+math.Sqrt(mean)*rng.NormFloat64()))
	}
	n, p, limit := 0.0, 1.0, math.Exp(-mean)
	for {
		if p *= 1 - rng.Float64(); p < limit {
			return n
		}
		n++
	}
}

// event is what happens once at an interface, in the panes [from, to).
type event struct {
	kind     *eventKind
	from, to int64
	bots     float64
}

// eventKind is a kind of event: how many times the usual flows more it brings in
// the pane at the share 0 to 1 of its time, and from whom.
type eventKind struct {
	name   string
	attack bool
	panes  [2]int64 // it lasts, from and to
	more   func(share float64) float64
	crowd  bool    // every flow has a source of its own, else there are some dozens
	known  bool    // flows come from the sources that were there before
	flat   float64 // flows a pane, at an interface that had none
}

// extra is what an event adds to a pane: flows in times of the usual.
type extra struct {
	flows, flat float64 // times the usual, and in flows
	bots        float64 // of whom they come, 0: each of another source
	known       bool    // they come of the sources that were there before
}

func (e *event) at(pane int64) extra {
	if e.kind == nil || pane < e.from || pane >= e.to {
		return extra{}
	}
	x := extra{flows: e.kind.more(float64(pane-e.from+1) / float64(e.to-e.from)), flat: e.kind.flat, known: e.kind.known}
	if !e.kind.crowd {
		x.bots = e.bots
	}
	return x
}

func times(factor float64) func(float64) float64 {
	return func(float64) float64 { return factor - 1 }
}

// crowded rises, stays and leaves.
func crowded(factor float64) func(float64) float64 {
	return func(share float64) float64 { return (factor - 1) * min(1, 8*share, 0.1+4*(1-share)) }
}

const forGood = 100 * day

var eventKinds = []eventKind{
	{name: "flood x50", attack: true, panes: [2]int64{6, 24}, more: times(50)},
	{name: "flood x10", attack: true, panes: [2]int64{6, 24}, more: times(10)},
	{name: "flood x5", attack: true, panes: [2]int64{6, 24}, more: times(5)},
	{name: "flood x3", attack: true, panes: [2]int64{6, 24}, more: times(3)},
	{name: "crowd-flood x10", attack: true, panes: [2]int64{6, 24}, more: times(10), crowd: true},
	{name: "crowd-flood x5", attack: true, panes: [2]int64{6, 24}, more: times(5), crowd: true},
	{name: "pulse x20", attack: true, panes: [2]int64{1, 1}, more: times(20)},
	{name: "ramp x10, even", attack: true, panes: [2]int64{36, 36}, more: func(s float64) float64 { return 9 * s }},
	{name: "ramp x10, doubling", attack: true, panes: [2]int64{36, 36}, more: func(s float64) float64 { return math.Pow(10, s) - 1 }},
	{name: "flash crowd x4", panes: [2]int64{12, 36}, more: crowded(4), crowd: true},
	{name: "shift x2.5, more visitors", panes: [2]int64{forGood, forGood}, more: times(2.5), crowd: true},
	{name: "shift x2.5, busier clients", panes: [2]int64{forGood, forGood}, more: times(2.5), known: true},
	{name: "dormant wakes", panes: [2]int64{forGood, forGood}, more: times(1), crowd: true, flat: 15},
}
