package kinesis

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/source/sourcetest"
)

// drain reads until enough payloads came, or the end.
func drain(t *testing.T, p pipeline.Partition, enough int) (payloads []string, batches []pipeline.Batch, err error) {
	t.Helper()
	for len(payloads) < enough {
		batch, err := p.Next(t.Context())
		if err != nil {
			return payloads, batches, err
		}
		for _, payload := range batch.Payloads {
			payloads = append(payloads, string(payload.Data))
		}
		batches = append(batches, pipeline.Batch{Lag: batch.Lag, Idle: batch.Idle})
	}
	return payloads, batches, nil
}

// Between an answer and the next request lie 200 ms, a second at the tip.
func TestPacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(&fakeShard{id: "a", records: fakeRecords(1, 6), page: 2, emptied: 2})
		shard := fakeSource(t, api, StartTrimHorizon).open("a", trimHorizon, time.Now)
		got, _, err := drain(t, shard, 6)
		if diff := cmp.Diff([]string{"1", "2", "3", "4", "5", "6"}, got); diff != "" || err != nil {
			t.Errorf("error %v, payloads (-want +got):\n%s", err, diff)
		}
		batch, err := shard.Next(t.Context())
		if err != nil || !batch.Idle || len(batch.Payloads) > 0 {
			t.Errorf("at the tip: got %+v, %v, want an idle batch", batch, err)
		}
		var gaps []time.Duration
		for i := 1; i < len(api.reads); i++ {
			gaps = append(gaps, api.reads[i].at.Sub(api.reads[i-1].at))
		}
		behind := 200 * time.Millisecond
		if diff := cmp.Diff([]time.Duration{behind, behind, behind, behind, time.Second}, gaps); diff != "" {
			t.Errorf("time between reads (-want +got):\n%s", diff)
		}
	})
}

// Empty pages behind the tip are normal: neither the end nor idleness.
func TestEmptyPagesBehindTheTip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(&fakeShard{id: "a", records: fakeRecords(1, 1), emptied: 2})
		_, batches, err := drain(t, fakeSource(t, api, StartTrimHorizon).open("a", trimHorizon, time.Now), 1)
		want := []pipeline.Batch{{Lag: 1500 * time.Millisecond}, {Lag: 1500 * time.Millisecond}, {}}
		if diff := cmp.Diff(want, batches); diff != "" || err != nil {
			t.Errorf("error %v, batches (-want +got):\n%s", err, diff)
		}
	})
}

func TestExpiredIteratorContinuesAfterTheLastRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(&fakeShard{id: "a", records: fakeRecords(1, 4), page: 2})
		api.fail = func(operation string, call int) error {
			if operation == "GetRecords" && call == 2 {
				return &types.ExpiredIteratorException{}
			}
			return nil
		}
		source := fakeSource(t, api, StartTrimHorizon)
		got, _, err := drain(t, source.open("a", trimHorizon, time.Now), 4)
		if diff := cmp.Diff([]string{"1", "2", "3", "4"}, got); diff != "" || err != nil {
			t.Errorf("error %v, payloads (-want +got):\n%s", err, diff)
		}
		if n := len(api.iterators); n != 2 || *api.iterators[1].StartingSequenceNumber != "490000000002" {
			t.Errorf("%d iterators, the last %+v", n, api.iterators[n-1])
		}
		if n := testutil.ToFloat64(source.counters.renewals); n != 1 {
			t.Errorf("%v renewals were counted, want 1", n)
		}
	})
}

// An iterator that waited too long, because the pipeline held the shard back,
// is not even tried.
func TestOldIteratorIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(&fakeShard{id: "a", records: fakeRecords(1, 4), page: 2})
		shard := fakeSource(t, api, StartTrimHorizon).open("a", trimHorizon, time.Now)
		first, _, err := drain(t, shard, 2)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute) // the bubble's clock
		second, _, err := drain(t, shard, 2)
		if diff := cmp.Diff([]string{"1", "2", "3", "4"}, append(first, second...)); diff != "" || err != nil {
			t.Errorf("error %v, payloads (-want +got):\n%s", err, diff)
		}
		if len(api.iterators) != 2 || len(api.reads) != 2 {
			t.Errorf("%d iterators and %d reads, want 2 and 2", len(api.iterators), len(api.reads))
		}
	})
}

// While calls fail, Next comes back every two seconds with an empty batch whose
// lag grows, and the reads keep their distance.
func TestFailuresAreRetried(t *testing.T) {
	for _, failure := range []error{
		code("ProvisionedThroughputExceededException"), code("LimitExceededException"), code("KMSThrottlingException"),
		&smithyServerError{}, errors.New("dial tcp: connection refused"),
	} {
		synctest.Test(t, func(t *testing.T) {
			const failures = 30
			api := newFakeAPI(&fakeShard{id: "a", records: fakeRecords(1, 2)})
			api.fail = func(operation string, call int) error {
				if operation == "GetRecords" && call <= failures || operation == "GetShardIterator" && call <= 3 {
					return failure
				}
				return nil
			}
			shard := fakeSource(t, api, StartTrimHorizon).open("a", trimHorizon, time.Now)
			begin := time.Now()
			for {
				before := time.Now()
				batch, err := shard.Next(t.Context())
				if err != nil {
					t.Fatalf("%v: Next gave up: %v", failure, err)
				}
				if waited := time.Since(before); waited > 2*time.Second {
					t.Errorf("%v: Next took %s", failure, waited)
				}
				if len(batch.Payloads) == 2 {
					break
				}
				if batch.Idle || batch.Lag != time.Since(begin) {
					t.Errorf("%v: after %s of failures: %+v", failure, time.Since(begin), batch)
				}
			}
			if len(api.reads) != failures+1 {
				t.Errorf("%v: %d reads, want %d", failure, len(api.reads), failures+1)
			}
			for i := 1; i < len(api.reads); i++ {
				if gap := api.reads[i].at.Sub(api.reads[i-1].at); gap < 200*time.Millisecond || gap > 11*time.Second {
					t.Errorf("%v: %s between reads", failure, gap)
				}
			}
		})
	}
}

// smithyServerError is an error of the service, not of the caller.
type smithyServerError = types.InternalFailureException

func TestFatalFailuresEndTheRun(t *testing.T) {
	for _, name := range []string{"AccessDeniedException", "InvalidArgumentException", "UnrecognizedClientException", "KMSDisabledException"} {
		for _, operation := range []string{"ListShards", "GetShardIterator", "GetRecords"} {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI(&fakeShard{id: "a"})
				api.fail = func(called string, _ int) error {
					if called == operation {
						return code(name)
					}
					return nil
				}
				err := sourcetest.NewHost(t, nil).Run(fakeSource(t, api, StartTrimHorizon), nil)
				wantCode(t, err, name)
			})
		}
	}
}

func TestNextIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(&fakeShard{id: "a"})
		shard := fakeSource(t, api, StartTrimHorizon).open("a", trimHorizon, time.Now)
		if _, err := shard.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond) // while it waits at the tip
		defer cancel()
		before := time.Now()
		if _, err := shard.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
		if waited := time.Since(before); waited != 10*time.Millisecond {
			t.Errorf("Next returned after %s", waited)
		}
	})
}

// A last page without children makes the source look for them in the listing,
// which may have them only later.
func TestChildrenOfTheListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent := &fakeShard{id: "a", records: fakeRecords(1, 1), closed: true, nameless: true}
		api := newFakeAPI(parent)
		shard := fakeSource(t, api, StartTrimHorizon).open("a", trimHorizon, time.Now)
		if _, _, err := drain(t, shard, 1); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(1500 * time.Millisecond)
			api.mu.Lock()
			defer api.mu.Unlock()
			api.shards = append(api.shards, &fakeShard{id: "c", parents: []string{"a", "b"}}, &fakeShard{id: "d", parents: []string{"x"}})
		}()
		if _, _, err := drain(t, shard, 1); !errors.Is(err, io.EOF) {
			t.Fatalf("got %v, want io.EOF", err)
		}
		want := []pipeline.Start{{ID: "kinesis:s/c", At: trimHorizon, Parents: []string{"kinesis:s/a", "kinesis:s/b"}, Pull: true}}
		if diff := cmp.Diff(want, shard.Children()); diff != "" {
			t.Errorf("children (-want +got):\n%s", diff)
		}
		if _, err := shard.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("Next after the end: got %v, want io.EOF again", err)
		}
	})
}

// The last page and the listing are put together: a child that one of them
// does not have yet, or a parent of a merge, is taken from the other.
func TestChildrenOfThePageAndTheListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(
			&fakeShard{id: "a", records: fakeRecords(1, 1), closed: true, names: []types.ChildShard{
				{ShardId: aws.String("merged"), ParentShards: []string{"a"}},
				{ShardId: aws.String("unlisted"), ParentShards: []string{"a"}},
			}},
			&fakeShard{id: "listed", parents: []string{"a"}},
			&fakeShard{id: "merged", parents: []string{"a", "b"}},
		)
		shard := fakeSource(t, api, StartTrimHorizon).open("a", trimHorizon, time.Now)
		if _, _, err := drain(t, shard, 2); !errors.Is(err, io.EOF) {
			t.Fatalf("got %v, want io.EOF", err)
		}
		start := func(id string, parents ...string) pipeline.Start {
			return pipeline.Start{ID: "kinesis:s/" + id, At: trimHorizon, Parents: parents, Pull: true}
		}
		want := []pipeline.Start{
			start("listed", "kinesis:s/a"), start("merged", "kinesis:s/a", "kinesis:s/b"), start("unlisted", "kinesis:s/a"),
		}
		if diff := cmp.Diff(want, shard.Children()); diff != "" {
			t.Errorf("children (-want +got):\n%s", diff)
		}
	})
}

// A batch costs a string per record (its position), nothing more.
func TestBatchAllocations(t *testing.T) {
	const records = 100
	api := newFakeAPI(&fakeShard{id: "a", records: fakeRecords(1, records)})
	shard := fakeSource(t, api, StartTrimHorizon).open("a", trimHorizon, time.Now)
	page, err := shard.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	shard.batch(page)
	again := func() { // as the position only moves forward
		shard.position = trimHorizon
		shard.batch(page)
	}
	if n := testing.AllocsPerRun(100, again); n > records {
		t.Errorf("a batch of %d records allocates %v times", records, n)
	}
}
