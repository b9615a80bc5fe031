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

// gamma draws from a gamma distribution of this shape, at least 1, and scale 1
// (Marsaglia and Tsang, 2000).
func (g *Generator) gamma(shape float64) float64 {
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := g.rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-g.rng.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// pareto draws from a Pareto distribution with least value 1.
func (g *Generator) pareto(alpha float64) float64 { return math.Pow(1-g.rng.Float64(), -1/alpha) }

// largestSize is how many times the median the largest transfer has: a request of
// 1.5 MB, an answer of 18 MB, an update of 40 MB.
const largestSize = 1000

// size draws the bytes of one transfer. With Varied one in fifty is of a Pareto
// tail.
func (g *Generator) size(median float64) int64 {
	if g.cfg.Varied && g.rng.IntN(50) == 0 {
		return g.tail(median)
	}
	return g.volume(median)
}

// volume draws the bytes of many small transfers, which are less skewed: never
// more than twelve times the median, but with Harsh.
func (g *Generator) volume(median float64) int64 {
	if g.cfg.Harsh && g.rng.IntN(50) == 0 {
		return g.tail(median)
	}
	return int64(median * math.Exp(max(-2.5, min(2.5, 0.7*g.rng.NormFloat64()))))
}

func (g *Generator) tail(median float64) int64 {
	return int64(median * min(largestSize, 5*g.pareto(1.3)))
}

// clientPort draws a port of an external client.
func (g *Generator) clientPort() uint16 { return uint16(32768 + g.rng.IntN(28232)) }
