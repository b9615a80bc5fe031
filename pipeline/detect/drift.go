package detect

import "math"

// The drift test finds what the burst test can't: a flood that is only some
// times the usual, and one that rises slowly and takes the recent level along.
// It is a one-sided CUSUM (E. S. Page, 1954) on the log-likelihood ratio of two
// negative-binomial distributions of the pane's count, whose means are multiples
// of the hour's usual mean: what may be, and what is an attack. Sums that go
// below zero start again there.
//
// What is usual is the mean of this hour on the days before, and not the recent
// level, which an attack that lasts would raise: of the last three days the
// second largest, each day's being the largest from the hour before to the hour
// after. So one attack can't raise it, and what came on two days is usual.
//
// Where the recent level is below that, the pane is held against the recent level:
// many times what comes now may be little against the busiest of nine hours.

const (
	driftBound = 7.0 // of the sum: e^-7 at the boundary of what may be
	driftPanes = 2   // at least so many panes in a row raised it
	driftRatio = 3   // the pane itself is at least so many times the usual
	driftPeak  = 1.8 // and so many times what the burst test expects
	crowdRatio = 5   // driftRatio, of a pane that looks like a crowd

	// A jump from a recent level below the usual mean: it is held against that level,
	// but no less than these shares of the usual mean and of what the burst test
	// expects, lasts as long as no burst does, and goes beyond that expectation. A job
	// that begins, or a quiet hour's end, would else be one.
	jumpUsual    = 1.0 / 2
	jumpExpected = 1.0 / 3
	jumpPeak     = 1.3 // driftPeak, of a jump
)

// against returns the mean that a pane is held against, from the hour's usual mean,
// the recent level and what the burst test expects.
func against(usual, level, expected float64) float64 {
	return math.Min(usual, max(level, jumpUsual*usual, jumpExpected*expected))
}

// hypotheses are the multiples of the usual mean that are told apart.
type hypotheses struct{ usual, attack float64 }

// What is told apart at an interface. A crowd brings its flows from as many
// new sources, and all measures of accepted traffic rise alike: four times the
// visitors are an event, not an attack.
var (
	plainDrift = hypotheses{1.8, 4.2}
	crowdDrift = hypotheses{4.5, 9}
)

// trend is the means of the hours, and the score of the test.
type trend struct {
	means season
	sum   float64 // of the current hour's panes
	n     int
	score float64
	run   int // panes in a row that raised it
}

// add takes a pane of the current hour.
func (t *trend) add(x int64) {
	t.sum += float64(x)
	t.n++
}

// turn ends hour from: to is the current one now.
func (t *trend) turn(from, to int64) {
	if t.n > 0 {
		t.means[t.means.slot(from)] = float32(t.sum / float64(t.n))
	}
	t.means.advance(from, to)
	t.sum, t.n = 0, 0
}

// take adds a pane to the score: x in place of the mean mu, with size
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

// drifts reports whether the score strikes with a pane of x; how many panes must
// have raised it, the caller knows.
func (t *trend) drifts(x int64, mu, ratio, least float64) bool {
	return t.score >= driftBound && float64(x) >= ratio*mu && float64(x) >= least
}

// crowd reports whether a pane looks like many visitors more: at least so many
// new sources, which rose nearly as much as accepted flows did, while rejected
// and SYN-only flows did not.
func crowd(counts [NumMeasures]int64, usual [NumMeasures]float64, least float64) bool {
	rise := func(m Measure) float64 { return float64(counts[m]) / math.Max(1, usual[m]) }
	flows := rise(AcceptedFlows)
	if flows < 1.5 || float64(counts[UniqueSources])-usual[UniqueSources] < least || rise(UniqueSources) < 0.6*flows {
		return false
	}
	for _, m := range [...]Measure{RejectedFlows, SynOnlyFlows} {
		if float64(counts[m]) > 0.2*float64(counts[AcceptedFlows]) && rise(m) > 2 {
			return false
		}
	}
	return rise(Bytes) < 2.5*flows && rise(Packets) < 2.5*flows
}
