package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/flowwatch/flowwatch/pipeline/simulate"
	"github.com/flowwatch/flowwatch/pipeline/source/kinesis"
)

// feed puts simulated traffic on the demo's stream, as a CloudWatch Logs
// subscription would, when the demo's clock says that it is delivered.
type feed struct {
	client  *awskinesis.Client
	clock   *fastClock
	traffic *simulate.Generator
	packer  simulate.Packer
	queue   []types.PutRecordsRequestEntry
	bytes   int
}

// The bounds of one PutRecords, below those of the service, and the wait
// between two looks at the clock.
const (
	feedRecords = 400
	feedBytes   = 2 << 20
	feedTick    = 50 * time.Millisecond
)

func newFeed(ctx context.Context, endpoint string, clock *fastClock, traffic *simulate.Generator) (*feed, error) {
	client, err := kinesis.NewClient(kinesis.Config{Stream: demoStream, Region: demoRegion, Endpoint: endpoint})
	if err != nil {
		return nil, err
	}
	_, err = client.CreateStream(ctx, &awskinesis.CreateStreamInput{StreamName: aws.String(demoStream), ShardCount: aws.Int32(2)})
	if err != nil {
		return nil, fmt.Errorf("create the demo's stream: %w", err)
	}
	return &feed{client: client, clock: clock, traffic: traffic}, nil
}

// run feeds until ctx ends.
func (f *feed) run(ctx context.Context) error {
	for {
		minute := f.traffic.Next()
		for i := range minute.Batches {
			b := &minute.Batches[i]
			if b.At.After(f.clock.Now()) {
				if err := f.flush(ctx); err != nil {
					return interrupted(ctx, err)
				}
			}
			if err := f.until(ctx, b.At); err != nil {
				return nil // ctx has ended
			}
			var err error
			f.packer.Envelopes(b, func(data []byte) {
				f.queue = append(f.queue, types.PutRecordsRequestEntry{Data: data, PartitionKey: aws.String(b.Stream)})
				f.bytes += len(data)
				if err == nil && (len(f.queue) >= feedRecords || f.bytes >= feedBytes) {
					err = f.flush(ctx)
				}
			})
			if err != nil {
				return interrupted(ctx, err)
			}
		}
	}
}

// until waits for a time of the demo's clock.
func (f *feed) until(ctx context.Context, at time.Time) error {
	for f.clock.Now().Before(at) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(feedTick):
		}
	}
	return ctx.Err()
}

func (f *feed) flush(ctx context.Context) error {
	if len(f.queue) == 0 {
		return nil
	}
	out, err := f.client.PutRecords(ctx, &awskinesis.PutRecordsInput{StreamName: aws.String(demoStream), Records: f.queue})
	if err != nil {
		return fmt.Errorf("put records on the demo's stream: %w", err)
	}
	if n := aws.ToInt32(out.FailedRecordCount); n > 0 {
		return fmt.Errorf("put records on the demo's stream: %d of %d were refused", n, len(f.queue))
	}
	f.queue, f.bytes = f.queue[:0], 0
	return nil
}

// interrupted turns an error into none when ctx has ended: that is its cause.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
