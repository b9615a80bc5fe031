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
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
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

	lag         time.Duration // as of answeredAt
	answeredAt  time.Time
	lagGauge    prometheus.Gauge
	tip         bool // nothing more was there then
	fanOutGauge prometheus.Gauge

	iterator   string // empty: to be asked for
	iteratorAt time.Time
	notBefore  time.Time // of the next call
	failures   int       // calls that failed in a row
	trouble    string    // what is wrong then, for pipeline.Batch

	sub subscription // of enhanced fan-out

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
		lagGauge: s.metrics.lag.WithLabelValues(s.partitionID(id)), fanOutGauge: s.metrics.fanOut.WithLabelValues(s.partitionID(id))}
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
			return s.quiet(), nil
		}
		got, err := s.step(ctx, until)
		switch {
		case err != nil:
			return pipeline.Batch{}, err
		case got != nil && !(s.exhausted && len(got.records) == 0):
			return s.batch(got), nil
		case !time.Now().Before(until):
			return s.quiet(), nil
		}
	}
	return pipeline.Batch{}, io.EOF
}

// step makes one call, or waits for one event until the given time. It returns
// nothing where that gave nothing, and an error that ends the run.
func (s *shard) step(ctx context.Context, until time.Time) (*page, error) {
	if s.exhausted {
		if err := s.findChildren(ctx); err != nil {
			return nil, s.survive(ctx, err)
		}
		return nil, nil //nolint:nilnil // not a read
	}
	if s.source.fanOut.active() {
		s.fanOutGauge.Set(1)
		got, err := s.receive(ctx, until)
		if err != nil {
			err = s.surviveFanOut(ctx, err)
		}
		return got, err
	}
	s.fanOutGauge.Set(0)
	s.unsubscribe()
	got, err := s.read(ctx)
	if err != nil {
		err = s.survive(ctx, err)
	}
	return got, err
}

// close ends what the reader holds. It is not read any more.
func (s *shard) close() { s.unsubscribe() }

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

// page is what one GetRecords or one event gave.
type page struct {
	records  []types.Record
	behind   *int64             // milliseconds behind the newest record
	children []types.ChildShard // of the last page alone
	last     bool               // the shard is closed and read to its end
}

// read fetches the next page and moves the iterator on.
func (s *shard) read(ctx context.Context) (*page, error) {
	if s.iterator != "" && time.Since(s.iteratorAt) > s.source.pacing.iteratorAge {
		s.dropIterator()
	}
	if s.iterator == "" {
		if err := s.openIterator(ctx); err != nil {
			return nil, err
		}
	}
	out, err := s.source.client.GetRecords(ctx, &kinesis.GetRecordsInput{
		ShardIterator: aws.String(s.iterator), StreamARN: s.source.streamARN(),
	})
	if err != nil {
		return nil, err
	}
	s.iterator, s.iteratorAt = aws.ToString(out.NextShardIterator), time.Now()
	got := &page{records: out.Records, behind: out.MillisBehindLatest, children: out.ChildShards, last: s.iterator == ""}
	s.answered(got)
	switch {
	case got.last:
	case s.lag > 0:
		s.notBefore = s.answeredAt.Add(s.source.pacing.behind)
	default:
		s.notBefore = s.answeredAt.Add(s.source.pacing.tip)
	}
	return got, nil
}

// answered takes in what a page says about the shard.
func (s *shard) answered(got *page) {
	s.recovered()
	s.lag, s.answeredAt = time.Duration(aws.ToInt64(got.behind))*time.Millisecond, time.Now()
	s.tip = got.behind != nil && *got.behind == 0
	s.observeLag(s.lag)
	if len(got.records) > 0 {
		s.source.counters.read.Inc()
	} else {
		s.source.counters.empty.Inc()
	}
	if got.last {
		s.exhausted, s.children = true, childShards(got)
		for _, child := range got.children {
			s.source.setHashRange(aws.ToString(child.ShardId), child.HashKeyRange)
		}
	}
}

// batch makes payloads of a page and moves the position on.
func (s *shard) batch(got *page) pipeline.Batch {
	s.payloads = slices.Grow(s.payloads[:0], len(got.records))
	for i := range got.records {
		s.unpack(&got.records[i])
	}
	return pipeline.Batch{Payloads: s.payloads, Lag: s.lag, Idle: s.tip && len(got.records) == 0}
}

// quiet is the batch of a time in which nothing came. Between the heartbeats of
// subscriptions the last one still holds: a record would have been pushed. Else
// nothing is known, and the lag grows.
func (s *shard) quiet() pipeline.Batch {
	if s.source.fanOut.active() && s.failures == 0 && time.Since(s.answeredAt) <= s.source.pacing.heartbeat {
		return pipeline.Batch{Lag: s.lag, Idle: s.tip}
	}
	batch := pipeline.Batch{Lag: s.lagNow()}
	if s.trouble != "" {
		batch.Unread = s.trouble + " for " + time.Since(s.answeredAt).Round(time.Second).String()
	}
	return batch
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
	s.failures, s.trouble = 0, ""
}

// childShards are the children that the last page of a shard names.
func childShards(got *page) []listed {
	children := make([]listed, len(got.children))
	for i, child := range got.children {
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
