package kinesis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap/zaptest"

	"github.com/flowwatch/flowwatch/pipeline/source/kinesis/localkinesis"
)

// endpointVariable names an endpoint that the conformance suite runs against,
// beside the local one.
const endpointVariable = "FLOWWATCH_KINESIS_ENDPOINT"

// endpoint is a place where the conformance suite makes streams.
type endpoint struct {
	url    string
	client *kinesis.Client // retries by itself, unlike the source's
	api    API             // of sources; nil is the one that they build
	// consumer is how sources read it, by default polling.
	consumer string
	pacing   pacing
	// resolution is how far times must lie apart for ListShards to tell them;
	// kinesis-local compares whole seconds.
	resolution time.Duration
}

// eachEndpoint runs a test against the local endpoint, and against the one that
// the environment names.
func eachEndpoint(t *testing.T, test func(*testing.T, endpoint)) {
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		quick := defaultPacing
		quick.behind, quick.tip = 2*time.Millisecond, 5*time.Millisecond
		test(t, newEndpoint(t, newLocal(t, localkinesis.Options{}).URL(), quick, 20*time.Millisecond))
	})
	if url := os.Getenv(endpointVariable); url != "" {
		t.Run("external", func(t *testing.T) {
			t.Parallel()
			test(t, newEndpoint(t, url, defaultPacing, 1100*time.Millisecond))
		})
	}
}

// eachConsumer runs a test of a source against each endpoint by polling and by
// fan-out. The latter registers consumers, so elsewhere than here it has to be
// asked for.
func eachConsumer(t *testing.T, test func(*testing.T, endpoint)) {
	eachEndpoint(t, test)
	fanOut := func(e endpoint) endpoint { e.consumer = ConsumerFanOut; return e }
	t.Run("local fan-out", func(t *testing.T) {
		t.Parallel()
		test(t, fanOut(newEndpoint(t, newLocal(t, quickFanOut(localkinesis.Options{})).URL(), quickPacing(time.Millisecond), 20*time.Millisecond)))
	})
	if url := os.Getenv(endpointVariable); url != "" && os.Getenv(fanOutVariable) != "" {
		t.Run("external fan-out", func(t *testing.T) {
			t.Parallel()
			test(t, fanOut(newEndpoint(t, url, defaultPacing, 1100*time.Millisecond)))
		})
	}
}

// fanOutVariable, when set, makes the conformance suite use fan-out at the named
// endpoint too.
const fanOutVariable = "FLOWWATCH_KINESIS_FAN_OUT"

// quickFanOut shortens the times of fan-out, as quickPacing does the source's.
func quickFanOut(opts localkinesis.Options) localkinesis.Options {
	opts.SubscriptionLifetime, opts.Heartbeat, opts.SubscribeInterval = 200*time.Millisecond, 5*time.Millisecond, time.Millisecond
	return opts
}

func quickPacing(d time.Duration) pacing {
	return pacing{
		behind: d, tip: d, backoff: d, attempt: d, resubscribe: 2 * d,
		patience: defaultPacing.patience, iteratorAge: defaultPacing.iteratorAge, clockSkew: defaultPacing.clockSkew,
		heartbeat: 15 * time.Millisecond, silence: defaultPacing.silence, // a slow machine is not silent
	}
}

func newLocal(t *testing.T, opts localkinesis.Options) *localkinesis.Server {
	t.Helper()
	server, err := localkinesis.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func newEndpoint(t *testing.T, url string, pace pacing, resolution time.Duration) endpoint {
	t.Helper()
	client, err := NewClient(Config{Endpoint: url})
	if err != nil {
		t.Fatal(err)
	}
	patient := kinesis.New(client.Options(), func(o *kinesis.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 8 })
	})
	return endpoint{url: url, client: patient, pacing: pace, resolution: resolution}
}

// stream is a stream that the test made, and that goes with it.
type stream struct {
	t    testing.TB
	name string
	endpoint
}

func (e endpoint) newStream(t testing.TB, shards int32) stream {
	t.Helper()
	s := stream{t: t, name: "flowwatch-conformance-" + strings.ToLower(rand.Text()), endpoint: e}
	if _, err := e.client.CreateStream(t.Context(), &kinesis.CreateStreamInput{
		StreamName: aws.String(s.name), ShardCount: aws.Int32(shards),
	}); err != nil {
		t.Fatalf("create stream %s: %v", s.name, err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context()) // that has ended by now
		if _, err := e.client.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: aws.String(s.name), EnforceConsumerDeletion: aws.Bool(true)}); err != nil {
			t.Errorf("delete stream %s: %v", s.name, err)
		}
	})
	s.awaitActive()
	return s
}

// awaitActive waits for the end of a creation, a split or a merge.
func (s stream) awaitActive() {
	s.t.Helper()
	for {
		out, err := s.client.DescribeStreamSummary(s.t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(s.name)})
		if err != nil {
			s.t.Fatalf("describe stream %s: %v", s.name, err)
		}
		if out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive {
			return
		}
		pause(s.t, 50*time.Millisecond)
	}
}

// pause is the interval of a polling loop.
func pause(t testing.TB, d time.Duration) {
	t.Helper()
	if err := sleep(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

// put adds a record to the shard that owns a hash key.
func (s stream) put(hashKey string, text string) *kinesis.PutRecordOutput {
	s.t.Helper()
	out, err := s.client.PutRecord(s.t.Context(), &kinesis.PutRecordInput{
		StreamName: aws.String(s.name), Data: []byte(text), PartitionKey: aws.String("key"), ExplicitHashKey: aws.String(hashKey),
	})
	if err != nil {
		s.t.Fatalf("put record %q: %v", text, err)
	}
	return out
}

// putAll adds records to the shard that owns a hash key, in order, and returns
// when all are in.
func (s stream) putAll(hashKey string, records ...[]byte) []types.PutRecordsResultEntry {
	s.t.Helper()
	var results []types.PutRecordsResultEntry
	for batch := range slices.Chunk(records, 500) {
		in := &kinesis.PutRecordsInput{StreamName: aws.String(s.name)}
		for _, data := range batch {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{
				Data: data, PartitionKey: aws.String("key"), ExplicitHashKey: aws.String(hashKey),
			})
		}
		out, err := s.client.PutRecords(s.t.Context(), in)
		if err != nil {
			s.t.Fatalf("put records: %v", err)
		}
		if n := aws.ToInt32(out.FailedRecordCount); n > 0 {
			s.t.Fatalf("put records: %d of %d failed", n, len(batch))
		}
		results = append(results, out.Records...)
	}
	return results
}

// shards lists with the given filter (nil: all).
func (s stream) shards(filter *types.ShardFilter) []types.Shard {
	s.t.Helper()
	out, err := s.client.ListShards(s.t.Context(), &kinesis.ListShardsInput{StreamName: aws.String(s.name), ShardFilter: filter})
	if err != nil {
		s.t.Fatalf("list shards: %v", err)
	}
	return out.Shards
}

// openShards are those without an ending sequence number.
func (s stream) openShards() []types.Shard {
	s.t.Helper()
	return slices.DeleteFunc(s.shards(nil), func(sh types.Shard) bool {
		return aws.ToString(sh.SequenceNumberRange.EndingSequenceNumber) != ""
	})
}

// split cuts a shard in two, the second of which begins at a hash key.
func (s stream) split(id, at string) {
	s.t.Helper()
	if _, err := s.client.SplitShard(s.t.Context(), &kinesis.SplitShardInput{
		StreamName: aws.String(s.name), ShardToSplit: aws.String(id), NewStartingHashKey: aws.String(at),
	}); err != nil {
		s.t.Fatalf("split shard %s: %v", id, err)
	}
	s.awaitActive()
}

func (s stream) merge(left, right string) {
	s.t.Helper()
	if _, err := s.client.MergeShards(s.t.Context(), &kinesis.MergeShardsInput{
		StreamName: aws.String(s.name), ShardToMerge: aws.String(left), AdjacentShardToMerge: aws.String(right),
	}); err != nil {
		s.t.Fatalf("merge shards %s and %s: %v", left, right, err)
	}
	s.awaitActive()
}

// iterator asks for one.
func (s stream) iterator(in kinesis.GetShardIteratorInput) (string, error) {
	in.StreamName = aws.String(s.name)
	out, err := s.client.GetShardIterator(s.t.Context(), &in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ShardIterator), nil
}

// read follows an iterator until enough records came, or the shard's end, or
// the tip. It returns the last page's answer as well.
func (s stream) read(in kinesis.GetShardIteratorInput, enough int) ([]types.Record, *kinesis.GetRecordsOutput) {
	s.t.Helper()
	next, err := s.iterator(in)
	if err != nil {
		s.t.Fatalf("get %s iterator: %v", in.ShardIteratorType, err)
	}
	var records []types.Record
	for {
		page := s.page(next, nil)
		records = append(records, page.Records...)
		next = aws.ToString(page.NextShardIterator)
		if next == "" || len(records) >= enough && aws.ToInt64(page.MillisBehindLatest) == 0 && len(page.Records) == 0 {
			return records, page
		}
		pause(s.t, s.pacing.behind)
	}
}

func (s stream) page(iterator string, limit *int32) *kinesis.GetRecordsOutput {
	s.t.Helper()
	page, err := s.client.GetRecords(s.t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String(iterator), Limit: limit})
	if err != nil {
		s.t.Fatalf("get records: %v", err)
	}
	return page
}

// source reads the stream.
func (s stream) source(t *testing.T, start string) *Source {
	t.Helper()
	source, err := New(Config{Stream: s.name, Endpoint: s.url, Start: start, Consumer: s.consumer}, Dependencies{Log: zaptest.NewLogger(t), Client: s.api})
	if err != nil {
		t.Fatal(err)
	}
	source.pacing = s.pacing
	return source
}

func texts(records []types.Record) []string {
	var texts []string
	for _, r := range records {
		texts = append(texts, string(r.Data))
	}
	return texts
}

// wantCode wants an error of the service by its code, one of those given.
func wantCode(t *testing.T, err error, codes ...string) {
	t.Helper()
	var answer interface{ ErrorCode() string }
	if !errors.As(err, &answer) || !slices.Contains(codes, answer.ErrorCode()) {
		t.Errorf("got error %v, want %v", err, codes)
	}
}

func numbered(from, to int) (texts []string, data [][]byte) {
	for n := from; n < to; n++ {
		texts = append(texts, fmt.Sprint("record ", n))
		data = append(data, fmt.Append(nil, "record ", n))
	}
	return texts, data
}

// owner is the open shard that holds a hash key.
func owner(t testing.TB, open []types.Shard, hashKey string) string {
	t.Helper()
	number := func(text *string) *big.Int {
		n, ok := new(big.Int).SetString(aws.ToString(text), 10)
		if !ok {
			t.Fatalf("hash key %q is no number", aws.ToString(text))
		}
		return n
	}
	key := number(&hashKey)
	for _, sh := range open {
		if number(sh.HashKeyRange.StartingHashKey).Cmp(key) <= 0 && key.Cmp(number(sh.HashKeyRange.EndingHashKey)) <= 0 {
			return aws.ToString(sh.ShardId)
		}
	}
	t.Fatalf("no open shard holds hash key %s", hashKey)
	return ""
}
