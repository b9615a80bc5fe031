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
// Panes with P < 1e-3 by the model are counted, with the logarithm of z over u,
// which is z at P = 1e-3. Under the model there is one such pane in a thousand and
// its logarithm is small; where there are more, or larger ones,
//
//	P[Z >= z] = q * (z/u)^(-1/xi)
//
// with q their share of the panes and xi the mean logarithm (Hill, 1975). What needs
// no second pane demands that this is below aloneWeight*alpha too, two panes in a row
// that it is below pairWeight*alpha, and Medium that it is below alpha. Of the two it
// is the lesser z that counts: a burst that lasts is no coincidence of two. Panes
// beyond the model that follow one another are learned once, by the largest, when
// they are over and if no incident came of them: an attack that is found excuses
// neither itself nor the next one.
const (
	tailLevel    = 1e-3
	leastExcess  = 0.25          // u at least: below a quarter of a candidate nothing is a burst
	tailHalfLife = 3 * 24 * 3600 // seconds; the seasons too remember three days
	priorXi      = 0.2           // weighs as one pane; the model's own is 0.1 with phi = 0.15
	mostLog      = 3             // of one pane, so that none teaches more than a factor of 20

	// What is found may be so many times as common as alpha, and is Low then. With 10
	// for both, 20 of 60 pulses were missed where traffic is uneven, and not 12; with
	// 100 for both there were 7 false findings of Medium in place of 3. With 100 in
	// place of 200 one burst within three days hides a pulse as high as itself.
	aloneWeight = 200
	pairWeight  = 10

	// Where the logarithms sum up to burstsFrom there are bursts, and drift takes
	// lastingPanes: without that it brought half of the false findings there. The
	// model's own panes bring 0.1 to 0.3 each.
	burstsFrom   = 1
	lastingPanes = 4
)

var lnTailLevel = math.Log(tailLevel)

// excessUnit is the least excess of a candidate.
func excessUnit(mu, floor float64) float64 { return math.Max((leastRatio-1)*mu, floor) }

// tail is what is known of a measure's panes beyond the model, fading.
type tail struct {
	n   float32 // panes
	sum float32 // of their ln(z/u)
	z   float32 // of the last pane, 0 within the model
	run summit  // of the panes beyond the model up to now
}

// summit is the largest z of some panes, with its u.
type summit struct{ z, u float32 }

// least returns from where on z has P < alpha, 0 while nothing is known beyond the
// model. panes is how many n stands for.
func (t *tail) least(u, alpha, panes float64) float64 {
	if t.n == 0 {
		return 0
	}
	xi := (float64(t.sum) + priorXi) / (float64(t.n) + 1)
	return u * math.Pow(math.Max(1, float64(t.n)/panes/alpha), xi)
}

// meet takes the next pane, whose z is 0 within the model, and learns the run of
// panes that it ends. A run that must not be learned is forgotten.
func (t *tail) meet(z, u float32, adjacent, learn bool) {
	if !learn {
		t.run = summit{}
	}
	if !adjacent || z == 0 {
		t.learn(t.run)
		t.run = summit{}
	}
	if learn && z > t.run.z {
		t.run = summit{z, u}
	}
	t.z = z
}

func (t *tail) learn(run summit) {
	if run.u > 0 && run.z > run.u {
		t.n++
		t.sum += float32(math.Min(mostLog, math.Log(float64(run.z/run.u))))
	}
}

// fade lets a pane's time pass.
func (t *tail) fade(keep float32) {
	t.n *= keep
	t.sum *= keep
}

// bursts reports whether panes far beyond the model come often enough here that
// some in a row may be one burst that lasts.
func (t *tail) bursts() bool { return t.sum >= burstsFrom }

// values lists all of the state.
func (t *tail) values() [5]*float32 {
	return [...]*float32{&t.n, &t.sum, &t.z, &t.run.z, &t.run.u}
}
