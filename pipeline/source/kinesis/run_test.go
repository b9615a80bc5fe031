package kinesis

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/source/sourcetest"
)

// Even where the endpoint lists shards that were closed before the start, as
// this fake does, no record from before it is read, none since is lost, and a
// crash at any point changes nothing.
func TestStartTimeHoldsForDescendants(t *testing.T) {
	f := func(start int, want ...string) {
		t.Helper()
		for crash := range 12 {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI(
					&fakeShard{id: "a", records: fakeRecords(1, 2), closed: true},
					&fakeShard{id: "b", parents: []string{"a"}, records: fakeRecords(3, 5), closed: true, page: 1},
					&fakeShard{id: "c", parents: []string{"a"}, closed: true},
					&fakeShard{id: "d", parents: []string{"b", "c"}, records: fakeRecords(6, 8)},
				)
				time.Sleep(time.Minute) // the start must lie in the past
				source := fakeSource(t, api, fakeArrival(start).Format(time.RFC3339))
				host := sourcetest.NewHost(t, nil)
				changes := 0
				if err := host.Run(source, func(*sourcetest.Progress) bool { changes++; return changes > crash }); err != nil {
					t.Fatal(err)
				}
				if err := host.Run(source, delivered(len(want))); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, collect(host)); diff != "" {
					t.Errorf("start at record %d, crash after %d changes (-want +got):\n%s", start, crash, diff)
				}
			})
		}
	}
	f(1, "1", "2", "3", "4", "5", "6", "7", "8")
	f(2, "2", "3", "4", "5", "6", "7", "8")
	f(4, "4", "5", "6", "7", "8")
	f(7, "7", "8")
}

// A shard that retention removed while nothing ran is skipped, counted, and its
// children are read.
func TestExpiredShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(&fakeShard{id: "a", records: fakeRecords(1, 2)})
		source := fakeSource(t, api, StartTrimHorizon)
		host := sourcetest.NewHost(t, nil)
		if err := host.Run(source, delivered(1)); err != nil {
			t.Fatal(err)
		}
		api.shards = []*fakeShard{
			{id: "b", parents: []string{"a"}, records: fakeRecords(3, 3)},
			{id: "c", parents: []string{"gone"}, records: fakeRecords(4, 4)},
		}
		if err := host.Run(source, delivered(3)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"1", "3", "4"}, slices.Sorted(slices.Values(collect(host)))); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		if n := testutil.ToFloat64(source.counters.expiredShards); n != 1 {
			t.Errorf("%v expired shards were counted, want 1", n)
		}
	})
}

// A stream that is deleted while it is read ends the run; so does one that is
// made anew, whose sequence numbers are others.
func TestStreamThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(&fakeShard{id: "a", records: fakeRecords(1, 1)})
		source := fakeSource(t, api, StartTrimHorizon)
		api.fail = func(operation string, call int) error {
			if operation == "GetRecords" && call > 1 || operation == "ListShards" && call > 1 {
				return code("ResourceNotFoundException")
			}
			return nil
		}
		host := sourcetest.NewHost(t, nil)
		wantCode(t, host.Run(source, nil), "ResourceNotFoundException")

		api.fail = nil
		api.shards = []*fakeShard{{id: "a", records: fakeRecords(100, 101)}}
		wantCode(t, host.Run(source, nil), "InvalidArgumentException")
	})
}

// Where the service's clock is behind ours, "latest" lies in its future: it
// refuses the filter and the iterator for a while.
func TestClockAheadOfTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(&fakeShard{id: "a"})
		begin := time.Now()
		api.fail = func(operation string, call int) error {
			filtered := operation == "ListShards" && api.listed[len(api.listed)-1] == types.ShardFilterTypeFromTimestamp
			if (filtered || operation == "GetShardIterator") && time.Since(begin) < 30*time.Second {
				return code("InvalidArgumentException")
			}
			return nil
		}
		host := sourcetest.NewHost(t, nil)
		if err := host.Run(fakeSource(t, api, StartLatest), func(p *sourcetest.Progress) bool { return p.Idle }); err != nil {
			t.Fatal(err)
		}
		want := []types.ShardFilterType{types.ShardFilterTypeFromTimestamp, types.ShardFilterTypeAtLatest}
		if diff := cmp.Diff(want, api.listed); diff != "" {
			t.Errorf("listings (-want +got):\n%s", diff)
		}
	})
}

func TestStartInTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := fakeSource(t, newFakeAPI(&fakeShard{id: "a"}), time.Now().Add(time.Hour).Format(time.RFC3339))
		if err := sourcetest.NewHost(t, nil).Run(source, nil); err == nil {
			t.Error("Run accepted a start in the future")
		}
	})
}

// An endpoint that never answers ends the start, after a while.
func TestUnreachableAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		api.fail = func(string, int) error { return code("ThrottlingException") }
		wantCode(t, sourcetest.NewHost(t, nil).Run(fakeSource(t, api, StartLatest), nil), "ThrottlingException")
		if n := len(api.listed); n != startupAttempts {
			t.Errorf("%d attempts, want %d", n, startupAttempts)
		}
	})
}

// The roots are announced in one call, before any is read, resolved.
func TestLatestIsResolved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(&fakeShard{id: "a"}, &fakeShard{id: "b"})
		host := sourcetest.NewHost(t, nil)
		if err := host.Run(fakeSource(t, api, StartLatest), func(p *sourcetest.Progress) bool { return p.Registered > 0 }); err != nil {
			t.Fatal(err)
		}
		at := timestampPosition(time.Now())
		want := map[string]pipeline.Start{
			"kinesis:s/a": {ID: "kinesis:s/a", At: at, Pull: true},
			"kinesis:s/b": {ID: "kinesis:s/b", At: at, Pull: true},
		}
		if diff := cmp.Diff(want, host.Starts()); diff != "" {
			t.Errorf("starts (-want +got):\n%s", diff)
		}
		if len(api.reads) != 0 {
			t.Errorf("%d reads before the start was committed", len(api.reads))
		}
	})
}
