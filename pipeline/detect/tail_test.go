package detect

import (
	"math"
	"strings"
	"testing"
)

func TestTailLeast(t *testing.T) {
	const alpha, panes = 1e-6, 1000
	for _, k := range []struct {
		name string
		tail tail
		want float64 // in units of u
	}{
		{"nothing beyond the model", tail{}, 0},
		{"rarer than alpha", tail{n: 1e-4, sum: 1}, 1},
		// xi = (0.3+0.2)/(1+1) = 0.25, q = 1/1000
		{"one pane, a little beyond", tail{n: 1, sum: 0.3}, math.Pow(1000, 0.25)},
		// xi = (6.8+0.2)/(9+1) = 0.7, q = 9/1000
		{"nine panes of a heavy tail", tail{n: 9, sum: 6.8}, math.Pow(9000, 0.7)},
	} {
		if got := k.tail.least(0.5, alpha, panes); math.Abs(got-0.5*k.want) > 1e-3*k.want {
			t.Errorf("%s: %v, want %v", k.name, got, 0.5*k.want)
		}
	}
}

func TestTailLearnsRunsOnceAndWhenTheyAreOver(t *testing.T) {
	type pane struct {
		z               float32
		adjacent, learn bool
	}
	for _, k := range []struct {
		name  string
		panes []pane
		n     float32
		top   float32 // z of the last one that was learned
	}{
		{"within the model", []pane{{0, true, true}, {0, true, true}}, 0, 0},
		{"still going on", []pane{{2, true, true}, {3, true, true}}, 0, 0},
		{"one pane", []pane{{2, true, true}, {0, true, true}}, 1, 2},
		{"three in a row", []pane{{2, true, true}, {3, true, true}, {2, true, true}, {0, true, true}}, 1, 3},
		{"two runs", []pane{{2, true, true}, {0, true, true}, {2, true, true}, {2, true, true}, {0, true, true}}, 2, 2},
		{"a run that ends with a gap", []pane{{2, true, true}, {0, false, true}}, 1, 2},
		{"a gap between two", []pane{{2, true, true}, {4, false, true}, {0, true, true}}, 2, 4},
		{"an incident came of it", []pane{{2, true, true}, {9, true, false}, {9, true, false}, {0, true, true}}, 0, 0},
		{"as large as a tail allows", []pane{{1e9, true, true}, {0, true, true}}, 1, float32(0.5 * math.Exp(mostLog))},
	} {
		var tl tail
		var last float32
		for _, p := range k.panes {
			before := tl.sum
			tl.meet(p.z, 0.5, p.adjacent, p.learn)
			if tl.sum > before {
				last = float32(0.5 * math.Exp(float64(tl.sum-before)))
			}
		}
		if tl.n != k.n || math.Abs(float64(last-k.top)) > 1e-4*float64(k.top) {
			t.Errorf("%s: %v panes, the last of z=%v, want %v and %v", k.name, tl.n, last, k.n, k.top)
		}
	}
}

// steadily feeds days of 200 flows with a burst of the given panes each eight hours.
func (c *ingressCase) steadily(days int, bursts ...int64) *ingressCase {
	for range 3 * days {
		c.panes(day/3-len(bursts), 200)
		for _, x := range bursts {
			c.panes(1, x)
		}
	}
	return c
}

// Bursts that come every eight hours are in the peaks of their hour; an hour that
// never had one knows them by the tail.
func TestSpikeAtBurstingKeys(t *testing.T) {
	plain, bursting := newIngressCase(t).steadily(4), newIngressCase(t).steadily(4, 1100)
	plain.events, bursting.events = nil, nil
	plain.panes(40, 200).panes(1, 2400).want("p1192 create medium #1 uid=p1192 spike,accepted_flows")
	bursting.panes(40, 200).panes(1, 2400).want()
}

// What lasts longer than bursts do is none, and severe if it is large.
func TestSpikeAtBurstingKeysThatLasts(t *testing.T) {
	newIngressCase(t).steadily(4, 1100).panes(40, 200).panes(3, 2400).want().panes(1, 2400).
		want("p1195 create medium #1 uid=p1195 spike,accepted_flows")
}

// What an attack showed of the tail is not learned: the next one is found as soon.
func TestSpikeTwoAttacksAreFoundAlike(t *testing.T) {
	newIngressCase(t).panes(3*day, 200).panes(3, 4000).panes(20, 200).panes(3, 4000).panes(3, 200).want(
		"p864 create medium #1 uid=p864 spike,accepted_flows",
		"p867 update medium #2 uid=p864 spike,accepted_flows",
		"p869 close medium #3 uid=p864 spike,accepted_flows quiet",
		"p887 create medium #1 uid=p887 spike,accepted_flows",
		"p890 update medium #2 uid=p887 spike,accepted_flows",
		"p892 close medium #3 uid=p887 spike,accepted_flows quiet",
	)
}

func TestSpikeOfVolumeAlone(t *testing.T) {
	usual := bytesOf(10 << 20)
	t.Run("an upload of 200 MiB in one pane", func(t *testing.T) {
		newIngressCase(t).panes(3*day, 100, usual).panes(1, 100, bytesOf(200<<20)).panes(5, 100, usual).want()
	})
	t.Run("in two panes", func(t *testing.T) {
		newIngressCase(t).panes(3*day, 100, usual).panes(2, 100, bytesOf(200<<20)).
			want("p865 create low #1 uid=p865 spike,bytes")
	})
	t.Run("more than 1 GiB at once", func(t *testing.T) {
		newIngressCase(t).panes(3*day, 100, usual).panes(1, 100, bytesOf(1100<<20)).
			want("p864 create medium #1 uid=p864 spike,bytes")
	})
	t.Run("with flows", func(t *testing.T) {
		newIngressCase(t).panes(3*day, 100, usual).panes(1, 250, bytesOf(200<<20)).
			want("p864 create medium #1 uid=p864 spike,bytes")
	})
}

func TestSpikeOfSourcesAlone(t *testing.T) {
	sources := func(n int64) func(*Load) { return func(l *Load) { l.Values[UniqueSources] = n } }
	t.Run("other visitors than before", func(t *testing.T) {
		newIngressCase(t).panes(3*day, 1000, sources(50)).panes(6, 1000, sources(900)).want()
	})
	t.Run("a crowd of four times the flows", func(t *testing.T) {
		newIngressCase(t).panes(3*day, 1000, sources(50)).panes(6, 4000, sources(3000)).want()
	})
	t.Run("with rejected flows", func(t *testing.T) {
		c := newIngressCase(t).panes(3*day, 1000, sources(50))
		c.panes(1, 1000, sources(900), func(l *Load) { l.Values[RejectedFlows] = 900 }).
			want("p864 create medium #1 uid=p864 spike,rejected_flows,unique_sources")
	})
}

// A job that came every night is still known after the level has shifted.
func TestSpikeNightlyJobAfterAShift(t *testing.T) {
	c := newIngressCase(t)
	for range 4 {
		c.panes(24, 100).panes(6, 8000).panes(day-30, 100)
	}
	c.panes(24, 100).panes(6, 8000).panes(70, 100).panes(day-100, 1000)
	if last := c.events[len(c.events)-1]; !strings.Contains(last, string(NewBaseline)) {
		t.Fatalf("the level did not shift: %s", last)
	}
	c.events = nil
	c.panes(24, 1000).panes(6, 9000).panes(100, 1000).want()
}

func TestSpikeOfHugeCountsStaysFinite(t *testing.T) {
	c := newIngressCase(t).panes(3*day, 0, noData)
	c.panes(3, math.MaxInt64, func(l *Load) { l.Records = 1; l.Values[Bytes] = math.MaxInt64 })
	if len(c.found) == 0 {
		t.Fatal("nothing was found")
	}
	c.panes(day, 0, noData).panes(3, math.MaxInt64)
	for m := range NumMeasures {
		b := c.baseline(m)
		for _, v := range append([]float64{b.m, b.phi, b.trend.score}, values64(&b.tail)...) {
			if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
				t.Errorf("%v: %+v", m, *b)
				break
			}
		}
	}
}

func values64(t *tail) []float64 {
	var out []float64
	for _, v := range t.values() {
		out = append(out, float64(*v))
	}
	return out
}
