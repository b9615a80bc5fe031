package detect

import (
	"iter"
	"math"
)

// Level is what the last pane of one interface was held against, in one
// measure's own unit (bytes are bytes).
type Level struct {
	Key
	Measure  Measure
	Expected float64
	// Threshold is the least count that is a candidate, in a pane that looks like
	// no crowd and in which flows rose too.
	Threshold float64
}

// Levels yields the levels of the last pane, by ascending key, for the
// interfaces that were tested. Thresholds are computed here, so a caller that
// shows none pays for none. It must not run beside Detect.
func (s *Spike) Levels() iter.Seq[Level] {
	return func(yield func(Level) bool) {
		for _, in := range s.order {
			if in.tested != s.last {
				continue
			}
			for m := range NumMeasures {
				if !yield(s.level(in, m)) {
					return
				}
			}
		}
	}
}

func (s *Spike) level(in *ingress, m Measure) Level {
	b := &in.measures[m]
	least := int64(math.Ceil(max(leastRatio*b.mu, b.mu+s.cfg.floor(m))))
	threshold := upperQuantile(least, b.mu, b.muPhi, s.lnA)
	unit := float64(m.unit())
	return Level{Key: in.Key, Measure: m, Expected: b.mu * unit, Threshold: float64(threshold) * unit}
}
