package summary

import (
	"math/rand/v2"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

func TestTimeline(t *testing.T) {
	var s Summary
	at := func(second int64, direction, action int, bytes int64) {
		s.Add(&Flow{Direction: direction, Action: action, Bytes: bytes, Start: 1_700_000_000 - 20 + second, End: 1_700_000_100 + second})
	}
	at(0, flowlog.Ingress, flowlog.Accept, 100)
	at(59, flowlog.Ingress, flowlog.Reject, 40)
	at(59, flowlog.Egress, flowlog.Reject, 1000)
	at(180, 0, 0, Null)
	start := time.Unix(1_700_000_000-20, 0).UTC() // a whole minute
	want := Timeline{Step: time.Minute, Intervals: []Interval{
		{Start: start, Records: [3]int64{0, 2, 1}, Bytes: 140, Accepted: 1, Rejected: 1},
		{Start: start.Add(time.Minute)},
		{Start: start.Add(2 * time.Minute)},
		{Start: start.Add(3 * time.Minute), Records: [3]int64{1, 0, 0}},
	}}
	if diff := gocmp.Diff(want, s.Report(Options{}).Timeline); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// However long the time: intervals are few, without gaps, and hold everything.
func TestTimelineIsBounded(t *testing.T) {
	for _, seconds := range []int64{1, 3600, 86_400, 30 * 86_400, 50 * 365 * 86_400} {
		rng := rand.New(rand.NewPCG(1, uint64(seconds)))
		var s Summary
		for range 5000 {
			start := 100_000 + rng.Int64N(seconds)
			s.Add(&Flow{Direction: flowlog.Ingress, Start: start, End: start})
		}
		got := s.Report(Options{}).Timeline
		if n := len(got.Intervals); n > timelineMost || seconds > 4*3600 && n < timelineMost/2 {
			t.Errorf("%d intervals of %d seconds", n, seconds)
		}
		sum := int64(0)
		for i, interval := range got.Intervals {
			sum += interval.Records[flowlog.Ingress]
			if i > 0 && interval.Start.Sub(got.Intervals[i-1].Start) != got.Step {
				t.Fatalf("interval %d of %d seconds starts at %s", i, seconds, interval.Start)
			}
		}
		if sum != 5000 {
			t.Errorf("%d records of 5000 in the intervals of %d seconds", sum, seconds)
		}
	}
}

// The order of records and merges decides nothing.
func TestTimelineInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		starts := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, 5000), rapid.Int64Range(0, 500_000), rapid.Int64Range(1e9, 1.01e9)), 1, 60).Draw(t, "starts")
		var whole timeline
		parts := make([]timeline, 3)
		for i, start := range starts {
			f := Flow{Direction: i % 3, Bytes: int64(i), Action: 1 + i%2, Start: start}
			whole.add(&f)
			parts[rapid.IntRange(0, 2).Draw(t, "part")].add(&f)
		}
		parts[2].merge(&parts[0])
		parts[1].merge(&parts[2])
		if diff := gocmp.Diff(whole.report(), parts[1].report()); diff != "" {
			t.Fatalf("(-one after the other +merged):\n%s", diff)
		}
	})
}
