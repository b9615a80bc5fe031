package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// recordPutter is the part of the Kinesis client that a producer calls.
type recordPutter interface {
	PutRecords(context.Context, *awskinesis.PutRecordsInput, ...func(*awskinesis.Options)) (*awskinesis.PutRecordsOutput, error)
}

// producer puts simulated traffic on a stream as a CloudWatch Logs subscription
// does: one envelope a batch, partitioned by log stream. Entries that the
// service refuses are put again, so they may come after younger ones.
type producer struct {
	client recordPutter
	stream string
	packer simulate.Packer
	queue  []types.PutRecordsRequestEntry
	bytes  int

	put, refused int64 // records that were stored, and refusals that were tried again
}

// The bounds of one PutRecords, below those of the service, and how entries that
// it refuses are tried again: after a wait that doubles, as long as any call
// gets on, and a few times when none does.
const (
	putRecords    = 400
	putBytes      = 2 << 20
	putFirstWait  = 100 * time.Millisecond
	putLongestGap = 5 * time.Second
	putAttempts   = 10
)

// add queues a batch and puts what is queued when that is enough for a call.
func (p *producer) add(ctx context.Context, b *simulate.Batch) (err error) {
	p.packer.Envelopes(b, func(data []byte) {
		p.queue = append(p.queue, types.PutRecordsRequestEntry{Data: data, PartitionKey: aws.String(b.Stream)})
		p.bytes += len(data)
		if err == nil && (len(p.queue) >= putRecords || p.bytes >= putBytes) {
			err = p.flush(ctx)
		}
	})
	return err
}

// flush puts what is queued, and returns when all of it is stored.
func (p *producer) flush(ctx context.Context) error {
	wait := putFirstWait
	for attempt := 1; len(p.queue) > 0; attempt++ {
		out, err := p.client.PutRecords(ctx, &awskinesis.PutRecordsInput{StreamName: aws.String(p.stream), Records: p.queue},
			func(o *awskinesis.Options) { o.Retryer = retry.NewStandard() })
		if err != nil {
			return fmt.Errorf("put records on stream %s: %w", p.stream, err)
		}
		tried := len(p.queue)
		if len(out.Records) != tried {
			return fmt.Errorf("put records on stream %s: %d results for %d records", p.stream, len(out.Records), tried)
		}
		why := p.keepRefused(out.Records)
		if len(p.queue) < tried {
			attempt, wait = 0, putFirstWait
		}
		if len(p.queue) == 0 {
			break
		}
		if attempt >= putAttempts {
			return fmt.Errorf("put records on stream %s: %d were refused %d times: %w", p.stream, len(p.queue), attempt, why)
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, putLongestGap)
	}
	p.bytes = 0
	return nil
}

// keepRefused leaves in the queue what was not stored, and returns why the first
// of it was not.
func (p *producer) keepRefused(results []types.PutRecordsResultEntry) (why error) {
	left := p.queue[:0]
	for i, r := range results {
		if r.ErrorCode == nil {
			continue
		}
		if why == nil {
			why = errors.New(aws.ToString(r.ErrorCode) + ": " + aws.ToString(r.ErrorMessage))
		}
		left = append(left, p.queue[i])
	}
	p.put += int64(len(p.queue) - len(left))
	p.refused += int64(len(left))
	clear(p.queue[len(left):])
	p.queue = left
	return why
}

// sleep waits, and returns early with the context's error when that ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
