package localkinesis

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

// An iterator of a deleted stream is none of its namesake's.
func TestIteratorOfANamesake(t *testing.T) {
	var clock atomic.Int64 // Unix milliseconds
	clock.Store(1_769_846_400_000)
	w := start(t, Options{Clock: func() time.Time { return time.UnixMilli(clock.Load()) }})
	w.must("CreateStream", object{"StreamName": "s"})
	put := w.must("PutRecord", object{"StreamName": "s", "Data": "", "PartitionKey": "k"})
	before := w.iterator("LATEST")
	w.must("DeleteStream", object{"StreamName": "s"})
	w.want("ResourceNotFoundException", 400, "GetRecords", object{"ShardIterator": before})
	clock.Add(1) // by which sequence numbers tell streams apart
	w.must("CreateStream", object{"StreamName": "s"})
	w.want("InvalidArgumentException", 400, "GetRecords", object{"ShardIterator": before})
	w.want("InvalidArgumentException", 400, "GetShardIterator", object{"StreamName": "s", "ShardId": first,
		"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": put["SequenceNumber"]})
}

func TestPutRecordsKeepsOrderAndBytes(t *testing.T) {
	clock := time.Date(2026, 1, 31, 8, 0, 0, 123456789, time.UTC)
	w := start(t, Options{Clock: func() time.Time { return clock }})
	w.must("CreateStream", object{"StreamName": "s"})
	data := [][]byte{{}, {0xff, 0}, []byte("line\n")}
	var entries []object
	for _, d := range data {
		entries = append(entries, object{"Data": d, "PartitionKey": "schlüssel"})
	}
	out := w.must("PutRecords", object{"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/s", "Records": entries})
	if out["FailedRecordCount"] != 0.0 {
		t.Errorf("put: %v", out)
	}
	body, err := json.Marshal(object{"ShardIterator": w.iterator("TRIM_HORIZON")})
	if err != nil {
		t.Fatal(err)
	}
	_, text := w.post(targetPrefix+"GetRecords", "application/x-amz-json-1.1", body)
	if !bytes.Contains(text, []byte(`"ApproximateArrivalTimestamp":1769846400.123,`)) {
		t.Errorf("arrival is not the clock's time in seconds: %s", text)
	}
	var page getRecordsOutput
	if err := json.Unmarshal(text, &page); err != nil {
		t.Fatal(err)
	}
	var got [][]byte
	for _, r := range page.Records {
		got = append(got, r.Data)
	}
	if diff := cmp.Diff(data, got); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
}

// A page ends at 10 MiB. Called without HTTP: its bytes are not what is tested.
func TestPageBytes(t *testing.T) {
	w := start(t, Options{})
	w.must("CreateStream", object{"StreamName": "s"})
	large := make([]byte, maxRecord-1)
	for range 12 {
		if _, err := w.server.putRecord(putRecordInput{named{StreamName: "s"}, putEntry{Data: large, PartitionKey: "k"}}); err != nil {
			t.Fatal(err)
		}
	}
	page := getRecordsOutput{NextShardIterator: new(string)}
	*page.NextShardIterator = w.iterator("TRIM_HORIZON").(string)
	for _, want := range []int{10, 2} {
		var err error
		if page, err = w.server.getRecords(getRecordsInput{ShardIterator: *page.NextShardIterator}); err != nil {
			t.Fatal(err)
		}
		if n := len(page.Records); n != want || (page.MillisBehindLatest == 0) != (want == 2) {
			t.Errorf("a page of %d MiB, want %d, %d ms behind", n, want, page.MillisBehindLatest)
		}
	}
}

// Beyond RetainBytes the oldest records go, whichever shard they are in; a
// reader goes on with what is there; an emptied closed shard is forgotten.
func TestRetention(t *testing.T) {
	w := start(t, Options{RetainBytes: 1000})
	w.must("CreateStream", object{"StreamName": "s"})
	early := w.iterator("TRIM_HORIZON")
	put := func(n int) {
		w.must("PutRecord", object{"StreamName": "s", "Data": bytes.Repeat([]byte{byte(n)}, 99), "PartitionKey": "k"})
	}
	for n := range 15 {
		put(n)
	}
	if stats := w.server.Stats(); stats.Trimmed != 5 || stats.Records != 15 {
		t.Errorf("got %+v, want 5 of 15 records trimmed", stats)
	}
	page := w.must("GetRecords", object{"ShardIterator": early})
	records := page["Records"].([]any)
	if len(records) != 10 || records[0].(object)["Data"].(string)[:2] != "BQ" { // base64 of byte 5
		t.Errorf("%d records are left", len(records))
	}
	w.must("SplitShard", object{"StreamName": "s", "ShardToSplit": first, "NewStartingHashKey": "5"})
	for n := range 10 {
		put(n)
	}
	listed := w.must("ListShards", object{"StreamName": "s"})["Shards"].([]any)
	if len(listed) != 2 {
		t.Errorf("shards: %v, want the children alone", listed)
	}
	w.want("ResourceNotFoundException", 400, "GetRecords", object{"ShardIterator": early})
}

func TestIteratorsExpire(t *testing.T) {
	w := start(t, Options{IteratorLifetime: time.Nanosecond})
	w.must("CreateStream", object{"StreamName": "s"})
	old := w.iterator("LATEST")
	for issued := time.Now(); time.Since(issued) < 2*time.Millisecond; { // tokens have milliseconds
	}
	w.want("ExpiredIteratorException", 400, "GetRecords", object{"ShardIterator": old})
}

func TestFaults(t *testing.T) {
	w := start(t, Options{Faults: Faults{ExpireEvery: 2, ThrottleEvery: 3, FailEvery: 5, DuplicateEvery: 2}})
	w.must("CreateStream", object{"StreamName": "s"})
	for n := range 4 {
		w.must("PutRecord", object{"StreamName": "s", "Data": []byte{byte(n)}, "PartitionKey": "k"})
	}
	var got []any
	for range 6 {
		_, out := w.call("GetRecords", object{"ShardIterator": w.iterator("TRIM_HORIZON")})
		if records, ok := out["Records"].([]any); ok {
			got = append(got, len(records))
			continue
		}
		got = append(got, out["__type"])
	}
	want := []any{6, "ExpiredIteratorException", "ProvisionedThroughputExceededException", "ExpiredIteratorException", "InternalFailure", "ExpiredIteratorException"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	stats := w.server.Stats()
	if diff := cmp.Diff(Stats{Records: 6, Reads: 1, Iterators: 6, Expired: 3, Throttled: 1, Failed: 1}, stats); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

// Entries above the rate fail alone. Called without HTTP: a slow machine would
// let the bucket drain in between.
func TestWriteLimit(t *testing.T) {
	w := start(t, Options{EnforceLimits: true})
	w.must("CreateStream", object{"StreamName": "s"})
	entries := make([]putEntry, 6)
	for i := range entries {
		entries[i] = putEntry{Data: make([]byte, 512<<10-1), PartitionKey: "k"}
	}
	out, err := w.server.putRecords(putRecordsInput{named{StreamName: "s"}, entries})
	if err != nil {
		t.Fatal(err)
	}
	if n := out.FailedRecordCount; n < 1 || n > 4 {
		t.Errorf("%d of 6 half-MiB records were refused, two fit into a second", n)
	}
	for i, result := range out.Records {
		refused := result.ErrorCode == "ProvisionedThroughputExceededException"
		if refused != (result.SequenceNumber == "") || i < 2 && refused {
			t.Errorf("record %d: %+v", i, result)
		}
	}
}

func TestShardPages(t *testing.T) {
	w := start(t, Options{})
	w.must("CreateStream", object{"StreamName": "s", "ShardCount": 7})
	w.must("MergeShards", object{"StreamName": "s", "ShardToMerge": "shardId-000000000001", "AdjacentShardToMerge": first})
	f := func(filter object, want ...string) {
		t.Helper()
		in := object{"StreamName": "s", "MaxResults": 2}
		if filter != nil {
			in["ShardFilter"] = filter
		}
		var got []string
		for {
			out := w.must("ListShards", in)
			for _, sh := range out["Shards"].([]any) {
				got = append(got, sh.(object)["ShardId"].(string)[19:])
			}
			if out["NextToken"] == nil {
				break
			}
			in = object{"NextToken": out["NextToken"], "MaxResults": 2}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", filter, diff)
		}
	}
	later := time.Now().Add(time.Hour).Unix()
	f(nil, "0", "1", "2", "3", "4", "5", "6", "7")
	f(object{"Type": "FROM_TRIM_HORIZON"}, "0", "1", "2", "3", "4", "5", "6", "7")
	f(object{"Type": "AT_TRIM_HORIZON"}, "0", "1", "2", "3", "4", "5", "6")
	f(object{"Type": "AT_LATEST"}, "2", "3", "4", "5", "6", "7")
	f(object{"Type": "AT_TIMESTAMP", "Timestamp": later}, "2", "3", "4", "5", "6", "7")
	f(object{"Type": "FROM_TIMESTAMP", "Timestamp": later}, "2", "3", "4", "5", "6", "7")
	f(object{"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000004"}, "5", "6", "7")

	summary := w.must("DescribeStreamSummary", object{"StreamName": "s"})["StreamDescriptionSummary"].(object)
	if summary["OpenShardCount"] != 6.0 || summary["StreamStatus"] != "ACTIVE" {
		t.Errorf("summary: %v", summary)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	server, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get(server.URL()); err == nil {
		t.Error("the endpoint answers after Close")
	}
	if _, err := New(Options{Listen: "256.0.0.1:0"}); err == nil {
		t.Error("New listens at an address that does not exist")
	}
}

// Whatever a body holds, an answer of the protocol comes back.
func FuzzRequest(f *testing.F) {
	w := start(f, Options{})
	w.must("CreateStream", object{"StreamName": "s", "ShardCount": 2})
	w.must("PutRecord", object{"StreamName": "s", "Data": []byte("x"), "PartitionKey": "k"})
	for operation, body := range map[string]string{
		"ListShards":       `{"StreamName":"s","ShardFilter":{"Type":"FROM_TIMESTAMP","Timestamp":1.5e9}}`,
		"PutRecord":        `{"StreamName":"s","Data":"eA==","PartitionKey":"k","ExplicitHashKey":"12"}`,
		"PutRecords":       `{"StreamName":"s","Records":[{"Data":"eA==","PartitionKey":"k"}]}`,
		"GetShardIterator": `{"StreamName":"s","ShardId":"shardId-000000000000","ShardIteratorType":"AT_TIMESTAMP","Timestamp":-1}`,
		"GetRecords":       fmt.Sprintf(`{"ShardIterator":%q,"Limit":1}`, w.iterator("TRIM_HORIZON")),
		"SplitShard":       `{"StreamName":"s","ShardToSplit":"shardId-000000000000","NewStartingHashKey":"5"}`,
		"MergeShards":      `{"StreamName":"s","ShardToMerge":"shardId-000000000000","AdjacentShardToMerge":"shardId-000000000001"}`,
	} {
		f.Add(operation, []byte(body))
	}
	f.Add("GetRecords", []byte(`{"ShardIterator":"aXRlcmF0b3J8c3wxfHNoYXJkSWQtMDAwMDAwMDAwMDAwfDE4NDQ2NzQ0MDczNzA5NTUxNjE1fDA="}`))
	f.Fuzz(func(t *testing.T, operation string, body []byte) {
		defer hostiletest.Bound(t)()
		do := operations[operation]
		if do == nil || operation == "DeleteStream" || operation == "CreateStream" {
			t.Skip()
		}
		if _, err := do(w.server, json.NewDecoder(bytes.NewReader(body))); err != nil {
			var known *apiError
			if !errors.As(err, &known) || known.status != http.StatusBadRequest {
				t.Errorf("%s %q: %v", operation, body, err)
			}
		}
	})
}
