package detect

import (
	"math/rand/v2"
	"testing"
	"time"
)

// The threshold is the least count that is a candidate: one less is none.
func TestLevelsThreshold(t *testing.T) {
	for _, flows := range []int64{0, 3, 100, 20_000} {
		c := newIngressCase(t).panes(3*day, flows, func(l *Load) {
			l.Values[AcceptedFlows] = max(0, flows+flows/3*(c3(l)-1))
		})
		var level Level
		n := 0
		for l := range c.rule.Levels() {
			n++
			if l.Measure == AcceptedFlows {
				level = l
			}
		}
		if n != int(NumMeasures) {
			t.Fatalf("%d levels, want one of each measure", n)
		}
		in := c.rule.interfaces[level.Key]
		for _, k := range []struct {
			x    float64
			want bool
		}{{level.Threshold, true}, {level.Threshold - 1, false}} {
			again := *in
			b := again.measures[AcceptedFlows]
			x := int64(k.x)
			cand := lnUpperTail(x, b.mu, b.muPhi) < c.rule.lnA && k.x >= leastRatio*b.mu && k.x-b.mu >= c.rule.cfg.floor(AcceptedFlows)
			if cand != k.want {
				t.Errorf("%d flows: %d is a candidate: %v, want %v (threshold %v, expected %v)", flows, x, cand, k.want, level.Threshold, level.Expected)
			}
		}
	}
}

// c3 makes a pattern of 0, 1, 2 out of the pane.
func c3(l *Load) int64 { return (l.First / fiveMinutes) % 3 }

func TestLevelsInBytes(t *testing.T) {
	c := newIngressCase(t).panes(20, 0, bytesOf(1<<20))
	for l := range c.rule.Levels() {
		if l.Measure == Bytes && (l.Observed != 1<<20 || l.Expected != 1<<20 || l.Threshold < 6<<20) {
			t.Errorf("observed %v, expected %v, threshold %v; want 1 MiB twice and 5 MiB more", l.Observed, l.Expected, l.Threshold)
		}
	}
}

func TestLevelsOnlyOfTheLastPane(t *testing.T) {
	c := newIngressCase(t).panes(20, 100).elsewhere(1)
	for l := range c.rule.Levels() {
		t.Errorf("there is a level of %v, which was not in the last pane or never tested", l.Key)
	}
}

// On traffic that follows the model, P falls below a level about as often as
// the level says.
func TestCalibrationFollowsTheModel(t *testing.T) {
	c := newIngressCase(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range 30 * day {
		// Negative binomial as a Poisson variable with a gamma-distributed
		// mean: here the sum of four exponential ones, so phi is 1/4.
		mean := 0.0
		for range 4 {
			mean += random.ExpFloat64() * 50
		}
		flows := int64(0)
		for at := random.ExpFloat64(); at < mean; at += random.ExpFloat64() {
			flows++
		}
		c.panes(1, flows)
	}
	k := c.rule.TakeCalibration()[AcceptedFlows]
	if k.Tested != 30*day-12 {
		t.Errorf("%d panes were tested, want %d", k.Tested, 30*day-12)
	}
	// mu is at least the seasonal peak, so that fewer are expected, not more.
	if share := float64(k.Below2) / float64(k.Tested); share > 1e-2 {
		t.Errorf("a share of %g has P below 1e-2", share)
	}
	if k.Below4 > k.Below3 || k.Below3 > k.Below2 {
		t.Errorf("counts do not nest: %+v", k)
	}
	if again := c.rule.TakeCalibration()[AcceptedFlows]; again != (Calibration{}) {
		t.Errorf("taken twice: %+v", again)
	}
}

func manyLoads(n int) []Load {
	loads := make([]Load, n)
	for i := range loads {
		loads[i] = Load{Key: Key{"111122223333", "vpc-0abc", string(rune('a'+i/676%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26))}, OK: true}
		for m := range loads[i].Values {
			loads[i].Values[m] = int64(100 + (i*7+m*13)%50)
		}
		loads[i].Values[Bytes] *= 1024
	}
	return loads
}

func TestSpikeAllocatesNothingInSteadyState(t *testing.T) {
	rule := NewSpike(DefaultSpike(), 5*time.Minute)
	loads := manyLoads(50)
	i := int64(0)
	pane := func() {
		rule.Detect(&Pane{Start: startOf(i), End: startOf(i + 1), Loads: loads})
		i++
	}
	for range 20 {
		pane()
	}
	if n := testing.AllocsPerRun(100, pane); n > 1 { // the pane itself
		t.Errorf("%v allocations for a pane of 50 interfaces", n)
	}
}

func BenchmarkSpikeDetect(b *testing.B) {
	rule := NewSpike(DefaultSpike(), 5*time.Minute)
	loads := manyLoads(10_000)
	i := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		rule.Detect(&Pane{Start: startOf(i), End: startOf(i + 1), Loads: loads})
		i++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(loads)), "ns/interface")
}

func BenchmarkSpikeLevels(b *testing.B) {
	rule := NewSpike(DefaultSpike(), 5*time.Minute)
	loads := manyLoads(1000)
	for i := range int64(100) {
		rule.Detect(&Pane{Start: startOf(i), End: startOf(i + 1), Loads: loads})
	}
	b.ReportAllocs()
	for b.Loop() {
		for range rule.Levels() {
		}
	}
}
