package kinesis

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// fakeFanOut gives out event streams without a network. Its script says what
// the n-th call (from 1) returns.
type fakeFanOut struct {
	script func(n int) (*fakeEvents, error)

	mu    sync.Mutex
	calls []fakeSubscription
}

type fakeSubscription struct {
	at   time.Time
	from types.StartingPosition
	of   string // the consumer's ARN
}

func (f *fakeFanOut) subscribe(ctx context.Context, in *kinesis.SubscribeToShardInput) (events, error) {
	f.mu.Lock()
	f.calls = append(f.calls, fakeSubscription{time.Now(), *in.StartingPosition, aws.ToString(in.ConsumerARN)})
	n := len(f.calls)
	f.mu.Unlock()
	stream, err := f.script(n)
	if err != nil {
		return nil, err
	}
	go stream.run(ctx)
	return stream, nil
}

// subscriptions are the calls so far.
func (f *fakeFanOut) subscriptions() []fakeSubscription {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// fakeEvents plays events, each after a pause, then ends: with an error, at
// once, or only when it is closed.
type fakeEvents struct {
	play  []fakeEvent
	err   error
	stays bool

	once   sync.Once
	closed chan struct{}
	out    chan types.SubscribeToShardEventStream
}

type fakeEvent struct {
	after time.Duration
	types.SubscribeToShardEvent
}

func newFakeEvents(play ...fakeEvent) *fakeEvents {
	return &fakeEvents{play: play, stays: true, closed: make(chan struct{}), out: make(chan types.SubscribeToShardEventStream)}
}

// then ends the stream after its events.
func (e *fakeEvents) then(err error) *fakeEvents {
	e.err, e.stays = err, false
	return e
}

func (e *fakeEvents) run(ctx context.Context) {
	defer close(e.out)
	for i := range e.play {
		if sleep(ctx, e.play[i].after) != nil {
			return
		}
		select {
		case e.out <- &types.SubscribeToShardEventStreamMemberSubscribeToShardEvent{Value: e.play[i].SubscribeToShardEvent}:
		case <-e.closed:
			return
		case <-ctx.Done():
			return
		}
	}
	if e.stays {
		select {
		case <-e.closed:
		case <-ctx.Done():
		}
	}
}

func (e *fakeEvents) Events() <-chan types.SubscribeToShardEventStream { return e.out }
func (e *fakeEvents) Err() error                                       { return e.err }
func (e *fakeEvents) Close() error                                     { e.once.Do(func() { close(e.closed) }); return nil }

// records makes an event of records first to last, at the tip.
func event(first, last int) fakeEvent {
	records := fakeRecords(first, last)
	return fakeEvent{SubscribeToShardEvent: types.SubscribeToShardEvent{
		Records: records, MillisBehindLatest: aws.Int64(0), ContinuationSequenceNumber: records[len(records)-1].SequenceNumber,
	}}
}

// heartbeats are n empty events, five seconds apart.
func heartbeats(n int, continuation string) []fakeEvent {
	beats := make([]fakeEvent, n)
	for i := range beats {
		beats[i] = fakeEvent{5 * time.Second, types.SubscribeToShardEvent{
			MillisBehindLatest: aws.Int64(0), ContinuationSequenceNumber: aws.String(continuation),
		}}
	}
	return beats
}

// end is the last event of a shard.
func end(children ...types.ChildShard) fakeEvent {
	return fakeEvent{SubscribeToShardEvent: types.SubscribeToShardEvent{MillisBehindLatest: aws.Int64(0), ChildShards: children}}
}

func fanOutSource(t *testing.T, api *fakeAPI, script func(n int) (*fakeEvents, error)) (*Source, *fakeFanOut) {
	t.Helper()
	source, err := New(Config{Stream: "s", Start: StartTrimHorizon, Consumer: ConsumerFanOut}, Dependencies{Client: api})
	if err != nil {
		t.Fatal(err)
	}
	fake := &fakeFanOut{script: script}
	source.subscribe = fake.subscribe
	return source, fake
}

// fanOutShard is a reader of shard "a" whose consumer is there.
func fanOutShard(t *testing.T, script func(n int) (*fakeEvents, error)) (*shard, *fakeFanOut, *fakeAPI) {
	t.Helper()
	api := newFakeAPI(&fakeShard{id: "a", records: fakeRecords(1, 4)})
	api.consumer = types.ConsumerStatusActive
	source, fake := fanOutSource(t, api, script)
	reader := source.open("a", trimHorizon, time.Now)
	t.Cleanup(reader.close)
	return reader, fake, api
}
