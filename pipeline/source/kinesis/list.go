package kinesis

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"
)

// listed is a shard as ListShards and GetRecords tell of it.
type listed struct {
	id      string
	parents []string
}

// startupAttempts bounds the first listing: a stream that never answered is
// more likely misconfigured than down.
const startupAttempts = 6

// list returns the stream's shards, or with a filter those it selects.
func (s *Source) list(ctx context.Context, filter *types.ShardFilter) ([]listed, error) {
	var shards []listed
	in := &kinesis.ListShardsInput{StreamName: s.streamName(), StreamARN: s.streamARN(), ShardFilter: filter}
	for {
		out, err := s.client.ListShards(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, shard := range out.Shards {
			found := listed{id: aws.ToString(shard.ShardId)}
			for _, parent := range []*string{shard.ParentShardId, shard.AdjacentParentShardId} {
				if aws.ToString(parent) != "" {
					found.parents = append(found.parents, *parent)
				}
			}
			s.setHashRange(found.id, shard.HashKeyRange)
			shards = append(shards, found)
		}
		if aws.ToString(out.NextToken) == "" {
			return shards, nil
		}
		// The token stands for the stream and the filter, and excludes both.
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
}

// listAtStart lists with a bounded number of attempts.
func (s *Source) listAtStart(ctx context.Context, filter *types.ShardFilter) ([]listed, error) {
	for attempt := 1; ; attempt++ {
		shards, err := s.list(ctx, filter)
		if err == nil {
			return shards, nil
		}
		cause := classify(err)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if cause != throttled && cause != failed || attempt == startupAttempts {
			return nil, fmt.Errorf("list the shards of stream %s in %s: %w; %s", s.cfg.Stream, s.region, err, advice(err))
		}
		s.log.Warn("listing shards again", zap.Int("attempt", attempt), zap.Error(err))
		if err := sleep(ctx, s.pacing.behind+backoff(s.pacing.backoff, attempt)); err != nil {
			return nil, err
		}
	}
}

// childrenOf are the shards that continue the given one, by ID.
func childrenOf(id string, shards []listed) []listed {
	var children []listed
	for _, shard := range shards {
		if slices.Contains(shard.parents, id) {
			children = append(children, shard)
		}
	}
	return children
}

// sleep waits for d, or for the end of ctx, whose error it returns then.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return ctx.Err()
	}
}
