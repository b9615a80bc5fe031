package kinesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
)

// fakeAPI is a stream without a network, for tests in a synctest bubble. It
// ignores shard filters. Iterators are "<shard>:<index of the next record>".
type fakeAPI struct {
	mu     sync.Mutex
	shards []*fakeShard

	listed    []types.ShardFilterType // the filter of every listing, "" for none
	iterators []kinesis.GetShardIteratorInput
	reads     []fakeRead

	// fail decides about each call, by operation and how often it was called.
	fail  func(operation string, call int) error
	calls map[string]int

	consumer types.ConsumerStatus // of the only consumer; empty: it is not registered
}

type fakeShard struct {
	id       string
	parents  []string
	records  []types.Record
	closed   bool
	nameless bool               // its last page names no children
	names    []types.ChildShard // that its last page names instead of those listed, where set
	page     int                // records of a page, 0 all
	emptied  int                // pages that are empty though the tip is not reached
}

type fakeRead struct {
	at       time.Time
	iterator string
}

func newFakeAPI(shards ...*fakeShard) *fakeAPI {
	return &fakeAPI{shards: shards, calls: map[string]int{}}
}

// fakeRecords are records "first".."last", which arrive a second apart.
func fakeRecords(first, last int) []types.Record {
	var records []types.Record
	for n := first; n <= last; n++ {
		records = append(records, types.Record{
			Data:                        []byte(strconv.Itoa(n)),
			SequenceNumber:              aws.String(fmt.Sprintf("49%010d", n)),
			ApproximateArrivalTimestamp: aws.Time(fakeArrival(n)),
		})
	}
	return records
}

// fakeArrival is when record n arrived: seconds after the time at which a
// synctest bubble begins.
func fakeArrival(n int) time.Time {
	return time.Date(2000, 1, 1, 0, 0, n, 0, time.UTC)
}

func code(name string) error { return &smithy.GenericAPIError{Code: name, Message: "made by the test"} }

func (f *fakeAPI) called(operation string) error {
	f.calls[operation]++
	if f.fail == nil {
		return nil
	}
	return f.fail(operation, f.calls[operation])
}

func (f *fakeAPI) shard(id string) (*fakeShard, error) {
	for _, sh := range f.shards {
		if sh.id == id {
			return sh, nil
		}
	}
	return nil, code("ResourceNotFoundException")
}

func (f *fakeAPI) ListShards(ctx context.Context, in *kinesis.ListShardsInput, _ ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	filter := types.ShardFilterType("")
	if in.ShardFilter != nil {
		filter = in.ShardFilter.Type
	}
	f.listed = append(f.listed, filter)
	if err := errors.Join(ctx.Err(), f.called("ListShards")); err != nil {
		return nil, err
	}
	out := &kinesis.ListShardsOutput{}
	for _, sh := range f.shards {
		listed := types.Shard{ShardId: aws.String(sh.id)}
		if len(sh.parents) > 0 {
			listed.ParentShardId = aws.String(sh.parents[0])
		}
		if len(sh.parents) > 1 {
			listed.AdjacentParentShardId = aws.String(sh.parents[1])
		}
		out.Shards = append(out.Shards, listed)
	}
	return out, nil
}

func (f *fakeAPI) GetShardIterator(ctx context.Context, in *kinesis.GetShardIteratorInput, _ ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.iterators = append(f.iterators, *in)
	if err := errors.Join(ctx.Err(), f.called("GetShardIterator")); err != nil {
		return nil, err
	}
	sh, err := f.shard(aws.ToString(in.ShardId))
	if err != nil {
		return nil, err
	}
	next := 0
	switch in.ShardIteratorType {
	case types.ShardIteratorTypeAfterSequenceNumber:
		next = 1 + slices.IndexFunc(sh.records, func(r types.Record) bool { return *r.SequenceNumber == *in.StartingSequenceNumber })
		if next == 0 {
			return nil, code("InvalidArgumentException")
		}
	case types.ShardIteratorTypeAtTimestamp:
		if next = slices.IndexFunc(sh.records, func(r types.Record) bool {
			return !r.ApproximateArrivalTimestamp.Before(*in.Timestamp)
		}); next < 0 {
			next = len(sh.records)
		}
	}
	return &kinesis.GetShardIteratorOutput{ShardIterator: aws.String(fmt.Sprintf("%s:%d", sh.id, next))}, nil
}

func (f *fakeAPI) DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.called("DescribeStreamSummary"); err != nil {
		return nil, err
	}
	return &kinesis.DescribeStreamSummaryOutput{StreamDescriptionSummary: &types.StreamDescriptionSummary{
		RetentionPeriodHours: aws.Int32(24), StreamARN: aws.String(fakeStreamARN),
	}}, nil
}

const (
	fakeStreamARN   = "arn:aws:kinesis:eu-central-1:123456789012:stream/s"
	fakeConsumerARN = fakeStreamARN + "/consumer/flowwatch:1"
)

// DescribeStreamConsumer tells of a consumer that is being created once.
func (f *fakeAPI) DescribeStreamConsumer(_ context.Context, in *kinesis.DescribeStreamConsumerInput, _ ...func(*kinesis.Options)) (*kinesis.DescribeStreamConsumerOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.called("DescribeStreamConsumer"); err != nil {
		return nil, err
	}
	if f.consumer == "" || aws.ToString(in.StreamARN) != fakeStreamARN || aws.ToString(in.ConsumerName) != "flowwatch" {
		return nil, code("ResourceNotFoundException")
	}
	status := f.consumer
	f.consumer = types.ConsumerStatusActive
	return &kinesis.DescribeStreamConsumerOutput{ConsumerDescription: &types.ConsumerDescription{
		ConsumerARN: aws.String(fakeConsumerARN), ConsumerStatus: status,
	}}, nil
}

func (f *fakeAPI) RegisterStreamConsumer(context.Context, *kinesis.RegisterStreamConsumerInput, ...func(*kinesis.Options)) (*kinesis.RegisterStreamConsumerOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.called("RegisterStreamConsumer"); err != nil {
		return nil, err
	}
	f.consumer = types.ConsumerStatusCreating
	return &kinesis.RegisterStreamConsumerOutput{Consumer: &types.Consumer{ConsumerStatus: f.consumer}}, nil
}

// SubscribeToShard is not what is called: the SDK's output can't be made by
// others. Tests put a fakeFanOut in its place.
func (f *fakeAPI) SubscribeToShard(context.Context, *kinesis.SubscribeToShardInput, ...func(*kinesis.Options)) (*kinesis.SubscribeToShardOutput, error) {
	return nil, errors.New("a fakeFanOut is missing")
}

func (f *fakeAPI) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads = append(f.reads, fakeRead{time.Now(), aws.ToString(in.ShardIterator)})
	if err := errors.Join(ctx.Err(), f.called("GetRecords")); err != nil {
		return nil, err
	}
	id, index, _ := strings.Cut(aws.ToString(in.ShardIterator), ":")
	next, err := strconv.Atoi(index)
	if err != nil {
		return nil, err
	}
	sh, err := f.shard(id)
	if err != nil {
		return nil, err
	}
	out := &kinesis.GetRecordsOutput{MillisBehindLatest: aws.Int64(0)}
	switch rest := sh.records[next:]; {
	case len(rest) > 0 && sh.emptied > 0:
		sh.emptied--
	case sh.page > 0 && len(rest) > sh.page:
		out.Records = rest[:sh.page]
	default:
		out.Records = rest
	}
	next += len(out.Records)
	if next < len(sh.records) {
		out.MillisBehindLatest = aws.Int64(1500)
	} else if sh.names != nil {
		out.ChildShards = sh.names
		return out, nil
	} else if sh.closed {
		for _, child := range f.shards {
			if slices.Contains(child.parents, id) && !sh.nameless {
				out.ChildShards = append(out.ChildShards, types.ChildShard{ShardId: aws.String(child.id), ParentShards: child.parents})
			}
		}
		return out, nil
	}
	out.NextShardIterator = aws.String(fmt.Sprintf("%s:%d", id, next))
	return out, nil
}

func fakeSource(t *testing.T, api API, start string) *Source {
	t.Helper()
	source, err := New(Config{Stream: "s", Start: start}, Dependencies{Client: api})
	if err != nil {
		t.Fatal(err)
	}
	return source
}
