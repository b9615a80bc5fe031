package detect

import (
	"math"
	"slices"
)

// recentPanes is how many panes start a baseline, and set it anew after a
// shift of the level.
const recentPanes = 12

// The over-dispersion of a key: where it starts and within which bounds it is
// learned.
const (
	priorPhi = 0.25
	leastPhi = 0.02
	mostPhi  = 4
)

// baseline is what is normal for one measure of one interface. Values are in
// the measure's unit, per pane.
type baseline struct {
	m      float64            // recent level
	phi    float64            // over-dispersion: variance = m + phi*m^2
	recent [recentPanes]int64 // the last panes, as a ring that the interface turns
	peaks  season
	trend  trend
	tail   tail
	cand   bool // the last pane with a test was a candidate

	// Of the last test; 0 before the first.
	mu, muPhi float64
}

// learning holds the rates of a pane's length.
type learning struct {
	level      float64 // of m: half-life 1 h
	dispersion float64 // of phi: three times the rate of half-life 24 h
}

func learningRates(pane int64) learning {
	rate := func(halfLife float64) float64 { return 1 - math.Exp2(-float64(pane)/halfLife) }
	return learning{level: rate(3600), dispersion: 3 * rate(24*3600)}
}

// learn moves the level and the dispersion towards a pane's value, winsorised
// at three standard deviations, so that what the test let pass can't carry the
// baseline away.
func (b *baseline) learn(x int64, rates learning) {
	variance := b.m + b.phi*b.m*b.m
	v := math.Min(float64(x), b.m+3*math.Sqrt(variance)+1)
	if b.m >= 1 { // below, the square of the level tells nothing
		square := math.Min((v-b.m)*(v-b.m), 9*variance)
		b.phi += rates.dispersion * (math.Max(0, (square-b.m)/(b.m*b.m)) - b.phi)
		b.phi = math.Min(math.Max(b.phi, leastPhi), mostPhi)
	}
	b.m += rates.level * (v - b.m)
}

// relevel sets the level to the median of the recent panes.
func (b *baseline) relevel() { b.m = median(b.recent) }

func median(recent [recentPanes]int64) float64 {
	slices.Sort(recent[:])
	const half = recentPanes / 2
	return (float64(recent[half-1]) + float64(recent[half])) / 2
}

// expected is what a pane is held against.
type expected struct {
	mu   float64
	kind BaselineKind
	days int // that a seasonal peak rests on
}

// expect combines the recent level with the seasonal peak (0 when absent):
// a quiet hour does not make a busy one surprising, and the recent level may
// raise what is expected to cap times the peak at most.
func (b *baseline) expect(peak float64, days int, limit float64) expected {
	level := b.m
	if peak > 0 {
		level = math.Max(peak, math.Min(b.m, limit*peak))
	}
	switch {
	case level < 1:
		return expected{mu: 1, kind: Nothing}
	case peak > 0 && level == peak:
		return expected{mu: level, kind: Seasonal, days: days}
	}
	return expected{mu: level, kind: Recent}
}
