package detect

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestExpect(t *testing.T) {
	for _, c := range []struct {
		name  string
		m     float64
		peak  float64
		limit float64
		want  expected
	}{
		{"nothing", 0, 0, 2, expected{1, Nothing, 0}},
		{"recent alone", 40, 0, 2, expected{40, Recent, 0}},
		{"a quiet hour before a busy one", 10, 80, 2, expected{80, Seasonal, 3}},
		{"the level above the peak", 120, 80, 2, expected{120, Recent, 0}},
		{"the level far above the peak", 500, 80, 2, expected{160, Recent, 0}},
		{"the sensitive profile", 500, 80, 1, expected{80, Seasonal, 3}},
	} {
		b := baseline{m: c.m}
		if got := b.expect(c.peak, 3, c.limit); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestLearnHalfLife(t *testing.T) {
	b := baseline{m: 100, phi: priorPhi}
	for range 12 { // an hour of panes
		b.learn(120, learningRates(300))
	}
	if math.Abs(b.m-110) > 1e-9 {
		t.Errorf("after an hour the level is %v, want half-way: 110", b.m)
	}
	short := baseline{m: 100, phi: priorPhi}
	for range 60 {
		short.learn(120, learningRates(60))
	}
	if math.Abs(short.m-110) > 1e-9 {
		t.Errorf("with one-minute panes it is %v, want the same", short.m)
	}
}

func TestLearnIsWinsorised(t *testing.T) {
	b := baseline{m: 100, phi: 0.25}
	b.learn(1_000_000, learningRates(300))
	most := 100 + learningRates(300).level*(3*math.Sqrt(100+0.25*100*100)+1)
	if math.Abs(b.m-most) > 1e-9 {
		t.Errorf("one huge pane moves the level to %v, want at most %v", b.m, most)
	}
}

func TestLearnLeavesDispersionBelowOne(t *testing.T) {
	b := baseline{m: 0.5, phi: 0.3}
	b.learn(3, learningRates(300))
	if b.phi != 0.3 {
		t.Errorf("phi went to %v while the level is below 1", b.phi)
	}
}

func TestLearnStaysInBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := baseline{phi: priorPhi, m: rapid.Float64Range(0, 1e12).Draw(t, "m")}
		for _, x := range rapid.SliceOfN(rapid.Int64Range(0, 1<<62), 1, 50).Draw(t, "panes") {
			b.learn(x, learningRates(300))
			if !(b.phi >= leastPhi && b.phi <= mostPhi) || !(b.m >= 0) || math.IsInf(b.m, 0) {
				t.Fatalf("m is %v and phi %v", b.m, b.phi)
			}
		}
	})
}

func TestMedian(t *testing.T) {
	recent := [recentPanes]int64{9, 1, 8, 2, 7, 3, 6, 4, 5, 100, 0, 50}
	if got := median(recent); got != 5.5 {
		t.Errorf("the median is %v, want 5.5", got)
	}
	if recent[0] != 9 {
		t.Error("the panes were sorted in place")
	}
}

// seasonOf makes a season with these peaks at hours before now.
func seasonOf(c calendar, now int64, peaks map[int64]int64) season {
	s := c.empty()
	from := now - int64(len(s))
	for h := from; h <= now; h++ {
		s.advance(h-1, h)
		if x, ok := peaks[now-h]; ok {
			s.raise(h, x)
		}
	}
	return s
}

func TestSeasonalPeak(t *testing.T) {
	c := calendarOf(QuietProfile)
	now := int64(origin / hour)
	for _, k := range []struct {
		name  string
		peaks map[int64]int64 // by hours ago
		want  float64
	}{
		{"no days", nil, 0},
		{"one day", map[int64]int64{24: 500}, 0},
		{"two days: the lesser", map[int64]int64{24: 500, 48: 300}, 300},
		{"three days: the second", map[int64]int64{24: 500, 48: 300, 72: 400}, 400},
		{"the hour before and the hour after", map[int64]int64{23: 500, 49: 300}, 300},
		{"two hours away is another hour", map[int64]int64{26: 500, 46: 300}, 0},
		{"the largest of a day's three", map[int64]int64{23: 5, 24: 6, 25: 7, 47: 9, 48: 8, 49: 3}, 7},
		{"a day without panes counts for nothing", map[int64]int64{24: 500, 72: 400}, 400},
		{"below one", map[int64]int64{24: 0, 48: 0, 72: 100}, 0},
	} {
		if got, _ := c.peak(seasonOf(c, now, k.peaks), now, now); got != k.want {
			t.Errorf("%s: %v, want %v", k.name, got, k.want)
		}
	}
}

func TestSeasonForgetsSkippedHours(t *testing.T) {
	c := calendarOf(QuietProfile)
	s := c.empty()
	s.raise(1000, 7)
	s.advance(1000, 1000+int64(len(s)))
	for h := int64(900); h < 1200; h++ {
		if got := s.at(h, 1000+int64(len(s))); got != absent {
			t.Errorf("hour %d is held as %v", h, got)
		}
	}
}

func TestSensitiveDays(t *testing.T) {
	c := calendarOf(Sensitive)
	monday := int64(origin / hour)
	fridays := map[int64]int64{72: 500, 96: 400, 120: 300, 24: 9000, 48: 9000}
	if got, days := c.peak(seasonOf(c, monday, fridays), monday, monday); got != 400 || days != 3 {
		t.Errorf("on Monday %v over %d days, want 400 over Wednesday to Friday", got, days)
	}
	saturday := monday + 5*24
	weekend := map[int64]int64{6 * 24: 500, 7 * 24: 400, 13 * 24: 300, 24: 9000, 48: 9000}
	if got, days := c.peak(seasonOf(c, saturday, weekend), saturday, saturday); got != 400 || days != 3 {
		t.Errorf("on Saturday %v over %d days, want 400 over the last three days of weekends", got, days)
	}
}
