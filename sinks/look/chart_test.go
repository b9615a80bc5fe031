package look

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// drawn returns the paths of a chart by their class.
func drawn(c *Chart) map[string]string {
	paths := map[string]string{}
	for _, s := range c.Shapes() {
		paths[s.Class] += s.D
	}
	return paths
}

func TestStackedBarsStandUponEachOther(t *testing.T) {
	c := &Chart{Times: []int64{0, 60}, Step: 60, Series: []Series{
		{Class: "accepted", Kind: Stacked, Values: []float64{40, 0}},
		{Class: "rejected", Kind: Stacked, Values: []float64{40, 80}},
	}}
	// The edge is at 80, half the width is a bar of 86 %.
	want := map[string]string{
		"accepted": "M0 160h309.6V80h-309.6z",
		"rejected": "M0 80h309.6V0h-309.6zM360 160h309.6V0h-309.6z",
	}
	if diff := cmp.Diff(want, drawn(c)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c.Top() != "80" || c.Middle() != "40" {
		t.Errorf("the scale says %s and %s", c.Top(), c.Middle())
	}
}

// What is not known and long gaps break a line; a lone value is a dot.
func TestLinesBreakWhereNothingIsKnown(t *testing.T) {
	nan := math.NaN()
	c := &Chart{Times: []int64{0, 10, 20, 30, 100, 110}, Step: 10, Series: []Series{
		{Class: "observed", Values: []float64{1, nan, 1, 1, 1, 1}},
	}}
	if got, want := strings.Count(drawn(c)["observed"], "M"), 3; got != want {
		t.Errorf("%d strokes, want %d: %s", got, want, drawn(c)["observed"])
	}
	if !strings.HasPrefix(drawn(c)["observed"], "M30 0h.01M") {
		t.Errorf("no dot for the lone value: %s", drawn(c)["observed"])
	}
}

// A band that reaches far above the rest is cut and does not flatten it.
func TestABandIsCut(t *testing.T) {
	c := &Chart{Times: []int64{0, 10}, Step: 10, Series: []Series{
		{Name: "up to", Class: "band", Kind: Band, Values: []float64{1000, 1000}, Low: []float64{0, 0}},
		{Name: "observed", Class: "observed", Values: []float64{10, 5}},
	}}
	if c.Top() != "30" {
		t.Errorf("the upper edge is %s, want 30", c.Top())
	}
	if got, want := drawn(c)["band"], "M180 0L540 0L540 160L180 160z"; got != want {
		t.Errorf("band %s, want %s", got, want)
	}
	if got, want := c.Label(), ": observed at most 10, at 1970-01-01 00:00 UTC"; got != want {
		t.Errorf("label %q, want %q", got, want)
	}
}

func TestScalesAreRound(t *testing.T) {
	f := func(most float64, bytes bool, want string) {
		t.Helper()
		c := &Chart{Times: []int64{0}, Step: 1, Bytes: bytes, Series: []Series{{Values: []float64{most}}}}
		if got := c.Top(); got != want {
			t.Errorf("%v: %s, want %s", most, got, want)
		}
	}
	f(0, false, "1")
	f(7, false, "8")
	f(1100, false, "1.2k")
	f(9.5, false, "10")
	f(0.3, false, "0.3")
	f(300_000, true, "300 KiB")
	f(5<<30, true, "5 GiB")
	f(math.MaxFloat64/2, false, "-")
}

func TestAnEmptyChartSaysWhy(t *testing.T) {
	var b strings.Builder
	c := &Chart{Title: "Lag", Empty: "No source tells.", Times: []int64{1}, Step: 1, Series: []Series{{Values: []float64{math.NaN()}}}}
	if err := New("x").ExecuteTemplate(&b, "chart", c); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); !strings.Contains(got, "No source tells.") || strings.Contains(got, "<svg") {
		t.Errorf("wrote %s", got)
	}
}
