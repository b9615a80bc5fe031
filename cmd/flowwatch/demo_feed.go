package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/flowwatch/flowwatch/pipeline/simulate"
	"github.com/flowwatch/flowwatch/pipeline/source/kinesis"
)

// feed puts simulated traffic on the demo's stream, as a CloudWatch Logs
// subscription would, when the demo's clock says that it is delivered.
type feed struct {
	producer
	clock   *fastClock
	traffic *simulate.Generator
}

// feedTick is the wait between two looks at the clock.
const feedTick = 50 * time.Millisecond

func newFeed(ctx context.Context, endpoint string, clock *fastClock, traffic *simulate.Generator) (*feed, error) {
	client, err := kinesis.NewClient(kinesis.Config{Stream: demoStream, Region: demoRegion, Endpoint: endpoint})
	if err != nil {
		return nil, err
	}
	_, err = client.CreateStream(ctx, &awskinesis.CreateStreamInput{StreamName: aws.String(demoStream), ShardCount: aws.Int32(2)})
	if err != nil {
		return nil, fmt.Errorf("create the demo's stream: %w", err)
	}
	return &feed{producer: producer{client: client, stream: demoStream}, clock: clock, traffic: traffic}, nil
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
			if err := f.add(ctx, b); err != nil {
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

// interrupted turns an error into none when ctx has ended: that is its cause.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
