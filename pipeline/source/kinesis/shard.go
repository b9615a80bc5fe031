package kinesis

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/envelope"
)

// shard reads one shard. It implements pipeline.Partition.
type shard struct {
	source   *Source
	id       string
	now      func() time.Time // the host's clock; waiting is in real time
	position pipeline.Position
	payloads []pipeline.Payload // reused by every batch

	aggregated []envelope.Aggregated // reused by every aggregate

	lag        time.Duration // as of answeredAt
	answeredAt time.Time
	lagGauge   prometheus.Gauge

	iterator   string // empty: to be asked for
	iteratorAt time.Time
	notBefore  time.Time // of the next call
	failures   int       // calls that failed in a row

	exhausted bool // nothing more will come
	listings  int  // that found no children
	children  []listed
	ended     bool // children are known
}

// childListings bounds how often a closed shard's children are looked for when
// none are found: they exist, but the listing may not have them yet.
const childListings = 5

// open returns a reader of a shard from a position that iteratorAt accepts.
func (s *Source) open(id string, at pipeline.Position, now func() time.Time) *shard {
	return &shard{source: s, id: id, now: now, position: at, answeredAt: time.Now(),
		lagGauge: s.metrics.lag.WithLabelValues(s.partitionID(id))}
}

// ID is the source's name, a slash and the shard's ID.
func (s *shard) ID() string { return s.source.partitionID(s.id) }

// Committed does nothing: Kinesis keeps what was read.
func (s *shard) Committed(pipeline.Position) {}

// Children are the shards that a split or a merge made of this one, after
// io.EOF. They are read from their beginning; but when nothing was read here
// since the start time, this shard may have been closed before it and a child
// may hold older records, so the start time holds for the children too.
func (s *shard) Children() []pipeline.Start {
	at := trimHorizon
	if _, isTime := timestampOf(s.position); isTime {
		at = s.position
	}
	starts := make([]pipeline.Start, len(s.children))
	for i, child := range s.children {
		starts[i] = pipeline.Start{ID: s.source.partitionID(child.id), At: at, Pull: true}
		for _, parent := range child.parents {
			starts[i].Parents = append(starts[i].Parents, s.source.partitionID(parent))
		}
	}
	return starts
}

// Next makes one read. The batch is valid until the next call. While calls
// fail it returns an empty batch now and then.
func (s *shard) Next(ctx context.Context) (pipeline.Batch, error) {
	until := time.Now().Add(s.source.pacing.patience)
	for !s.ended {
		if err := s.wait(ctx, until); err != nil {
			return pipeline.Batch{}, err
		}
		if time.Now().Before(s.notBefore) {
			return pipeline.Batch{Lag: s.lagNow()}, nil
		}
		var page *kinesis.GetRecordsOutput
		var err error
		if s.exhausted {
			err = s.findChildren(ctx)
		} else if page, err = s.read(ctx); err == nil && !(s.exhausted && len(page.Records) == 0) {
			return s.batch(page), nil
		}
		if err != nil {
			if err := s.survive(ctx, err); err != nil {
				return pipeline.Batch{}, err
			}
		}
	}
	return pipeline.Batch{}, io.EOF
}

// wait waits until the next call is due, or until then, whichever is first.
func (s *shard) wait(ctx context.Context, until time.Time) error {
	due := s.notBefore
	if due.After(until) {
		due = until
	}
	if d := time.Until(due); d > 0 {
		return sleep(ctx, d)
	}
	return ctx.Err()
}

// read fetches the next page and moves the iterator on.
func (s *shard) read(ctx context.Context) (*kinesis.GetRecordsOutput, error) {
	if s.iterator != "" && time.Since(s.iteratorAt) > s.source.pacing.iteratorAge {
		s.dropIterator()
	}
	if s.iterator == "" {
		if err := s.openIterator(ctx); err != nil {
			return nil, err
		}
	}
	page, err := s.source.client.GetRecords(ctx, &kinesis.GetRecordsInput{
		ShardIterator: aws.String(s.iterator), StreamARN: s.source.streamARN(),
	})
	if err != nil {
		return nil, err
	}
	s.answered(page)
	return page, nil
}

// answered takes in what a page says about the shard.
func (s *shard) answered(page *kinesis.GetRecordsOutput) {
	now := time.Now()
	s.recovered()
	s.lag, s.answeredAt = time.Duration(aws.ToInt64(page.MillisBehindLatest))*time.Millisecond, now
	s.observeLag(s.lag)
	if len(page.Records) > 0 {
		s.source.counters.read.Inc()
	} else {
		s.source.counters.empty.Inc()
	}
	s.iterator, s.iteratorAt = aws.ToString(page.NextShardIterator), now
	switch {
	case s.iterator == "":
		s.exhausted, s.children = true, childShards(page)
		for _, child := range page.ChildShards {
			s.source.setHashRange(aws.ToString(child.ShardId), child.HashKeyRange)
		}
	case s.lag > 0:
		s.notBefore = now.Add(s.source.pacing.behind)
	default:
		s.notBefore = now.Add(s.source.pacing.tip)
	}
}

// batch makes payloads of a page and moves the position on.
func (s *shard) batch(page *kinesis.GetRecordsOutput) pipeline.Batch {
	s.payloads = slices.Grow(s.payloads[:0], len(page.Records))
	for i := range page.Records {
		s.unpack(&page.Records[i])
	}
	atTip := page.MillisBehindLatest != nil && *page.MillisBehindLatest == 0
	return pipeline.Batch{Payloads: s.payloads, Lag: s.lag, Idle: atTip && len(page.Records) == 0}
}

// lagNow is the lag, grown by the time since the last answer.
func (s *shard) lagNow() time.Duration { return s.lag + time.Since(s.answeredAt) }

func (s *shard) openIterator(ctx context.Context) error {
	in, err := iteratorAt(s.position)
	if err != nil {
		return err
	}
	in.StreamName, in.StreamARN, in.ShardId = s.source.streamName(), s.source.streamARN(), aws.String(s.id)
	out, err := s.source.client.GetShardIterator(ctx, in)
	if err != nil {
		return err
	}
	s.iterator, s.iteratorAt = aws.ToString(out.ShardIterator), time.Now()
	return nil
}

// dropIterator makes the next read ask for one after the last record read.
func (s *shard) dropIterator() {
	s.iterator = ""
	s.source.counters.renewals.Inc()
}

func (s *shard) recovered() {
	if s.failures >= loudFailures {
		s.source.log.Info("reading again", zap.String("shard", s.id), zap.Int("failures", s.failures))
	}
	s.failures = 0
}

// childShards are the children that the last page of a shard names.
func childShards(page *kinesis.GetRecordsOutput) []listed {
	children := make([]listed, len(page.ChildShards))
	for i, child := range page.ChildShards {
		children[i] = listed{aws.ToString(child.ShardId), child.ParentShards}
	}
	return children
}

// findChildren completes the children that the last page named with those that
// the listing has.
func (s *shard) findChildren(ctx context.Context) error {
	shards, err := s.source.list(ctx, nil)
	if err != nil {
		return err
	}
	s.recovered()
	family := newLineage()
	for _, child := range slices.Concat(s.children, childrenOf(s.id, shards)) {
		family.observe(child.id, child.parents...)
	}
	s.children = s.children[:0]
	for id, parents := range family.parents {
		s.children = append(s.children, listed{id, parents})
	}
	slices.SortFunc(s.children, func(a, b listed) int { return strings.Compare(a.id, b.id) })
	if len(s.children) == 0 {
		if s.listings++; s.listings < childListings {
			s.notBefore = time.Now().Add(s.source.pacing.tip)
			return nil
		}
		s.source.log.Warn("closed shard without children", zap.String("shard", s.id))
	}
	s.ended = true
	return nil
}

// fail is an error that ends the run.
func (s *shard) fail(err error) error {
	return fmt.Errorf("read shard %s of stream %s in %s: %w; %s", s.id, s.source.cfg.Stream, s.source.region, err, advice(err))
}
