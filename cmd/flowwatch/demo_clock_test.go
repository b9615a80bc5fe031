package main

import (
	"testing"
	"time"
)

func TestTheDemoClockRunsFastUntilItHasCaughtUp(t *testing.T) {
	real := time.Unix(1_000_000, 0)
	c := newFastClock(real.Add(-time.Hour), 100, func() time.Time { return real })
	want := func(after time.Duration, behind time.Duration) {
		t.Helper()
		real = time.Unix(1_000_000, 0).Add(after)
		if got := real.Sub(c.Now()); got != behind {
			t.Errorf("after %s the clock is %s behind, want %s", after, got, behind)
		}
	}
	want(0, time.Hour)
	want(10*time.Second, time.Hour-990*time.Second)
	want(time.Minute, 0)
	want(time.Hour, 0)
}
