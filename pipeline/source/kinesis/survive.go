package kinesis

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"
)

// loudFailures is how many calls of a shard fail in a row until the log says so.
const loudFailures = 5

// survive takes a failed call in: it sets when to try again, or returns what
// ends the run.
func (s *shard) survive(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	cause := classify(err)
	if cause == fatal && s.aheadOfService(err) {
		cause = failed
	}
	switch cause {
	case fatal:
		return s.fail(err)
	case missing:
		return s.outlived(ctx, err)
	case expired:
		s.source.counters.expired.Inc()
		s.dropIterator()
		s.notBefore = time.Now().Add(s.source.pacing.behind)
		return nil
	case throttled:
		s.source.counters.throttled.Inc()
	case failed:
		s.source.counters.failed.Inc()
	}
	s.retryLater(err)
	return nil
}

// retryLater sets when to try again what failed.
func (s *shard) retryLater(err error) {
	s.failures++
	switch {
	case errors.Is(err, errSilent):
		s.trouble = "no event from Kinesis"
	case classify(err) == throttled:
		s.trouble = "throttled by Kinesis"
	case isAnswer(err):
		s.trouble = "errors from Kinesis"
	default:
		s.trouble = "no answer from Kinesis"
	}
	s.observeLag(s.lagNow())
	if s.failures%loudFailures == 0 {
		s.source.log.Warn("reading fails, trying again",
			zap.String("shard", s.id), zap.Int("failures", s.failures), zap.Error(err))
	}
	s.notBefore = time.Now().Add(s.source.pacing.behind + backoff(s.source.pacing.backoff, s.failures))
}

// aheadOfService says that the service refused a start because it lies in its
// future, which passes when the clocks are only a little apart.
func (s *shard) aheadOfService(err error) bool {
	at, isTime := timestampOf(s.position)
	return isTime && s.iterator == "" && isInvalidArgument(err) &&
		s.now().Sub(at) < s.source.pacing.clockSkew
}

// outlived tells a shard that retention removed from a stream that is not
// there. The former ends here, with the children that the listing has.
func (s *shard) outlived(ctx context.Context, err error) error {
	listed, listErr := s.isListed(ctx)
	switch {
	case listErr != nil && classify(listErr) == missing:
		return s.fail(err)
	case listErr != nil:
		return s.survive(ctx, listErr)
	case listed:
		return s.fail(err)
	}
	s.expired()
	return nil
}

// isListed says whether the stream has the shard.
func (s *shard) isListed(ctx context.Context) (bool, error) {
	shards, err := s.source.list(ctx, nil)
	return slices.ContainsFunc(shards, func(l listed) bool { return l.id == s.id }), err
}

// expired ends a shard that retention removed.
func (s *shard) expired() {
	s.source.counters.expiredShards.Inc()
	s.source.log.Warn("shard expired before it was read to its end",
		zap.String("shard", s.id), zap.String("position", string(s.position)))
	s.exhausted, s.iterator = true, ""
	s.listings = childListings - 1 // none is a possible answer here: its children may have expired too
}
