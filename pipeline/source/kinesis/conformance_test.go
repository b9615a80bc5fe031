package kinesis

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"
)

// The conformance suite, first part: what the source relies on in an endpoint.

// Hash keys of the lower and of the upper half of the space, of its middle, and
// of the middle of the lower half.
const (
	lowerKey = "7"
	upperKey = "340282366920938463463374607431768211400"
	middle   = "170141183460469231731687303715884105728"
	quarter  = "85070591730234615865843651857942052864"
)

func TestConformanceShardListing(t *testing.T) { eachEndpoint(t, shardListing) }

func shardListing(t *testing.T, e endpoint) {
	s := e.newStream(t, 2)
	var ids []string
	in := &kinesis.ListShardsInput{StreamName: aws.String(s.name), MaxResults: aws.Int32(1)}
	next := new(big.Int)
	for {
		page, err := s.client.ListShards(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Shards) > 1 {
			t.Errorf("a page of %d shards, want 1 at most", len(page.Shards))
		}
		for _, sh := range page.Shards {
			ids = append(ids, aws.ToString(sh.ShardId))
			if got := aws.ToString(sh.HashKeyRange.StartingHashKey); got != next.String() {
				t.Errorf("shard %s begins at hash key %s, want %s", aws.ToString(sh.ShardId), got, next)
			}
			next.SetString(aws.ToString(sh.HashKeyRange.EndingHashKey), 10)
			next.Add(next, big.NewInt(1))
		}
		if page.NextToken == nil {
			break
		}
		in = &kinesis.ListShardsInput{NextToken: page.NextToken, MaxResults: aws.Int32(1)}
	}
	if diff := cmp.Diff([]string{"shardId-000000000000", "shardId-000000000001"}, ids); diff != "" {
		t.Errorf("shards (-want +got):\n%s", diff)
	}
	if want := new(big.Int).Lsh(big.NewInt(1), 128); next.Cmp(want) != 0 {
		t.Errorf("the shards end before hash key %s, want %s", next, want)
	}

	_, err := s.client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String(s.name + "-missing")})
	wantCode(t, err, "ResourceNotFoundException")
}

func TestConformancePutResults(t *testing.T) { eachEndpoint(t, putResults) }

func putResults(t *testing.T, e endpoint) {
	s := e.newStream(t, 2)
	_, data := numbered(0, 3)
	results := s.putAll(lowerKey, data...)
	one := s.put(lowerKey, "single")
	other := s.put(upperKey, "other shard")
	if a, b := aws.ToString(one.ShardId), aws.ToString(other.ShardId); a != "shardId-000000000000" || b != "shardId-000000000001" {
		t.Errorf("records went to %s and %s by their explicit hash keys", a, b)
	}
	var want []string
	for _, r := range results {
		if got := aws.ToString(r.ShardId); got != "shardId-000000000000" {
			t.Errorf("a record went to %s by its explicit hash key", got)
		}
		want = append(want, aws.ToString(r.SequenceNumber))
	}
	want = append(want, aws.ToString(one.SequenceNumber))

	records, _ := s.read(kinesis.GetShardIteratorInput{
		ShardId: one.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	}, 4)
	if diff := cmp.Diff([]string{"record 0", "record 1", "record 2", "single"}, texts(records)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	var got []string
	last := new(big.Int)
	for _, r := range records {
		got = append(got, aws.ToString(r.SequenceNumber))
		n, ok := new(big.Int).SetString(aws.ToString(r.SequenceNumber), 10)
		if !ok || n.Cmp(last) <= 0 {
			t.Errorf("sequence number %s after %s", aws.ToString(r.SequenceNumber), last)
			continue
		}
		last = n
		if age := time.Since(aws.ToTime(r.ApproximateArrivalTimestamp)); age < -time.Hour || age > time.Hour {
			t.Errorf("a record just put arrived %s ago", age)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sequence numbers (-put +read):\n%s", diff)
	}
}

func TestConformanceIterators(t *testing.T) { eachEndpoint(t, iterators) }

func iterators(t *testing.T, e endpoint) {
	s := e.newStream(t, 1)
	shardID := aws.String("shardId-000000000000")
	// Put until the third record arrived later than the second, so that its time names it.
	all, _ := numbered(0, 2)
	for _, text := range all {
		s.put(lowerKey, text)
	}
	records, _ := s.read(kinesis.GetShardIteratorInput{ShardId: shardID, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}, len(all))
	for cut := 0; cut == 0; {
		all = append(all, "later")
		s.put(lowerKey, "later")
		records, _ = s.read(kinesis.GetShardIteratorInput{ShardId: shardID, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}, len(all))
		if n := len(records); records[n-1].ApproximateArrivalTimestamp.After(*records[n-2].ApproximateArrivalTimestamp) {
			cut = n - 1
		}
	}
	cut := len(all) - 1
	f := func(want []string, in kinesis.GetShardIteratorInput) {
		t.Helper()
		in.ShardId = shardID
		got, page := s.read(in, len(want))
		if diff := cmp.Diff(want, texts(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in.ShardIteratorType, diff)
		}
		if page.NextShardIterator == nil {
			t.Errorf("%s: an open shard came to an end", in.ShardIteratorType)
		}
	}
	f(all, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	f(nil, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeLatest})
	f(all[1:], kinesis.GetShardIteratorInput{
		ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: records[1].SequenceNumber})
	f(all[2:], kinesis.GetShardIteratorInput{
		ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: records[1].SequenceNumber})
	f(nil, kinesis.GetShardIteratorInput{
		ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: records[cut].SequenceNumber})
	f(all[cut:], kinesis.GetShardIteratorInput{
		ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: records[cut].ApproximateArrivalTimestamp})
	f(all, kinesis.GetShardIteratorInput{
		ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(records[0].ApproximateArrivalTimestamp.Add(-time.Hour))})

	_, err := s.iterator(kinesis.GetShardIteratorInput{ShardId: aws.String("shardId-000000000099"), ShardIteratorType: types.ShardIteratorTypeLatest})
	wantCode(t, err, "ResourceNotFoundException")
	_, err = s.iterator(kinesis.GetShardIteratorInput{ShardId: shardID,
		ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: aws.String("1")})
	wantCode(t, err, "InvalidArgumentException", "ResourceNotFoundException") // the latter is kinesis-local's
	_, err = s.iterator(kinesis.GetShardIteratorInput{ShardId: shardID,
		ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(time.Now().Add(time.Hour))})
	wantCode(t, err, "InvalidArgumentException")
}

func TestConformanceMillisBehindLatest(t *testing.T) { eachEndpoint(t, millisBehindLatest) }

func millisBehindLatest(t *testing.T, e endpoint) {
	s := e.newStream(t, 1)
	for range 3 {
		s.put(lowerKey, "record")
		pause(t, 5*time.Millisecond) // a record put in the same millisecond is 0 ms behind
	}
	next, err := s.iterator(kinesis.GetShardIteratorInput{
		ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	if err != nil {
		t.Fatal(err)
	}
	for read := 0; read < 3; pause(t, s.pacing.behind) {
		page := s.page(next, aws.Int32(1))
		read += len(page.Records)
		if behind := aws.ToInt64(page.MillisBehindLatest); (behind > 0) != (read < 3) {
			t.Errorf("after %d of 3 records: %d ms behind the latest", read, behind)
		}
		next = aws.ToString(page.NextShardIterator)
	}
	if page := s.page(next, nil); len(page.Records) != 0 || aws.ToInt64(page.MillisBehindLatest) != 0 {
		t.Errorf("at the tip: %d records, %d ms behind the latest", len(page.Records), aws.ToInt64(page.MillisBehindLatest))
	}
}

func TestConformanceClosedShards(t *testing.T) { eachEndpoint(t, closedShards) }

func closedShards(t *testing.T, e endpoint) {
	s := e.newStream(t, 1)
	s.put(lowerKey, "before")
	s.split("shardId-000000000000", middle)
	s.put(lowerKey, "left")
	s.put(upperKey, "right")
	s.merge("shardId-000000000001", "shardId-000000000002")
	s.put(upperKey, "after")

	f := func(id string, want []string, children map[string][]string) {
		t.Helper()
		in := kinesis.GetShardIteratorInput{ShardId: aws.String(id), ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
		records, page := s.read(in, len(want))
		if diff := cmp.Diff(want, texts(records)); diff != "" {
			t.Errorf("records of %s (-want +got):\n%s", id, diff)
		}
		if closed := page.NextShardIterator == nil; closed != (children != nil) {
			t.Errorf("shard %s: closed is %t", id, closed)
		}
		got := map[string][]string{}
		for _, child := range page.ChildShards {
			got[aws.ToString(child.ShardId)] = slices.Sorted(slices.Values(child.ParentShards))
		}
		if children != nil {
			if diff := cmp.Diff(children, got); diff != "" {
				t.Errorf("children of %s (-want +got):\n%s", id, diff)
			}
		}
	}
	split := []string{"shardId-000000000000"}
	merged := map[string][]string{"shardId-000000000003": {"shardId-000000000001", "shardId-000000000002"}}
	f("shardId-000000000000", []string{"before"}, map[string][]string{"shardId-000000000001": split, "shardId-000000000002": split})
	f("shardId-000000000001", []string{"left"}, merged)
	f("shardId-000000000002", []string{"right"}, merged)
	f("shardId-000000000003", []string{"after"}, nil)

	listing := map[string][]string{}
	for _, sh := range s.shards(nil) {
		var parents []string
		for _, parent := range []*string{sh.ParentShardId, sh.AdjacentParentShardId} {
			if parent != nil {
				parents = append(parents, *parent)
			}
		}
		listing[aws.ToString(sh.ShardId)] = slices.Sorted(slices.Values(parents))
	}
	want := map[string][]string{
		"shardId-000000000000": nil, "shardId-000000000001": split, "shardId-000000000002": split,
		"shardId-000000000003": merged["shardId-000000000003"],
	}
	if diff := cmp.Diff(want, listing); diff != "" {
		t.Errorf("listed parents (-want +got):\n%s", diff)
	}
	if open := s.openShards(); len(open) != 1 || aws.ToString(open[0].ShardId) != "shardId-000000000003" {
		t.Errorf("open shards: %v", open)
	}
}

func TestConformanceShardFilters(t *testing.T) { eachEndpoint(t, shardFilters) }

func shardFilters(t *testing.T, e endpoint) {
	s := e.newStream(t, 1)
	s.put(lowerKey, "before")
	pause(t, s.resolution) // the times below must lie apart
	created := time.Now()
	pause(t, s.resolution)
	s.split("shardId-000000000000", middle)
	pause(t, s.resolution)
	between := time.Now()
	pause(t, s.resolution)
	s.split("shardId-000000000001", quarter)

	f := func(filter types.ShardFilter, want ...string) {
		t.Helper()
		var got []string
		for _, sh := range s.shards(&filter) {
			got = append(got, aws.ToString(sh.ShardId)[len("shardId-00000000000"):])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", filter.Type, diff)
		}
	}
	f(types.ShardFilter{Type: types.ShardFilterTypeAtLatest}, "2", "3", "4")
	f(types.ShardFilter{Type: types.ShardFilterTypeFromTimestamp, Timestamp: aws.Time(between)}, "1", "2", "3", "4")
	f(types.ShardFilter{Type: types.ShardFilterTypeFromTimestamp, Timestamp: aws.Time(created)}, "0", "1", "2", "3", "4")
	f(types.ShardFilter{Type: types.ShardFilterTypeFromTrimHorizon}, "0", "1", "2", "3", "4")
}
