package simulate

import (
	"math"
	"math/rand/v2"
)

// poisson draws from a Poisson distribution.
func (g *Generator) poisson(mean float64) int { return poisson(g.rng, mean) }

func poisson(rng *rand.Rand, mean float64) int {
	if mean <= 0 {
		return 0
	}
	n := 0
	// Knuth's method multiplies until e^-mean; a great mean is a sum of small ones.
	for ; mean > 30; mean -= 30 {
		n += smallPoisson(rng, 30)
	}
	return n + smallPoisson(rng, mean)
}

func smallPoisson(rng *rand.Rand, mean float64) int {
	limit := math.Exp(-mean)
	n := 0
	for p := rng.Float64(); p > limit; p *= rng.Float64() {
		n++
	}
	return n
}

// size draws a number of bytes: skewed as sizes of transfers are, but never
// more than twelve times the median, so that no single one makes a spike.
func (g *Generator) size(median float64) int64 {
	return int64(median * math.Exp(max(-2.5, min(2.5, 0.7*g.rng.NormFloat64()))))
}

// clientPort draws a port of an external client.
func (g *Generator) clientPort() uint16 { return uint16(32768 + g.rng.IntN(28232)) }
