package detect

import "testing"

// A week of an interface with 200 flows in every pane, and then what may be an
// attack: what the drift test tells apart that the burst test does not.
func TestDrift(t *testing.T) {
	crowd := func(times int64) func(*Load) {
		return func(l *Load) {
			l.Values[UniqueSources] = 150 * times
			l.Values[Bytes], l.Values[Packets] = l.Values[AcceptedFlows]*20_000, l.Values[AcceptedFlows]*20
		}
	}
	usual := crowd(1)
	for _, k := range []struct {
		name   string
		attack func(*ingressCase)
		finds  int
	}{
		{"five times, for an hour", func(c *ingressCase) { c.panes(12, 1000, usual) }, 1},
		{"a ramp over three hours to ten times", func(c *ingressCase) {
			for i := range int64(36) {
				c.panes(1, 200+50*(i+1), usual)
			}
		}, 1},
		{"a level that doubles for good", func(c *ingressCase) { c.panes(day, 400, usual) }, 0},
		{"a flash crowd of four times the visitors", func(c *ingressCase) { c.panes(24, 800, crowd(4)) }, 0},
		{"two attacks, a day apart", func(c *ingressCase) { c.panes(12, 4000, usual).panes(day-12, 200, usual).panes(12, 4000, usual) }, 2},
		{"five times what comes today, in quieter hours than usual", func(c *ingressCase) { c.panes(24, 80, usual).panes(4, 400, usual) }, 1},
		{"the same, over before it lasts", func(c *ingressCase) { c.panes(24, 80, usual).panes(3, 400, usual).panes(12, 80, usual) }, 0},
		{"the end of quieter hours", func(c *ingressCase) { c.panes(24, 60, usual).panes(24, 200, usual) }, 0},
		{"a dead hour's end", func(c *ingressCase) { c.panes(24, 0).panes(24, 200, usual) }, 0},
		{"nothing at all", func(c *ingressCase) { c.panes(12, 0) }, 0},
		{"it wakes after a week", func(c *ingressCase) { c.missing(8*day).panes(12, 1000, usual) }, 0},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := newIngressCase(t).panes(7*day, 200, usual)
			k.attack(c)
			creates := 0
			for _, f := range c.found {
				if f.Activity == Create {
					creates++
				}
			}
			if creates != k.finds {
				t.Errorf("%d incidents opened, want %d: %v", creates, k.finds, c.events)
			}
		})
	}
	t.Run("in the first two days there is no hour to compare with", func(t *testing.T) {
		c := newIngressCase(t).panes(day, 200, usual).panes(24, 400, usual).want()
		if s := c.baseline(AcceptedFlows).trend.score; s != 0 {
			t.Errorf("the score is %g, want 0", s)
		}
	})
}

func TestWhatAPaneIsHeldAgainst(t *testing.T) {
	for _, k := range []struct {
		name                         string
		usual, level, expected, want float64
	}{
		{"a level as usual", 100, 100, 120, 100},
		{"a level above, that an attack may have raised", 100, 150, 180, 100},
		{"a level below", 100, 70, 150, 70},
		{"a level far below: half the usual", 100, 10, 120, 50},
		{"where one pane is often far above the mean: a third of it", 100, 10, 240, 80},
		{"never above the usual", 100, 10, 900, 100},
		{"a zero level where nothing is usual", 1, 0, 1, 0.5},
	} {
		if got := against(k.usual, k.level, k.expected); got != k.want {
			t.Errorf("%s: against(%g, %g, %g) = %g, want %g", k.name, k.usual, k.level, k.expected, got, k.want)
		}
	}
}

func TestDriftScore(t *testing.T) {
	for _, k := range []struct {
		name  string
		x     int64
		mu    float64
		rises bool
	}{
		{"x = 0", 0, 100, false},
		{"the usual", 100, 100, false},
		{"twice the usual, at the edge of what may be", 200, 100, false},
		{"five times the usual", 500, 100, true},
		{"below the floor", 140, 20, false},
		{"nothing, where nothing is usual", 0, 1, false},
	} {
		t.Run(k.name, func(t *testing.T) {
			var tr trend
			for range 40 {
				tr.take(k.x, k.mu, 0.25, plainDrift, k.mu+150)
			}
			if got := tr.score > 0; got != k.rises {
				t.Errorf("the score is %g after 40 panes, want above 0: %v", tr.score, k.rises)
			}
			if tr.score < 0 || tr.score > 4*driftBound {
				t.Errorf("the score is %g, outside [0, %g]", tr.score, 4*driftBound)
			}
		})
	}
}
