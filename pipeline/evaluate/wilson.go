package evaluate

import "math"

// z95 is the 97.5 % quantile of the normal distribution.
const z95 = 1.959963984540054

// Wilson returns the score interval at 95 % for a share of which k of n were
// seen (E. B. Wilson, "Probable inference", 1927). Of nothing it is 0 to 1.
func Wilson(k, n int) (low, high float64) {
	if n <= 0 {
		return 0, 1
	}
	p, m := float64(k)/float64(n), float64(n)
	centre := p + z95*z95/(2*m)
	spread := z95 * math.Sqrt(p*(1-p)/m+z95*z95/(4*m*m))
	scale := 1 + z95*z95/m
	low, high = (centre-spread)/scale, (centre+spread)/scale
	if k == 0 {
		low = 0
	}
	if k == n {
		high = 1
	}
	return low, high
}

// PoissonUpper returns the upper end of the exact 95 % interval (one-sided
// 97.5 %) for the mean of a Poisson variable that came out as k (F. Garwood,
// 1936). It is found by bisection on the distribution itself.
func PoissonUpper(k int) float64 {
	low, high := float64(k), float64(k)+10*math.Sqrt(float64(k)+1)+10
	for range 100 {
		mid := (low + high) / 2
		if poissonBelow(k, mid) > 0.025 {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

// poissonBelow is P[X <= k] for a Poisson variable of this mean.
func poissonBelow(k int, mean float64) float64 {
	sum := 0.0
	for i := 0; i <= k; i++ {
		lg, _ := math.Lgamma(float64(i) + 1)
		sum += math.Exp(float64(i)*math.Log(mean) - mean - lg)
	}
	return sum
}
