package kinesis

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/schemas"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"
)

// events is what SubscribeToShard opens: *kinesis.SubscribeToShardEventStream.
type events interface {
	Events() <-chan types.SubscribeToShardEventStream
	Err() error // once Events is closed
	Close() error
}

// subscribe opens the event stream of a shard.
type subscribe func(context.Context, *kinesis.SubscribeToShardInput) (events, error)

const (
	pingAfter   = 15 * time.Second // without a byte on a connection
	pingTimeout = 15 * time.Second
)

// subscribeWith makes calls through the given client, on connections that
// answers may take any time on. One that is dead is found by HTTP/2 pings, as
// new streams would go to it too.
func subscribeWith(client API) subscribe {
	var connections kinesis.HTTPClient
	if sdk, ok := client.(*kinesis.Client); ok {
		if ours, ok := sdk.Options().HTTPClient.(*awshttp.BuildableClient); ok {
			connections = ours.WithTimeout(0).WithReadTimeout(0).WithTransportOptions(func(t *http.Transport) {
				t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
			})
		}
	}
	return func(ctx context.Context, in *kinesis.SubscribeToShardInput) (events, error) {
		out, err := client.SubscribeToShard(ctx, in, func(o *kinesis.Options) {
			if connections != nil {
				o.HTTPClient = connections
			}
			// A client's protocol keeps one decoder of events, without a lock: each stream needs its own.
			o.Protocol = awsjson.New11(schemas.Kinesis_20131202)
		})
		if err != nil {
			return nil, err
		}
		return out.GetStream(), nil
	}
}

// subscription is how a shard is read by enhanced fan-out. Its zero value is
// none.
type subscription struct {
	arn    string             // of the consumer
	cancel context.CancelFunc // nil: there is none
	opened chan opened        // what the call under way will return; nil: none is
	stream events             // nil: the call has not returned
	since  time.Time          // when the last call succeeded
	quiet  time.Duration      // waited for without an answer or an event
	heard  bool               // an event came

	// continuation is where the next subscription goes on: after this sequence
	// number, which is at the last record or beyond. Empty: after the position.
	continuation string
}

type opened struct {
	stream events
	err    error
}

var (
	errSilent = errors.New("no event though heartbeats are due")
	errAtOnce = errors.New("the subscription ended before any event")
)

// receive returns the next event as a page; none when no event comes until the
// given time. Events are taken from the stream only here, so that a reader that
// is held back holds back the service.
func (s *shard) receive(ctx context.Context, until time.Time) (*page, error) {
	if s.sub.cancel == nil {
		if ready, err := s.subscribe(ctx); err != nil || !ready {
			return nil, err
		}
	}
	for {
		wait := min(time.Until(until), s.source.pacing.silence-s.sub.quiet)
		var pushed <-chan types.SubscribeToShardEventStream
		if s.sub.stream != nil {
			pushed = s.sub.stream.Events()
		}
		began := time.Now()
		timer := time.NewTimer(max(0, wait))
		select {
		case event, ok := <-pushed:
			timer.Stop()
			if !ok {
				return nil, s.streamEnded()
			}
			s.sub.quiet, s.sub.heard = 0, true
			if event, ok := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent); ok {
				return s.pushed(&event.Value), nil
			}
		case result := <-s.sub.opened:
			timer.Stop()
			if result.err != nil {
				return nil, result.err
			}
			s.source.counters.subscribed.Inc()
			s.sub.opened, s.sub.stream, s.sub.since, s.sub.quiet = nil, result.stream, time.Now(), 0
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
			s.sub.quiet += time.Since(began)
			if s.sub.quiet < s.source.pacing.silence {
				return nil, nil //nolint:nilnil // no event is no error
			}
			s.source.counters.silent.Inc()
			return nil, fmt.Errorf("%w for %s", errSilent, s.sub.quiet.Round(time.Second))
		}
	}
}

// subscribe begins a subscription; false when the consumer is not ready yet.
// The call runs on its own goroutine, since it may outlive its context: whoever
// waits for it can give up, then its stream is closed when it comes.
func (s *shard) subscribe(ctx context.Context) (bool, error) {
	arn, err := s.source.fanOut.consumer(ctx)
	if err != nil {
		return false, err
	}
	if arn == "" {
		s.notBefore = time.Now().Add(s.source.pacing.attempt)
		return false, nil
	}
	at, err := s.startingPosition()
	if err != nil {
		return false, err
	}
	in := &kinesis.SubscribeToShardInput{ConsumerARN: aws.String(arn), ShardId: aws.String(s.id), StartingPosition: at}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it outlives this Next; unsubscribe ends it
	result := make(chan opened)
	go func() {
		stream, err := s.source.subscribe(ctx, in)
		select {
		case result <- opened{stream, err}:
		case <-ctx.Done():
			if err == nil {
				_ = stream.Close()
			}
		}
	}()
	s.sub.arn, s.sub.cancel, s.sub.opened, s.sub.quiet, s.sub.heard = arn, cancel, result, 0, false
	return true, nil
}

func (s *shard) startingPosition() (*types.StartingPosition, error) {
	if s.sub.continuation != "" {
		return &types.StartingPosition{
			Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: aws.String(s.sub.continuation),
		}, nil
	}
	at, err := iteratorAt(s.position)
	if err != nil {
		return nil, err
	}
	return &types.StartingPosition{Type: at.ShardIteratorType, SequenceNumber: at.StartingSequenceNumber, Timestamp: at.Timestamp}, nil
}

// unsubscribe ends the subscription, if there is one. It does not wait for it.
func (s *shard) unsubscribe() {
	if s.sub.cancel == nil {
		return
	}
	s.sub.cancel()
	if stream := s.sub.stream; stream != nil {
		go func() { _ = stream.Close() }()
	}
	s.sub = subscription{since: s.sub.since, continuation: s.sub.continuation}
}

// streamEnded takes in that the service ended the subscription: that is an
// error unless it only has to be renewed, which is so every five minutes.
func (s *shard) streamEnded() error {
	err := s.sub.stream.Err()
	switch {
	case err == nil && s.sub.heard:
		s.source.counters.ended.Inc()
		s.notBefore = s.sub.since.Add(s.source.pacing.resubscribe)
		s.unsubscribe()
		return nil
	case err == nil:
		err = errAtOnce
	}
	s.source.counters.broken.Inc()
	return err
}

// pushed makes a page of an event.
func (s *shard) pushed(event *types.SubscribeToShardEvent) *page {
	got := &page{records: event.Records, behind: event.MillisBehindLatest, children: event.ChildShards}
	s.sub.continuation = aws.ToString(event.ContinuationSequenceNumber)
	if s.sub.continuation == "" || len(event.ChildShards) > 0 {
		got.last = true
		s.unsubscribe()
	}
	s.answered(got)
	return got
}
