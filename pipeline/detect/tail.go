package detect

import "math"

// What the negative-binomial model can't describe is learned as a tail of its own:
// the sizes of files, and of batches, follow power laws (Crovella and Bestavros,
// 1997), and on an interface with few flows one of them is a pane's whole traffic.
//
// Excess is measured in units of the least that can be a candidate:
//
//	z = (x - mu) / max(2*mu, floor)
//
// Panes with P < 1e-3 by the model are counted, with the logarithm of z over z's
// own value at P = 1e-3, which is u. Under the model there is one such pane in a
// thousand and its logarithm is small; where there are more, or larger ones,
//
//	P[Z >= z] = q * (z/u)^(-1/xi)
//
// with q their share of the panes and xi the mean logarithm (Hill, 1975), and the
// test demands that this is below alpha too. Two panes in a row are held against
// the pairs of panes in the same way, by the lesser z of both: a burst that lasts
// is no coincidence of two. Panes beyond the model that follow one another count once,
// by the largest, as soon as they are over and if no incident came of them: an attack
// excuses neither itself nor the next one.
const (
	tailLevel    = 1e-3
	leastExcess  = 0.25
	tailHalfLife = 3 * 24 * 3600 // seconds
	priorXi      = 0.2
	priorPanes   = 1    // that the prior weighs
	freePanes    = 0.25 // of the count: one in some days is the model's own
	mostLog      = 3    // of one pane

	burstsFrom   = 1  // sum of logarithms; the model's own panes bring 0.1 to 0.3 each
	pairWeight   = 10 // how much likelier a pair may be where there are bursts
	lastingPanes = 4  // panes in a row that are no burst, at least
)

var lnTailLevel = math.Log(tailLevel)

// excessUnit is the least excess of a candidate.
func excessUnit(mu, floor float64) float64 { return math.Max((leastRatio-1)*mu, floor) }

// excesses is what is known of panes beyond the model, fading.
type excesses struct {
	n   float32 // panes
	sum float32 // of their ln(z/u)
}

// learn takes a pane, or a pair.
func (e *excesses) learn(z, u float32) {
	if u > 0 && z > u {
		e.n++
		e.sum += float32(math.Min(mostLog, math.Log(float64(z/u))))
	}
}

// least returns from where on z has P < alpha, in units of u; 0 while nothing is
// known beyond the model. panes is how many the counts stand for.
func (e *excesses) least(alpha, panes float64) float64 {
	n := float64(e.n) - freePanes
	if n <= 0 {
		return 0
	}
	xi := (float64(e.sum) + priorXi*priorPanes) / (float64(e.n) + priorPanes)
	return math.Pow(math.Max(1, n/panes/alpha), xi)
}

// tail is what is known of a measure beyond the model.
type tail struct {
	single, pair excesses
	z            float32 // of the last pane, 0 within the model
	run, runPair summit  // of the panes beyond the model up to now, and of their pairs
	longest      float32 // panes that a rise lasted which was no incident, fading
}

// summit is the largest z of some panes, with its u.
type summit struct{ z, u float32 }

func (s *summit) raise(z, u float32) {
	if z > s.z {
		*s = summit{z, u}
	}
}

// meet takes the next pane, of an excess that is 0 within the model, and learns from
// the run of panes that it ends. A run that must not be learned from is forgotten.
func (t *tail) meet(z, u float32, adjacent, learn bool) {
	if !learn {
		t.run, t.runPair = summit{}, summit{}
	}
	if !adjacent || z == 0 {
		t.single.learn(t.run.z, t.run.u)
		t.pair.learn(t.runPair.z, t.runPair.u)
		t.run, t.runPair = summit{}, summit{}
	}
	if learn {
		t.run.raise(z, u)
		if adjacent {
			t.runPair.raise(min(z, t.z), u)
		}
	}
	t.z = z
}

// fade lets a pane's time pass.
func (t *tail) fade(keep float64) {
	k := float32(keep)
	t.single.n, t.single.sum = t.single.n*k, t.single.sum*k
	t.pair.n, t.pair.sum = t.pair.n*k, t.pair.sum*k
	t.longest *= k
}

// bursts reports whether panes far beyond the model come often enough here that
// two in a row may be one burst that lasts.
func (t *tail) bursts() bool { return t.single.sum >= burstsFrom }

// pairLeast is least of pairs.
func (t *tail) pairLeast(alpha, panes float64) float64 {
	least := t.pair.least(alpha, panes)
	if t.bursts() {
		least = math.Max(least, t.single.least(pairWeight*alpha, panes))
	}
	return least
}

// outlasts returns how many panes in a row are more than a burst's: two more than
// the longest of the last days, and four where there are bursts at all.
func (t *tail) outlasts() float64 {
	switch {
	case t.longest >= 1:
		return math.Max(lastingPanes, math.Round(float64(t.longest))+2)
	case t.bursts():
		return lastingPanes
	}
	return 0
}

// values lists all of the state.
func (t *tail) values() [10]*float32 {
	return [10]*float32{
		&t.single.n, &t.single.sum, &t.pair.n, &t.pair.sum, &t.z,
		&t.run.z, &t.run.u, &t.runPair.z, &t.runPair.u, &t.longest,
	}
}
