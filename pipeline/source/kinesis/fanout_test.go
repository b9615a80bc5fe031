package kinesis

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/source/sourcetest"
)

func wantDrained(t *testing.T, reader *shard, want ...string) []pipeline.Batch {
	t.Helper()
	got, batches, err := drain(t, reader, len(want))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v, payloads (-want +got):\n%s", err, diff)
	}
	return batches
}

func positions(calls []fakeSubscription) []types.StartingPosition {
	var from []types.StartingPosition
	for _, call := range calls {
		from = append(from, call.from)
	}
	return from
}

var samePositions = cmpopts.IgnoreUnexported(types.StartingPosition{})

// A subscription ends after five minutes and goes on at the last event's
// continuation, which moves also when no record comes.
func TestSubscriptionIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const beyond = "490000000009"
		reader, fake, _ := fanOutShard(t, func(n int) (*fakeEvents, error) {
			if n == 1 {
				return newFakeEvents(append([]fakeEvent{event(1, 2)}, heartbeats(60, beyond)...)...).then(nil), nil
			}
			return newFakeEvents(event(11, 12)), nil
		})
		began := time.Now()
		wantDrained(t, reader, "1", "2", "11", "12")
		want := []types.StartingPosition{
			{Type: types.ShardIteratorTypeTrimHorizon},
			{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: aws.String(beyond)},
		}
		calls := fake.subscriptions()
		if diff := cmp.Diff(want, positions(calls), samePositions); diff != "" {
			t.Errorf("starting positions (-want +got):\n%s", diff)
		}
		if after := calls[1].at.Sub(began); after != 5*time.Minute {
			t.Errorf("renewed after %s, want at once after five minutes", after)
		}
		if calls[0].of != fakeConsumerARN {
			t.Errorf("subscribed as %q", calls[0].of)
		}
		c := reader.source.counters
		if opened, expired := testutil.ToFloat64(c.subscribed), testutil.ToFloat64(c.ended); opened != 2 || expired != 1 {
			t.Errorf("%v opened and %v expired subscriptions were counted", opened, expired)
		}
	})
}

// A committed position is where a subscription begins.
func TestSubscriptionStartsAtThePosition(t *testing.T) {
	for position, want := range map[pipeline.Position]types.StartingPosition{
		trimHorizon: {Type: types.ShardIteratorTypeTrimHorizon},
		"at:1000":   {Type: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(time.Unix(1, 0))},
		"seq:49":    {Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: aws.String("49")},
		"seq:49.3":  {Type: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: aws.String("49")},
	} {
		synctest.Test(t, func(t *testing.T) {
			reader, fake, _ := fanOutShard(t, func(int) (*fakeEvents, error) { return newFakeEvents(), nil })
			reader.position = position
			if _, err := reader.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]types.StartingPosition{want}, positions(fake.subscriptions()), samePositions); diff != "" {
				t.Errorf("%s (-want +got):\n%s", position, diff)
			}
		})
	}
}

// At the tip a shard is idle also between the heartbeats, and Next comes back
// every two seconds.
func TestIdleBetweenHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, _, _ := fanOutShard(t, func(int) (*fakeEvents, error) {
			return newFakeEvents(append([]fakeEvent{event(1, 1)}, heartbeats(10, "49")...)...), nil
		})
		wantDrained(t, reader, "1")
		for range 20 {
			before := time.Now()
			batch, err := reader.Next(t.Context())
			if err != nil || !batch.Idle || batch.Lag != 0 || len(batch.Payloads) > 0 {
				t.Errorf("got %+v, %v, want an idle batch", batch, err)
			}
			if waited := time.Since(before); waited > 2*time.Second {
				t.Errorf("Next took %s", waited)
			}
		}
	})
}

// Without a heartbeat for 30 s a subscription is given up, whether its call has
// returned or not; meanwhile nothing is said to be idle.
func TestSilentSubscriptionIsReplaced(t *testing.T) {
	for name, hangs := range map[string]bool{"no event": false, "no answer": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				silent, release := newFakeEvents(), make(chan struct{})
				reader, fake, _ := fanOutShard(t, func(n int) (*fakeEvents, error) {
					switch {
					case n == 2 && hangs:
						<-release // whatever its context says
						return silent, nil
					case n == 2:
						return silent, nil
					case n == 1:
						return newFakeEvents(event(1, 2)).then(nil), nil
					}
					return newFakeEvents(event(3, 4)), nil
				})
				wantDrained(t, reader, "1", "2")
				for len(fake.subscriptions()) < 2 {
					if _, err := reader.Next(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				began := fake.subscriptions()[1].at
				batches := wantDrained(t, reader, "3", "4")
				if waited := fake.subscriptions()[2].at.Sub(began); waited < 30*time.Second || waited > 36*time.Second {
					t.Errorf("the silent subscription was replaced after %s", waited)
				}
				last := batches[len(batches)-2] // before the records
				if last.Idle || last.Lag < 20*time.Second {
					t.Errorf("after a long silence: %+v", last)
				}
				close(release)
				<-silent.closed // whenever it came, it is not left open
				if n := testutil.ToFloat64(reader.source.counters.silent); n != 1 {
					t.Errorf("%v silent subscriptions were counted, want 1", n)
				}
			})
		})
	}
}

// A reader that does not call Next takes nothing from the stream, and is not
// taken for one that hears nothing.
func TestHeldBackReaderTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeEvents(event(1, 1), event(2, 2), event(3, 3))
		reader, fake, _ := fanOutShard(t, func(int) (*fakeEvents, error) { return stream, nil })
		wantDrained(t, reader, "1")
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(stream.out); n != 0 { // unbuffered: the sender still waits
			t.Errorf("%d events were taken ahead", n)
		}
		wantDrained(t, reader, "2", "3")
		if n := len(fake.subscriptions()); n != 1 {
			t.Errorf("%d subscriptions, want 1", n)
		}
	})
}

// Subscriptions to a shard are five seconds apart: within that time after a
// success, whoever's, the service refuses another.
func TestSubscriptionsKeepTheirDistance(t *testing.T) {
	refused := code("ResourceInUseException")
	for name, script := range map[string]func(n int) (*fakeEvents, error){
		"the stream breaks at once": func(n int) (*fakeEvents, error) {
			if n < 6 {
				return newFakeEvents().then(errors.New("connection reset")), nil
			}
			return newFakeEvents(event(1, 1)), nil
		},
		"the stream ends at once": func(n int) (*fakeEvents, error) {
			if n < 6 {
				return newFakeEvents().then(nil), nil
			}
			return newFakeEvents(event(1, 1)), nil
		},
		"another has it": func(n int) (*fakeEvents, error) {
			if n < 6 {
				return nil, refused
			}
			return newFakeEvents(event(1, 1)), nil
		},
		"another takes it": func(n int) (*fakeEvents, error) {
			if n < 6 {
				return newFakeEvents(heartbeats(1, "49")...).then(refused), nil
			}
			return newFakeEvents(event(1, 1)), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reader, fake, _ := fanOutShard(t, script)
				wantDrained(t, reader, "1")
				calls := fake.subscriptions()
				for i := 1; i < len(calls); i++ {
					if gap := calls[i].at.Sub(calls[i-1].at); gap < 5*time.Second || gap > 21*time.Second {
						t.Errorf("%s between subscriptions", gap)
					}
				}
				if len(calls) != 6 {
					t.Errorf("%d subscriptions, want 6", len(calls))
				}
			})
		})
	}
}

// While subscribing fails, Next comes back and the calls are at least a second
// apart.
func TestFailedSubscriptionsAreRetried(t *testing.T) {
	for _, failure := range []error{code("LimitExceededException"), &smithyServerError{}, errors.New("dial tcp: connection refused")} {
		synctest.Test(t, func(t *testing.T) {
			reader, fake, _ := fanOutShard(t, func(n int) (*fakeEvents, error) {
				if n < 20 {
					return nil, failure
				}
				return newFakeEvents(event(1, 1)), nil
			})
			batches := wantDrained(t, reader, "1")
			for _, batch := range batches[:len(batches)-1] {
				if batch.Idle {
					t.Errorf("%v: %+v", failure, batch)
				}
			}
			calls := fake.subscriptions()
			for i := 1; i < len(calls); i++ {
				if gap := calls[i].at.Sub(calls[i-1].at); gap < time.Second || gap > 11*time.Second {
					t.Errorf("%v: %s between calls", failure, gap)
				}
			}
		})
	}
}

// A continuation that the service does not take is given up for the position of
// the last record.
func TestRefusedContinuation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, fake, _ := fanOutShard(t, func(n int) (*fakeEvents, error) {
			switch n {
			case 1:
				return newFakeEvents(append([]fakeEvent{event(1, 2)}, heartbeats(1, "4999")...)...).then(nil), nil
			case 2:
				return nil, code("InvalidArgumentException")
			}
			return newFakeEvents(event(3, 3)), nil
		})
		wantDrained(t, reader, "1", "2", "3")
		if from := fake.subscriptions()[2].from; aws.ToString(from.SequenceNumber) != "490000000002" {
			t.Errorf("went on after %s", aws.ToString(from.SequenceNumber))
		}
	})
}

func TestSubscriptionEndsWithTheShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, fake, _ := fanOutShard(t, func(int) (*fakeEvents, error) {
			return newFakeEvents(event(1, 1), end(
				types.ChildShard{ShardId: aws.String("b"), ParentShards: []string{"a"}},
				types.ChildShard{ShardId: aws.String("c"), ParentShards: []string{"a"}},
			)), nil
		})
		wantDrained(t, reader, "1")
		if _, _, err := drain(t, reader, 1); !errors.Is(err, io.EOF) {
			t.Fatalf("got %v, want io.EOF", err)
		}
		parents := []string{"kinesis:s/a"}
		want := []pipeline.Start{
			{ID: "kinesis:s/b", At: trimHorizon, Parents: parents, Pull: true},
			{ID: "kinesis:s/c", At: trimHorizon, Parents: parents, Pull: true},
		}
		if diff := cmp.Diff(want, reader.Children()); diff != "" {
			t.Errorf("children (-want +got):\n%s", diff)
		}
		if n := len(fake.subscriptions()); n != 1 {
			t.Errorf("%d subscriptions, want 1", n)
		}
	})
}

func TestSubscriptionIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, _, _ := fanOutShard(t, func(int) (*fakeEvents, error) { return newFakeEvents(event(1, 1)), nil })
		wantDrained(t, reader, "1")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := reader.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}

// The consumer is registered when it is not there, and used when it is active.
func TestConsumerIsRegistered(t *testing.T) {
	for name, c := range map[string]struct {
		was       types.ConsumerStatus
		register  error
		registers int
	}{
		"it is there":                  {types.ConsumerStatusActive, nil, 0},
		"it is being created":          {types.ConsumerStatusCreating, nil, 0},
		"it is being deleted":          {types.ConsumerStatusDeleting, nil, 0},
		"it is not there":              {"", nil, 1},
		"another process is faster":    {"", code("ResourceInUseException"), 1},
		"the service fails for a time": {"", &smithyServerError{}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI(&fakeShard{id: "a"})
				api.consumer = c.was
				api.fail = func(operation string, call int) error {
					if operation == "RegisterStreamConsumer" && call == 1 && c.register != nil {
						if isInUse(c.register) {
							api.consumer = types.ConsumerStatusCreating
						}
						return c.register
					}
					return nil
				}
				source, _ := fanOutSource(t, api, func(int) (*fakeEvents, error) { return newFakeEvents(event(1, 2)), nil })
				host := sourcetest.NewHost(t, nil)
				consume(t, host, source, delivered(2))
				if n := api.calls["RegisterStreamConsumer"]; n != c.registers {
					t.Errorf("registered %d times, want %d", n, c.registers)
				}
				if n := api.calls["GetRecords"]; n != 0 {
					t.Errorf("%d polls, want none", n)
				}
			})
		})
	}
}

// Where fan-out can't be had, the shards are polled: from the beginning, or
// from where the subscription was.
func TestFallBackToPolling(t *testing.T) {
	denied := code("AccessDeniedException")
	for name, c := range map[string]struct {
		operation string
		err       error
	}{
		"the stream may not be described":   {"DescribeStreamSummary", denied},
		"the consumer may not be described": {"DescribeStreamConsumer", denied},
		"registering is denied":             {"RegisterStreamConsumer", denied},
		"the stream has all its consumers":  {"RegisterStreamConsumer", code("LimitExceededException")},
		"an endpoint without fan-out":       {"DescribeStreamConsumer", code("UnknownOperationException")},
		"subscribing is denied":             {"SubscribeToShard", denied},
		"subscribing is denied later":       {"", denied},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI(&fakeShard{id: "a", records: fakeRecords(1, 4)})
				api.fail = func(operation string, _ int) error {
					if operation == c.operation {
						return c.err
					}
					return nil
				}
				source, fake := fanOutSource(t, api, func(n int) (*fakeEvents, error) {
					if c.operation == "" && n == 1 {
						return newFakeEvents(event(1, 2)).then(nil), nil
					}
					return nil, c.err
				})
				var modes []float64
				host := sourcetest.NewHost(t, nil)
				consume(t, host, source, func(p *sourcetest.Progress) bool {
					if len(p.Deliveries) > len(modes) {
						modes = append(modes, testutil.ToFloat64(source.metrics.fanOut.WithLabelValues("kinesis:s/a")))
					}
					return len(p.Deliveries) == 4
				})
				if diff := cmp.Diff([]string{"1", "2", "3", "4"}, collect(host)); diff != "" {
					t.Errorf("records (-want +got):\n%s", diff)
				}
				want := []float64{0, 0, 0, 0}
				if c.operation == "" {
					want = []float64{1, 1, 0, 0}
				}
				if diff := cmp.Diff(want, modes); diff != "" {
					t.Errorf("read by fan-out (-want +got):\n%s", diff)
				}
				if subscribed := len(fake.subscriptions()) > 0; subscribed != (strings.HasPrefix(name, "subscribing")) {
					t.Errorf("subscribed: %v", subscribed)
				}
			})
		})
	}
}

// A consumer that was deleted while it was read with is registered again.
func TestDeletedConsumerIsRegisteredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var api *fakeAPI
		reader, fake, made := fanOutShard(t, func(n int) (*fakeEvents, error) {
			switch n {
			case 1:
				return newFakeEvents(event(1, 2)).then(code("ResourceNotFoundException")), nil
			case 2:
				api.mu.Lock()
				api.consumer = ""
				api.mu.Unlock()
				return nil, code("ResourceNotFoundException")
			}
			return newFakeEvents(event(3, 4)), nil
		})
		api = made
		wantDrained(t, reader, "1", "2", "3", "4")
		if n := api.calls["RegisterStreamConsumer"]; n != 1 {
			t.Errorf("registered %d times, want once", n)
		}
		if n := len(fake.subscriptions()); n != 3 {
			t.Errorf("%d subscriptions, want 3", n)
		}
	})
}

// A shard that retention removed ends, with what the listing has of its
// children; a stream that was deleted ends the run.
func TestSubscriptionToWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, _, api := fanOutShard(t, func(int) (*fakeEvents, error) { return nil, code("ResourceNotFoundException") })
		api.shards = []*fakeShard{{id: "b", parents: []string{"a"}}}
		if _, _, err := drain(t, reader, 1); !errors.Is(err, io.EOF) {
			t.Fatalf("got %v, want io.EOF", err)
		}
		if children := reader.Children(); len(children) != 1 || children[0].ID != "kinesis:s/b" {
			t.Errorf("children %v", children)
		}
		if n := testutil.ToFloat64(reader.source.counters.expiredShards); n != 1 {
			t.Errorf("%v expired shards were counted, want 1", n)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		reader, _, api := fanOutShard(t, func(int) (*fakeEvents, error) { return nil, code("ResourceNotFoundException") })
		api.fail = func(operation string, _ int) error {
			if operation == "ListShards" {
				return code("ResourceNotFoundException")
			}
			return nil
		}
		_, _, err := drain(t, reader, 1)
		wantCode(t, err, "ResourceNotFoundException")
	})
}

// fanOutCalls wants the ordinary SDK client, on connections of its own.
func TestSubscriptionsHaveConnectionsOfTheirOwn(t *testing.T) {
	var used kinesis.Options
	api := &optionsAPI{fakeAPI: newFakeAPI(), seen: &used}
	if _, err := subscribeWith(api)(t.Context(), &kinesis.SubscribeToShardInput{}); err == nil {
		t.Fatal("the fake gave a stream")
	}
	first := used.Protocol
	_, _ = subscribeWith(api)(t.Context(), &kinesis.SubscribeToShardInput{})
	if first == nil || used.Protocol == first {
		t.Error("two subscriptions share one decoder of events")
	}
}

type optionsAPI struct {
	*fakeAPI
	seen *kinesis.Options
}

func (a *optionsAPI) SubscribeToShard(ctx context.Context, in *kinesis.SubscribeToShardInput, options ...func(*kinesis.Options)) (*kinesis.SubscribeToShardOutput, error) {
	for _, option := range slices.All(options) {
		option(a.seen)
	}
	return a.fakeAPI.SubscribeToShard(ctx, in)
}
