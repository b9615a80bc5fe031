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
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/flowwatch/flowwatch/pipeline"
)

// Dependencies of a Source.
type Dependencies struct {
	Log        *zap.Logger           // nil logs nothing
	Registerer prometheus.Registerer // nil registers nothing
	Client     API                   // nil builds one with NewClient
}

// Source reads one stream. It implements pipeline.Source.
type Source struct {
	cfg      Config
	region   string // for messages
	client   API
	log      *zap.Logger
	metrics  *metrics
	counters counters
	pacing   pacing

	fanOut    *fanOut   // nil: polling was asked for
	subscribe subscribe // never nil

	retention  atomic.Int64 // of the stream, as a time.Duration; 0 unknown
	hashRanges sync.Map     // hashRange of every shard heard of, by ID
}

// pacing are the waiting times of the readers.
type pacing struct {
	behind      time.Duration // between an answer and the next request, at least
	tip         time.Duration // the same when there was nothing more to read
	backoff     time.Duration // the base of the waiting time after failures
	patience    time.Duration // how long Next waits while calls fail
	iteratorAge time.Duration // from which an iterator is replaced unasked
	clockSkew   time.Duration // how long a start may seem to lie in the service's future

	resubscribe time.Duration // between a subscription and the next one to the same shard
	attempt     time.Duration // between calls of SubscribeToShard, or of DescribeStreamConsumer, that fail
	heartbeat   time.Duration // for which an event says how things are: two of the service's, and a renewal
	silence     time.Duration // without an event, after which a subscription is given up
}

// defaultPacing stays below Kinesis' limit of five reads per second and shard,
// and below the five minutes that an iterator lives. A subscription can be
// replaced after five seconds, and pushes at least an empty event every five.
var defaultPacing = pacing{
	behind:      200 * time.Millisecond,
	tip:         time.Second,
	backoff:     200 * time.Millisecond,
	patience:    2 * time.Second,
	iteratorAge: 270 * time.Second,
	clockSkew:   2 * time.Minute,
	resubscribe: 5 * time.Second,
	attempt:     time.Second,
	heartbeat:   15 * time.Second,
	silence:     30 * time.Second,
}

// New returns a source for a valid configuration. It makes no call.
func New(cfg Config, deps Dependencies) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, region: cfg.Region, client: deps.Client, log: deps.Log, pacing: defaultPacing}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	s.log = s.log.With(zap.String("stream", cfg.Stream))
	if s.client == nil {
		client, err := NewClient(cfg)
		if err != nil {
			return nil, err
		}
		s.client, s.region = client, client.Options().Region
	}
	s.subscribe = subscribeWith(s.client)
	if cfg.Consumer == ConsumerFanOut {
		s.fanOut = &fanOut{source: s}
	}
	var err error
	if s.metrics, err = newMetrics(deps.Registerer); err != nil {
		return nil, fmt.Errorf("register the metrics of stream %s: %w", cfg.Stream, err)
	}
	s.counters = s.metrics.of(s.Name())
	return s, nil
}

// Name is "kinesis:" and the stream's name or ARN, as configured.
func (s *Source) Name() string { return "kinesis:" + s.cfg.Stream }

// streamName and streamARN are how calls name the stream: one of them is nil.
func (s *Source) streamName() *string {
	if s.cfg.arnRegion() != "" {
		return nil
	}
	return aws.String(s.cfg.Stream)
}

func (s *Source) streamARN() *string {
	if s.cfg.arnRegion() == "" {
		return nil
	}
	return aws.String(s.cfg.Stream)
}

// Run reads all shards until ctx ends, then it returns nil. A stream has open
// shards for as long as it exists, so it returns otherwise only with an error.
func (s *Source) Run(ctx context.Context, host pipeline.Host) error {
	err := s.run(ctx, host)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (s *Source) partitionID(shard string) string { return s.Name() + "/" + shard }

// shardID is the inverse of partitionID.
func (s *Source) shardID(partition string) (string, error) {
	shard, ok := strings.CutPrefix(partition, s.Name()+"/")
	if !ok {
		return "", fmt.Errorf("partition %q is none of source %s", partition, s.Name())
	}
	return shard, nil
}

// begin finds the shards to read when nothing is committed, and where reading
// them begins.
func (s *Source) begin(ctx context.Context, now time.Time) ([]listed, pipeline.Position, error) {
	at, filter, err := s.resolveStart(now)
	if err != nil {
		return nil, "", err
	}
	shards, err := s.listAtStart(ctx, filter)
	if t, isTime := timestampOf(at); isTime && isInvalidArgument(err) && now.Sub(t) < s.pacing.clockSkew {
		// The service's clock is behind: for it the start lies in the future, so
		// the shards open from then on are those open now.
		shards, err = s.listAtStart(ctx, &types.ShardFilter{Type: types.ShardFilterTypeAtLatest})
	}
	if err == nil && len(shards) == 0 {
		err = fmt.Errorf("list the shards of stream %s in %s: there are none; check that the stream is active", s.cfg.Stream, s.region)
	}
	return shards, at, err
}

// resolveStart turns the configured start into a position that means the same
// at any later time, and into the filter that lists the shards from there on.
func (s *Source) resolveStart(now time.Time) (pipeline.Position, *types.ShardFilter, error) {
	at := now
	switch s.cfg.Start {
	case StartTrimHorizon:
		return trimHorizon, nil, nil
	case StartLatest, "":
	default:
		var err error
		if at, err = time.Parse(time.RFC3339, s.cfg.Start); err != nil {
			return "", nil, errors.Join(s.cfg.checkStart(), err)
		}
		if at.After(now) {
			return "", nil, fmt.Errorf("start: %s lies in the future: a time before now (%s) is accepted",
				s.cfg.Start, now.UTC().Format(time.RFC3339))
		}
	}
	at = at.Truncate(time.Millisecond)
	return timestampPosition(at), &types.ShardFilter{
		Type:      types.ShardFilterTypeFromTimestamp,
		Timestamp: aws.Time(at),
	}, nil
}
