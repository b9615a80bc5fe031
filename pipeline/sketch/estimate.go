package sketch

import "math"

// Estimate returns the number of distinct hashes inserted, by the improved
// raw estimator of Ertl, "New cardinality estimation algorithms for
// HyperLogLog sketches" (2017), algorithm 6: no tables, no thresholds between
// ranges, no bias worth correcting. Standard error 1.04/sqrt(2^p).
//
// Products are rounded by conversion before they are added, so that no
// architecture fuses them and every one gives the same bits.
func (h *HLL) Estimate() float64 {
	var count [66]int32
	for _, rank := range h.registers {
		count[rank]++
	}
	m := float64(len(h.registers))
	q := int(h.maxRank()) - 1
	z := m * tau(1-float64(count[q+1])/m)
	for k := q; k >= 1; k-- {
		z = 0.5 * (z + float64(count[k]))
	}
	z += float64(m * sigma(float64(count[0])/m))
	return m / (2 * math.Ln2) * (m / z)
}

// Count is Estimate, rounded.
func (h *HLL) Count() uint64 { return uint64(math.Round(h.Estimate())) }

// sigma is x + sum over k >= 1 of x^(2^k) * 2^(k-1).
func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x *= x
		last := z
		z += float64(x * y)
		y += y
		if z == last {
			return z
		}
	}
}

// tau is (1 - x - sum over k >= 1 of (1 - x^(2^-k))^2 * 2^-k) / 3.
func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		last := z
		y *= 0.5
		z -= float64((1 - x) * (1 - x) * y)
		if z == last {
			return z / 3
		}
	}
}
