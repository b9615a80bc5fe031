package detect

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

const (
	hugeMean = 1e9
	lnLeast  = -745.0 // of the least float64 above 0
)

// lnUpperTail returns ln P[X >= x] of a negative binomial variable with mean
// mu > 0 and variance mu + phi*mu^2; phi = 0 is the Poisson distribution.
//
// With r = 1/phi and q = mu/(r+mu), P[X >= x] = I_q(x, r), the regularised
// incomplete beta function. The logarithm stays finite where P itself is too
// small for a float64.
func lnUpperTail(x int64, mu, phi float64) float64 {
	if x <= 0 {
		return 0
	}
	a := float64(x)
	if phi <= 0 {
		return lnPoissonTail(a, mu)
	}
	r := 1 / phi
	if mu > hugeMean {
		// q can't be told from 1 any more; X/mu is a gamma variable.
		return math.Max(lnLeast, math.Log(mathext.GammaIncRegComp(r, r*a/mu)))
	}
	q := mu / (r + mu)
	// Beyond the mode the continued fraction converges fast, and keeps its
	// precision at any size; before it, P is no small number.
	if q < (a+1)/(a+r+2) {
		return lnBetaTail(a, r, mu)
	}
	return math.Log(math.Min(1, mathext.RegIncBeta(a, r, q)))
}

// lnBetaTail is ln I_q(a, r), q = mu/(r+mu), by the continued fraction of the
// incomplete beta function (Lentz's method; Numerical Recipes, 6.4).
func lnBetaTail(a, r, mu float64) float64 {
	lnQ := -math.Log1p(r / mu) // ln(mu/(r+mu))
	lnP := -math.Log1p(mu / r) // ln(r/(r+mu))
	q := 1 / (1 + r/mu)
	fraction := betaFraction(a, r, q)
	return math.Min(0, a*lnQ+r*lnP-math.Log(a)-mathext.Lbeta(a, r)+math.Log(fraction))
}

// betaFraction evaluates the continued fraction to full precision; the number
// of terms grows with the square root of the greater parameter.
func betaFraction(a, b, x float64) float64 {
	const (
		tiny     = 1e-300
		maxTerms = 100_000
		close    = 1e-14
	)
	away := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c := 1.0
	d := 1 / away(1-(a+b)*x/(a+1))
	h := d
	for m := 1.0; m < maxTerms; m++ {
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d = 1 / away(1+even*d)
		c = away(1 + even/c)
		h *= d * c
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d = 1 / away(1+odd*d)
		c = away(1 + odd/c)
		h *= d * c
		if math.Abs(d*c-1) < close {
			break
		}
	}
	return h
}

// lnPoissonTail is ln P[X >= a] = ln of the regularised lower incomplete gamma
// function at (a, mu); by its series where it is small.
func lnPoissonTail(a, mu float64) float64 {
	if a <= mu {
		return math.Log(mathext.GammaIncReg(a, mu))
	}
	term, sum := 1.0, 1.0
	for n := a + 1; term > sum*1e-17; n++ {
		term *= mu / n
		sum += term
	}
	lgamma, _ := math.Lgamma(a + 1)
	return math.Min(0, a*math.Log(mu)-mu-lgamma+math.Log(sum))
}

// upperQuantile returns the least x with ln P[X >= x] < lnAlpha, not below
// from. from itself is tried first: it often is the answer, since thresholds
// have other terms too.
func upperQuantile(from int64, mu, phi, lnAlpha float64) int64 {
	from = max(from, 1)
	low, lnLow := from, lnUpperTail(from, mu, phi)
	if lnLow < lnAlpha {
		return from
	}
	high, lnHigh := from, lnLow
	for step := max(from/2, 8); lnHigh >= lnAlpha; step *= 2 {
		low, lnLow = high, lnHigh
		high += step
		lnHigh = lnUpperTail(high, mu, phi)
	}
	// The logarithm of the tail is nearly straight, so a point on the chord is
	// close to the answer, and so is the one above it; every third step halves
	// the bracket, so that it ends.
	for i := int64(0); high-low > 1; i++ {
		mid := low + (high-low)/2
		if i%3 != 2 {
			chord := low + int64(float64(high-low)*(lnLow-lnAlpha)/(lnLow-lnHigh))
			mid = min(max(chord+i%3, low+1), high-1)
		}
		if ln := lnUpperTail(mid, mu, phi); ln < lnAlpha {
			high, lnHigh = mid, ln
		} else {
			low, lnLow = mid, ln
		}
	}
	return high
}
