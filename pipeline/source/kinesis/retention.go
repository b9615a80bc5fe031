package kinesis

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"go.uber.org/zap"
)

// retentionEvery is how often the stream is asked for its retention, which
// may be changed at any time.
const retentionEvery = 10 * time.Minute

// watchRetention asks for the stream's retention until ctx ends. It is for a
// gauge alone: where the call is denied or fails, reading goes on and the gauge
// is not there.
func (s *Source) watchRetention(ctx context.Context) {
	denied := false
	for {
		out, err := s.client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{
			StreamName: s.streamName(), StreamARN: s.streamARN(),
		})
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !denied:
			denied = true
			s.log.Warn("the stream's retention is not known, flowwatch_source_retention_left_seconds is not exported; "+
				"check that the role may call kinesis:DescribeStreamSummary", zap.Error(err))
		case err == nil && out.StreamDescriptionSummary != nil:
			denied = false
			hours := aws.ToInt32(out.StreamDescriptionSummary.RetentionPeriodHours)
			s.retention.Store(int64(time.Duration(hours) * time.Hour))
		}
		if sleep(ctx, retentionEvery) != nil {
			return
		}
	}
}

// observeLag exports how far a shard is behind, and what is left until the
// oldest record not yet read expires; below zero it may have.
func (s *shard) observeLag(lag time.Duration) {
	s.lagGauge.Set(lag.Seconds())
	if retention := time.Duration(s.source.retention.Load()); retention > 0 {
		s.source.metrics.retentionLeft.WithLabelValues(s.ID()).Set((retention - lag).Seconds())
	}
}
