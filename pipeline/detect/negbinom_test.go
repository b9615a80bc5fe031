package detect

import (
	"math"
	"math/big"
	"testing"

	"gonum.org/v1/gonum/mathext"
	"pgregory.net/rapid"
)

// slowTail sums P[X = k] from x on with 200-bit numbers. quarters is 4/phi, so
// that the power r = quarters/4 needs no more than square roots.
func slowTail(x int64, mu float64, quarters int) *big.Float {
	const precision = 200
	num := func(v float64) *big.Float { return new(big.Float).SetPrec(precision).SetFloat64(v) }
	op := func() *big.Float { return new(big.Float).SetPrec(precision) }
	r := num(float64(quarters) / 4)
	all := op().Add(r, num(mu))
	q := op().Quo(num(mu), all)
	root := op().Sqrt(op().Sqrt(op().Quo(r, all)))
	p := num(1) // P[X = 0] = (r/(r+mu))^r
	for range quarters {
		p.Mul(p, root)
	}
	sum := num(0)
	for k := int64(0); ; k++ {
		if k >= x {
			sum.Add(sum, p)
			if small := op().Quo(p, sum); k > x+int64(mu) && small.Cmp(num(1e-20)) < 0 {
				return sum
			}
		}
		p.Mul(p, q)
		p.Mul(p, op().Add(r, num(float64(k))))
		p.Quo(p, num(float64(k+1)))
	}
}

func ln(f *big.Float) float64 {
	exponent := f.MantExp(nil)
	mantissa, _ := new(big.Float).SetMantExp(f, -exponent).Float64()
	return math.Log(mantissa) + float64(exponent)*math.Ln2
}

func TestUpperTailAgainstSums(t *testing.T) {
	for _, c := range []struct {
		x        int64
		mu       float64
		quarters int // 4/phi
	}{
		{1, 1, 1}, {1, 1, 200}, {2, 1, 16}, {51, 1, 16}, {400, 1, 16},
		{3, 2.5, 4}, {60, 10, 16}, {10, 10, 16}, {9, 10, 16}, {1, 1000, 1},
		{100, 100, 200}, {150, 100, 200}, {300, 100, 200}, {1000, 100, 16}, {5000, 100, 200},
		{12_900, 1250, 36}, {90, 100, 1}, {900, 100, 1},
		{8000, 2000, 16}, {16_000, 2000, 200}, {2001, 2000, 200},
	} {
		want := ln(slowTail(c.x, c.mu, c.quarters))
		got := lnUpperTail(c.x, c.mu, 4/float64(c.quarters))
		if math.Abs(got-want) > 1e-9*math.Max(1, math.Abs(want)) {
			t.Errorf("ln P[X >= %d], mu %v, phi %v: got %.15g, want %.15g", c.x, c.mu, 4/float64(c.quarters), got, want)
		}
	}
}

func TestUpperTailAtZero(t *testing.T) {
	for _, x := range []int64{0, -1} {
		if got := lnUpperTail(x, 3, 0.25); got != 0 {
			t.Errorf("x %d: ln P is %v, want 0", x, got)
		}
	}
}

// With phi towards 0 the variable is Poisson's, and with phi = 0 it is.
func TestUpperTailPoissonLimit(t *testing.T) {
	for _, c := range []struct {
		x  int64
		mu float64
	}{{1, 1}, {5, 1}, {20, 1}, {10, 10}, {40, 10}, {130, 100}, {220, 100}} {
		want := math.Log(mathext.GammaIncReg(float64(c.x), c.mu))
		for _, phi := range []float64{0, 1e-9} {
			if got := lnUpperTail(c.x, c.mu, phi); math.Abs(got-want) > 1e-4*math.Max(1, math.Abs(want)) {
				t.Errorf("x %d, mu %v, phi %v: ln P is %v, want %v", c.x, c.mu, phi, got, want)
			}
		}
	}
}

// At large means X/mu is a gamma variable of shape 1/phi.
func TestUpperTailGammaLimit(t *testing.T) {
	for _, mu := range []float64{1e9, 1e11, 1e13, 1e16} {
		for _, phi := range []float64{0.02, 0.25, 4} {
			for _, ratio := range []float64{1.05, 2, 5} {
				want := math.Log(mathext.GammaIncRegComp(1/phi, ratio/phi))
				got := lnUpperTail(int64(mu*ratio), mu, phi)
				if math.Abs(got-want) > 1e-4*math.Max(1, math.Abs(want)) {
					t.Errorf("mu %g, phi %v, ratio %v: ln P is %v, want %v", mu, phi, ratio, got, want)
				}
			}
		}
	}
}

func TestUpperTailBelowFloat64(t *testing.T) {
	got := lnUpperTail(1_000_000, 100, 0.02)
	if math.IsInf(got, 0) || math.IsNaN(got) || got > -10_000 {
		t.Errorf("ln P is %v, want a finite number far below -10000", got)
	}
}

func TestUpperTailIsATail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mu := math.Exp(rapid.Float64Range(0, 30).Draw(t, "ln mu"))
		phi := rapid.Float64Range(leastPhi, mostPhi).Draw(t, "phi")
		x := int64(mu * rapid.Float64Range(0, 50).Draw(t, "ratio"))
		step := 1 + x/1000
		here, next := lnUpperTail(x, mu, phi), lnUpperTail(x+step, mu, phi)
		if math.IsNaN(here) || math.IsInf(here, 0) || here > 0 {
			t.Fatalf("ln P[X >= %d] is %v", x, here)
		}
		if next > here+1e-9*math.Max(1, -here) {
			t.Fatalf("the tail rises from %v to %v between %d and %d", here, next, x, x+step)
		}
	})
}

func TestUpperQuantile(t *testing.T) {
	lnAlpha := math.Log(5.8e-7)
	rapid.Check(t, func(t *rapid.T) {
		mu := math.Exp(rapid.Float64Range(0, 15).Draw(t, "ln mu"))
		phi := rapid.Float64Range(leastPhi, mostPhi).Draw(t, "phi")
		from := int64(math.Ceil(mu * rapid.Float64Range(0, 60).Draw(t, "from")))
		got := upperQuantile(from, mu, phi, lnAlpha)
		if got < from || lnUpperTail(got, mu, phi) >= lnAlpha {
			t.Fatalf("%d is no quantile from %d on", got, from)
		}
		if got > max(from, 1) && lnUpperTail(got-1, mu, phi) < lnAlpha {
			t.Fatalf("%d is not the least", got)
		}
	})
}

func BenchmarkUpperTail(b *testing.B) {
	for _, c := range []struct {
		name string
		x    int64
		mu   float64
		phi  float64
	}{{"small", 12, 5, 0.25}, {"large", 3_000_000, 1_000_000, 0.1}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				lnUpperTail(c.x, c.mu, c.phi)
			}
		})
	}
}

func BenchmarkUpperQuantile(b *testing.B) {
	b.ReportAllocs()
	lnAlpha := math.Log(5.8e-7)
	for b.Loop() {
		upperQuantile(30_000, 10_000, 0.25, lnAlpha)
	}
}
