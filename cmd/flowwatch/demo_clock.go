package main

import "time"

// fastClock is the demo's injected clock: it starts in the past and runs at a
// multiple of the real one until it has caught up, then with it.
type fastClock struct {
	began time.Time // real
	start time.Time // event time at began
	speed float64
	real  func() time.Time
}

func newFastClock(start time.Time, speed float64, real func() time.Time) *fastClock {
	return &fastClock{began: real(), start: start, speed: speed, real: real}
}

// Now returns the demo's time. Safe for concurrent use.
func (c *fastClock) Now() time.Time {
	now := c.real()
	fast := c.start.Add(time.Duration(float64(now.Sub(c.began)) * c.speed))
	if fast.After(now) {
		return now
	}
	return fast
}
