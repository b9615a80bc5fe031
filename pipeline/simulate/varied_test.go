package simulate

import (
	"math"
	"slices"
	"testing"
	"time"
)

// The traffic that false findings are judged on must have what makes real
// traffic hard: rates of all magnitudes, days and weekends, departures that last
// and are no Poisson noise, bursts.
func TestVariedTrafficIsUneven(t *testing.T) {
	g := generator(t, Config{Seed: 2, Interfaces: 200, VPCs: 4, Varied: true, Start: noon.Truncate(24 * time.Hour)}) // a Monday
	var all []*eni
	for _, v := range g.vpcs {
		all = append(all, v.enis...)
	}
	const panes = 7 * 288
	levels := make([][]float64, len(all)) // mean of each five minutes, against the smooth level
	smooths := make([][]float64, len(all))
	for range panes {
		for i, e := range all {
			sum, expected := 0.0, 0.0
			for range 5 {
				g.blow(e)
				sum, expected = sum+e.level, expected+e.smooth
				g.now += minute
			}
			g.now -= 5 * minute
			levels[i] = append(levels[i], sum/expected)
			smooths[i] = append(smooths[i], expected/5)
		}
		g.now += 5 * minute
	}

	scales, bursty := []float64{}, 0
	for _, e := range all {
		scales = append(scales, e.rhythm.scale)
		if e.rhythm.bursty {
			bursty++
		}
	}
	slices.Sort(scales)
	if m := mean(scales); m < 0.8 || m > 1.2 || scales[len(scales)/2] > 0.7*m || scales[len(scales)-1] < 5*m || scales[0] > 0.1*m {
		t.Errorf("rates from %.2f over %.2f in the middle to %.2f, %.2f on average", scales[0], scales[len(scales)/2], scales[len(scales)-1], m)
	}
	if share := float64(bursty) / float64(len(all)); math.Abs(share-burstyShare) > 0.06 {
		t.Errorf("%.2f of the interfaces are bursty", share)
	}
	var correlations []float64
	for i, e := range all {
		m, v := mean(levels[i]), variance(levels[i])
		highest := slices.Max(levels[i])
		if e.rhythm.bursty {
			if highest < 2.5 {
				t.Errorf("interface %d is bursty, and at most %.1f times its level", i, highest)
			}
			continue
		}
		if m < 0.8 || m > 1.2 || v < 0.005 || v > 0.5 || highest > 5 {
			t.Errorf("interface %d: level %.2f, variance %.3f, at most %.1f", i, m, v, highest)
		}
		correlations = append(correlations, correlation(levels[i]))
		day := smooths[i][:288]
		if quiet, busy := slices.Min(day), slices.Max(day); busy/quiet < 1.05 || busy/quiet > 20 {
			t.Errorf("interface %d: a day from %.2f to %.2f", i, quiet, busy)
		}
		if ratio := mean(smooths[i][5*288:]) / mean(smooths[i][:5*288]); math.Abs(ratio-e.rhythm.weekend) > 0.01 {
			t.Errorf("interface %d: a weekend of %.2f, want %.2f", i, ratio, e.rhythm.weekend)
		}
	}
	if r := mean(correlations); r < 0.3 || slices.Min(correlations) < 0 {
		t.Errorf("neighbouring panes have a correlation of %.2f on average, %.2f at least", r, slices.Min(correlations))
	}
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

func variance(x []float64) float64 {
	m, sum := mean(x), 0.0
	for _, v := range x {
		sum += (v - m) * (v - m)
	}
	return sum / float64(len(x))
}

// correlation is that of neighbours.
func correlation(x []float64) float64 {
	m, sum := mean(x), 0.0
	for i := range x[1:] {
		sum += (x[i] - m) * (x[i+1] - m)
	}
	return sum / float64(len(x)) / variance(x)
}

// Sizes of transfers have a tail, which ends somewhere.
func TestSizesAreSkewed(t *testing.T) {
	g := generator(t, Config{Varied: true})
	var sizes []int64
	for range 100_000 {
		sizes = append(sizes, g.size(1000))
	}
	slices.Sort(sizes)
	if median := sizes[50_000]; median < 950 || median > 1100 {
		t.Errorf("a median of %d", median)
	}
	if p999, most := sizes[99_900], sizes[99_999]; p999 < 15_000 || most < 100_000 || most > largestSize*1000 {
		t.Errorf("one in a thousand is above %d, the largest %d", p999, most)
	}
}
