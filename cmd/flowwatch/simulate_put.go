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

// put puts the traffic on a stream as a CloudWatch Logs subscription would, each
// batch when it arrives by a clock that begins with the simulation and runs at
// the speed asked for.
func (c *simulateCmd) put(ctx context.Context, e *env, traffic *simulate.Generator) error {
	client, err := kinesis.NewClient(kinesis.Config{Stream: c.Stream, Region: c.Region, Endpoint: c.Endpoint})
	if err != nil {
		return usageError{err}
	}
	p := &putter{client: client, stream: c.Stream}
	began := e.Now()
	var packer simulate.Packer
	err = c.batches(ctx, traffic, func(b *simulate.Batch) error {
		if c.Speed > 0 {
			due := began.Add(time.Duration(float64(b.At.Sub(c.Start)) / c.Speed))
			if wait := due.Sub(e.Now()); wait > 0 {
				if err := p.flush(ctx); err != nil {
					return err
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(wait):
				}
			}
		}
		var failed error
		packer.Envelopes(b, func(data []byte) {
			if failed == nil {
				failed = p.add(ctx, data, b.Stream)
			}
		})
		return failed
	})
	if err == nil {
		err = p.flush(ctx)
	}
	if err != nil {
		return fmt.Errorf("put on stream %s: %w", c.Stream, err)
	}
	return writeTruth(c.Truth, traffic)
}

// putter collects records for PutRecords, and sends again those that the stream
// had no capacity for.
type putter struct {
	client *awskinesis.Client
	stream string
	queue  []types.PutRecordsRequestEntry
	bytes  int
}

// putTries is how often a record is sent, with a wait that doubles from putWait.
const (
	putTries = 8
	putWait  = 100 * time.Millisecond
)

func (p *putter) add(ctx context.Context, data []byte, key string) error {
	p.queue = append(p.queue, types.PutRecordsRequestEntry{Data: data, PartitionKey: aws.String(key)})
	p.bytes += len(data)
	if len(p.queue) < feedRecords && p.bytes < feedBytes {
		return nil
	}
	return p.flush(ctx)
}

func (p *putter) flush(ctx context.Context) error {
	wait := putWait
	for try := 1; len(p.queue) > 0; try++ {
		out, err := p.client.PutRecords(ctx, &awskinesis.PutRecordsInput{StreamName: aws.String(p.stream), Records: p.queue})
		if err != nil {
			return err
		}
		var again []types.PutRecordsRequestEntry
		for i, r := range out.Records {
			if r.ErrorCode != nil {
				again = append(again, p.queue[i])
			}
		}
		if len(again) > 0 && try == putTries {
			return fmt.Errorf("%d of %d records were refused %d times", len(again), len(p.queue), putTries)
		}
		p.queue = again
		if len(again) > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(wait):
			}
			wait *= 2
		}
	}
	p.bytes = 0
	return nil
}
