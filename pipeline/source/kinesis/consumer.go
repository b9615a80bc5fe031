package kinesis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"go.uber.org/zap"
)

// fanOut is the consumer that a source reads with by enhanced fan-out. Safe for
// concurrent use; a nil one is never active.
type fanOut struct {
	source *Source
	off    atomic.Bool // it can't be had: all shards are polled from then on

	mu        sync.Mutex // guards what follows, and is held over a call
	streamARN string     // empty: to be asked for
	arn       string     // of the consumer, empty: to be found or registered
}

// registrationError is a failure to find or register the consumer.
type registrationError struct{ error }

func (e *registrationError) Unwrap() error { return e.error }

// active says whether shards are to be read by fan-out.
func (f *fanOut) active() bool { return f != nil && !f.off.Load() }

// prepare finds or registers the consumer before anything is read. Where that
// is denied, or the stream has all the consumers it may have, the shards will
// be polled. It returns an error only when the service did not answer.
func (f *fanOut) prepare(ctx context.Context) error {
	for attempt := 1; ; {
		arn, err := f.consumer(ctx)
		wait := f.source.pacing.attempt
		switch cause := classify(err); {
		case ctx.Err() != nil:
			return ctx.Err()
		case arn != "":
			f.source.log.Info("reading by enhanced fan-out", zap.String("consumer", arn))
			return nil
		case err == nil: // it is being created, or deleted
		case cause == missing:
			return nil // the listing of the shards says so better
		case cause == fatal || cause == throttled && attempt == startupAttempts:
			f.fallBack(err)
			return nil
		case attempt == startupAttempts:
			return fmt.Errorf("register consumer %s of stream %s in %s: %w; %s",
				f.source.cfg.consumerName(), f.source.cfg.Stream, f.source.region, err, advice(err))
		default:
			f.source.log.Warn("registering the consumer again", zap.Int("attempt", attempt), zap.Error(err))
			wait = f.source.pacing.behind + backoff(f.source.pacing.backoff, attempt)
			attempt++
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// consumer is the ARN to subscribe with. It is empty, without an error, for as
// long as the consumer is being created or deleted.
func (f *fanOut) consumer(ctx context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.arn != "" {
		return f.arn, nil
	}
	if err := f.findStream(ctx); err != nil {
		return "", &registrationError{fmt.Errorf("describe the stream: %w", err)}
	}
	client, name := f.source.client, aws.String(f.source.cfg.consumerName())
	found, err := client.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{
		StreamARN: aws.String(f.streamARN), ConsumerName: name,
	})
	switch {
	case err == nil && found.ConsumerDescription.ConsumerStatus == types.ConsumerStatusActive:
		f.arn = aws.ToString(found.ConsumerDescription.ConsumerARN)
		return f.arn, nil
	case err == nil:
		return "", nil
	case classify(err) != missing:
		return "", &registrationError{fmt.Errorf("describe the consumer: %w", err)}
	}
	_, err = client.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{
		StreamARN: aws.String(f.streamARN), ConsumerName: name,
	})
	if err != nil && !isInUse(err) { // in use: another process was faster
		return "", &registrationError{fmt.Errorf("register the consumer: %w", err)}
	}
	return "", nil // to be described until it is active
}

func (f *fanOut) findStream(ctx context.Context) error {
	if f.streamARN = aws.ToString(f.source.streamARN()); f.streamARN != "" {
		return nil
	}
	out, err := f.source.client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: f.source.streamName()})
	if err != nil {
		return err
	}
	if out.StreamDescriptionSummary != nil {
		f.streamARN = aws.ToString(out.StreamDescriptionSummary.StreamARN)
	}
	if f.streamARN == "" {
		return errors.New("the answer has no ARN")
	}
	return nil
}

// forget makes the next subscription look for the consumer again, as the one
// with this ARN is not there any more.
func (f *fanOut) forget(arn string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.arn == arn {
		f.arn = ""
	}
}

// fallBack makes all shards be polled until the source is started again.
func (f *fanOut) fallBack(err error) {
	if f.off.CompareAndSwap(false, true) {
		f.source.log.Warn("enhanced fan-out can't be had, all shards are polled until the next start; "+
			"check that the role may call kinesis:DescribeStreamSummary, kinesis:DescribeStreamConsumer, kinesis:RegisterStreamConsumer "+
			"and kinesis:SubscribeToShard, and how many consumers the stream has", zap.Error(err))
	}
}

func isInUse(err error) bool {
	var answer smithy.APIError
	return errors.As(err, &answer) && answer.ErrorCode() == "ResourceInUseException"
}

// isDenied says that a call is not allowed, or that the endpoint does not know
// it, as some local ones.
func isDenied(err error) bool {
	var answer smithy.APIError
	return errors.As(err, &answer) && (strings.HasPrefix(answer.ErrorCode(), "AccessDenied") ||
		answer.ErrorCode() == "UnknownOperationException")
}

// surviveFanOut takes a failed registration or subscription in: it sets when to
// try again, or returns what ends the run.
func (s *shard) surviveFanOut(ctx context.Context, err error) error {
	arn, wasOpen := s.sub.arn, s.sub.stream != nil
	s.unsubscribe()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var registering *registrationError
	atRegistration := errors.As(err, &registering)
	cause := classify(err)
	if cause == fatal && s.aheadOfService(err) {
		cause = failed
	}
	outcome := s.source.counters.subscribeFailed
	switch {
	case isDenied(err), atRegistration && cause == throttled && s.failures >= startupAttempts:
		s.source.counters.subscribeDenied.Inc()
		s.source.fanOut.fallBack(err)
		return nil
	case isInUse(err):
		outcome = s.source.counters.subscribeInUse
		err = fmt.Errorf("%w; check that no other reader of the stream has the consumer_name %s", err, s.source.cfg.consumerName())
	case cause == missing:
		s.source.fanOut.forget(arn)
		if over, missErr := s.missed(ctx, err); over || missErr != nil {
			return missErr
		}
	case cause == fatal && s.sub.continuation != "" && isInvalidArgument(err):
		s.sub.continuation = "" // the position of the last record is good in any case
	case cause == fatal:
		return s.fail(err)
	case cause == throttled:
		outcome = s.source.counters.subscribeThrottled
	}
	if !wasOpen {
		outcome.Inc()
	}
	s.retryLater(err)
	s.spaceSubscriptions(isInUse(err))
	return nil
}

// spaceSubscriptions makes the next one wait for as long as it would be refused.
func (s *shard) spaceSubscriptions(inUse bool) {
	earliest := time.Now().Add(s.source.pacing.attempt)
	if inUse { // by a subscription of which it is not known when it began
		earliest = time.Now().Add(s.source.pacing.resubscribe)
	}
	for _, t := range []time.Time{earliest, s.sub.since.Add(s.source.pacing.resubscribe)} {
		if s.notBefore.Before(t) {
			s.notBefore = t
		}
	}
}

// missed tells a stream and a shard that are gone from a consumer that is: of
// those the first ends the run, the second is over, and the third is looked for
// again.
func (s *shard) missed(ctx context.Context, err error) (over bool, _ error) {
	listed, listErr := s.isListed(ctx)
	switch {
	case listErr != nil && classify(listErr) == missing:
		return false, s.fail(err)
	case listErr != nil || listed:
		return false, nil
	}
	s.expired()
	return true, nil
}
