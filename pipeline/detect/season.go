package detect

import (
	"slices"
	"time"
)

// season remembers the largest pane of each hour, as a ring by hours since the
// Unix epoch. absent marks an hour without any pane.
type season []float32 // counts are rounded to 24 bits

const absent = -1

// seasonDays is how many days before are looked at, and leastDays how many of
// them must have panes.
const (
	seasonDays = 3
	leastDays  = 2
)

const hour = 3600

// calendar says which days before belong to a pane's season.
type calendar struct {
	hours    int  // that a season holds
	weekends bool // weekdays and weekends apart
}

func calendarOf(p Profile) calendar {
	if p == Sensitive {
		// Three days of a kind reach back to Sunday of the week before last,
		// and a day on each side is asked for one hour more.
		return calendar{hours: 14*24 + 2, weekends: true}
	}
	return calendar{hours: seasonDays*24 + 2}
}

func (c calendar) empty() season {
	s := make(season, c.hours)
	for i := range s {
		s[i] = absent
	}
	return s
}

// advance makes room for hour to, when from was the latest so far.
func (s season) advance(from, to int64) {
	for h := max(from+1, to-int64(len(s))+1); h <= to; h++ {
		s[s.slot(h)] = absent
	}
}

func (s season) slot(h int64) int {
	n := int64(len(s))
	return int((h%n + n) % n)
}

// raise takes a pane of hour h, which is the latest, and reports whether it is
// the hour's largest.
func (s season) raise(h, x int64) bool {
	if at := s.slot(h); float32(x) > s[at] {
		s[at] = float32(x)
		return true
	}
	return false
}

// at returns the largest pane of hour h, absent when it is not held; latest is
// the latest hour.
func (s season) at(h, latest int64) float32 {
	if h > latest || h <= latest-int64(len(s)) {
		return absent
	}
	return s[s.slot(h)]
}

// peak returns the second largest of the last three days' peaks around this
// hour of the day (one hour before to one after), and how many days had any:
// one day's attack can't raise it, and what came on two days is normal. It is
// 0 when fewer than two days have panes or it would be below 1.
func (c calendar) peak(s season, h, latest int64) (peak float64, days int) {
	var found [seasonDays]float32
	for back := int64(1); back < int64(len(s))/24+1 && days < seasonDays; back++ {
		then := h - 24*back
		if c.weekends && weekend(then) != weekend(h) {
			continue
		}
		top := max(s.at(then-1, latest), s.at(then, latest), s.at(then+1, latest))
		if top != absent {
			found[days] = top
			days++
		}
	}
	if days < leastDays {
		return 0, days
	}
	slices.Sort(found[:days])
	if p := found[days-2]; p >= 1 {
		return float64(p), days
	}
	return 0, days
}

func weekend(h int64) bool {
	switch time.Unix(h*hour, 0).UTC().Weekday() {
	case time.Saturday, time.Sunday:
		return true
	}
	return false
}
