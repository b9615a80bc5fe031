package detect

import "math"

// The drift test finds what the burst test can't: a flood that is only some
// times the usual, and one that rises slowly and takes the recent level along.
// It is a one-sided CUSUM (E. S. Page, 1954) on the log-likelihood ratio of two
// negative-binomial distributions of the pane's count, whose means are multiples
// of the hour's usual mean: what may be, and what is an attack. Sums that go
// below zero start again there.
//
// What is usual is the mean of the same hour of the days before, an average with
// weight 0.4 for the newest day, and not the recent level, which an attack that
// lasts would raise.

const (
	driftBound  = 7.0 // of the sum: e^-7 at the boundary of what may be
	driftPanes  = 2   // at least so many panes in a row raised it
	driftRatio  = 3   // the pane itself is at least so many times the usual
	driftWeight = 0.4 // of the newest day in an hour's mean
	crowdRatio  = 5   // driftRatio, of a pane that looks like a crowd
)

// hypotheses are the multiples of the usual mean that are told apart.
type hypotheses struct{ usual, attack float64 }

// What is told apart at an interface. A crowd brings its flows from as many
// new sources, and all measures of accepted traffic rise alike: four times the
// visitors are an event, not an attack.
var (
	plainDrift = hypotheses{2, 4.5}
	crowdDrift = hypotheses{4.5, 9}
)

// trend is the mean of each hour of the day, and the sum of the test.
type trend struct {
	hours [24]float32 // mean of a pane; unknown before the first day
	days  [24]uint8   // behind it, up to 2
	sum   float64     // of the current hour's panes
	n     int
	score float64 // of the test
	run   int     // panes in a row that raised it
}

// usual returns the mean around an hour, the largest of it and its neighbours,
// and whether it rests on two days.
func (t *trend) usual(h int64) (mean float64, ok bool) {
	at := int(h%24+24) % 24
	if t.days[at] < leastDays {
		return 0, false
	}
	mean = float64(t.hours[at])
	for _, beside := range [...]int{(at + 23) % 24, (at + 1) % 24} {
		if t.days[beside] > 0 {
			mean = math.Max(mean, float64(t.hours[beside]))
		}
	}
	return math.Max(1, mean), true
}

// turn ends an hour.
func (t *trend) turn(h int64) bool {
	if t.n == 0 {
		return false
	}
	at, mean := int(h%24+24)%24, t.sum/float64(t.n)
	if t.days[at] == 0 {
		t.hours[at] = float32(mean)
	} else {
		t.hours[at] += driftWeight * (float32(mean) - t.hours[at])
	}
	t.days[at] = min(leastDays, t.days[at]+1)
	t.sum, t.n = 0, 0
	return true
}

// take adds a pane to the score: x in place of the usual mean mu, with size
// r = 1/phi of the distribution. Below least it can only lower it.
func (t *trend) take(x int64, mu, phi float64, h hypotheses, least float64) {
	r := 1 / phi
	low, high := h.usual*mu, h.attack*mu
	gain := float64(x)*math.Log(h.attack/h.usual) - (float64(x)+r)*math.Log((r+high)/(r+low))
	if float64(x) < least {
		gain = math.Min(gain, 0)
	}
	t.score = math.Max(0, math.Min(t.score+gain, 4*driftBound))
	if gain > 0 {
		t.run++
	} else {
		t.run = 0
	}
}

// drifts reports whether the test has struck with a pane of x.
func (t *trend) drifts(x int64, mu, ratio, least float64) bool {
	return t.score >= driftBound && t.run >= driftPanes && float64(x) >= ratio*mu && float64(x) >= least
}

// crowd reports whether a pane looks like many visitors more: sources rose nearly
// as much as accepted flows did, and neither rejected nor SYN-only flows did
// nearly as much.
func crowd(counts [NumMeasures]int64, usual [NumMeasures]float64) bool {
	rise := func(m Measure) float64 { return float64(counts[m]) / math.Max(1, usual[m]) }
	flows := rise(AcceptedFlows)
	if flows < 1.5 || rise(UniqueSources) < 0.6*flows {
		return false
	}
	for _, m := range [...]Measure{RejectedFlows, SynOnlyFlows} {
		if float64(counts[m]) > 0.2*float64(counts[AcceptedFlows]) && rise(m) > 2 {
			return false
		}
	}
	return rise(Bytes) < 2.5*flows && rise(Packets) < 2.5*flows
}
