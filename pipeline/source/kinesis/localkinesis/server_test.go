package localkinesis

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

// wire speaks the protocol without the SDK, so that its bytes are tested too.
type wire struct {
	t      testing.TB
	server *Server
	http   *http.Client
}

func start(t testing.TB, opts Options) wire {
	t.Helper()
	server, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	w := wire{t, server, &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(func() {
		w.http.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

type object = map[string]any

// call returns the status and the decoded body.
func (w wire) call(operation string, in any) (int, object) {
	w.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	status, text := w.post(targetPrefix+operation, "application/x-amz-json-1.1", body)
	out := object{}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &out); err != nil {
			w.t.Fatalf("%s answered %q: %v", operation, text, err)
		}
	}
	return status, out
}

func (w wire) post(target, contentType string, body []byte) (int, []byte) {
	w.t.Helper()
	request, err := http.NewRequest(http.MethodPost, w.server.URL(), bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", target)
	request.Header.Set("Content-Type", contentType)
	response, err := w.http.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if response.Header.Get("x-amzn-RequestId") == "" {
		w.t.Errorf("%s: no request ID", target)
	}
	return response.StatusCode, text
}

func (w wire) must(operation string, in any) object {
	w.t.Helper()
	status, out := w.call(operation, in)
	if status != http.StatusOK {
		w.t.Fatalf("%s: status %d, %v", operation, status, out)
	}
	return out
}

func (w wire) want(code string, status int, operation string, in any) {
	w.t.Helper()
	gotStatus, out := w.call(operation, in)
	if gotStatus != status || out["__type"] != code || out["message"] == "" {
		w.t.Errorf("%s %v: got status %d, %v, want %d, %s", operation, in, gotStatus, out, status, code)
	}
}

const first = "shardId-000000000000"

func (w wire) iterator(kind string) any {
	w.t.Helper()
	return w.must("GetShardIterator", object{"StreamName": "s", "ShardId": first, "ShardIteratorType": kind})["ShardIterator"]
}

func TestErrors(t *testing.T) {
	w := start(t, Options{})
	w.must("CreateStream", object{"StreamName": "s", "ShardCount": 2})
	f := func(code, operation string, in any) { t.Helper(); w.want(code, http.StatusBadRequest, operation, in) }
	s := func(more object) object {
		in := object{"StreamName": "s"}
		for key, value := range more {
			in[key] = value
		}
		return in
	}
	f("ResourceInUseException", "CreateStream", s(object{"ShardCount": 1}))
	f("ValidationException", "CreateStream", object{"StreamName": "no spaces"})
	f("ValidationException", "CreateStream", object{"StreamName": "t", "ShardCount": 0})
	f("ValidationException", "CreateStream", object{"StreamName": "t", "ShardCount": 1e6})
	f("ResourceNotFoundException", "DeleteStream", object{"StreamName": "t"})
	f("ResourceNotFoundException", "DescribeStreamSummary", object{"StreamName": "t"})
	f("InvalidArgumentException", "DescribeStreamSummary", object{})
	f("InvalidArgumentException", "DescribeStreamSummary", s(object{"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/t"}))
	f("ResourceNotFoundException", "ListShards", object{"StreamName": "t"})
	f("InvalidArgumentException", "ListShards", s(object{"NextToken": "x"}))
	f("InvalidArgumentException", "ListShards", object{"NextToken": "x"})
	f("ValidationException", "ListShards", s(object{"MaxResults": 0}))
	f("InvalidArgumentException", "ListShards", s(object{"ShardFilter": object{"Type": "SOME"}}))
	f("InvalidArgumentException", "ListShards", s(object{"ShardFilter": object{"Type": "FROM_TIMESTAMP"}}))
	f("SerializationException", "ListShards", s(object{"ShardFilter": object{"Type": "FROM_TIMESTAMP", "Timestamp": 1e30}}))
	f("ValidationException", "PutRecord", s(object{"Data": "", "PartitionKey": ""}))
	f("ValidationException", "PutRecord", s(object{"Data": bytes.Repeat([]byte("x"), maxRecord), "PartitionKey": "k"}))
	f("InvalidArgumentException", "PutRecord", s(object{"Data": "", "PartitionKey": "k", "ExplicitHashKey": "-1"}))
	f("InvalidArgumentException", "PutRecord", s(object{"Data": "", "PartitionKey": "k", "ExplicitHashKey": "340282366920938463463374607431768211456"}))
	f("SerializationException", "PutRecord", s(object{"Data": "!", "PartitionKey": "k"}))
	f("ValidationException", "PutRecords", s(object{"Records": []object{}}))
	f("ResourceNotFoundException", "GetShardIterator", s(object{"ShardId": "x", "ShardIteratorType": "LATEST"}))
	f("InvalidArgumentException", "GetShardIterator", s(object{"ShardId": first, "ShardIteratorType": "NEXT"}))
	f("InvalidArgumentException", "GetShardIterator", s(object{"ShardId": first, "ShardIteratorType": "AT_TIMESTAMP"}))
	f("InvalidArgumentException", "GetShardIterator", s(object{"ShardId": first, "ShardIteratorType": "AT_TIMESTAMP",
		"Timestamp": time.Now().Add(time.Hour).Unix()}))
	f("InvalidArgumentException", "GetShardIterator", s(object{"ShardId": first, "ShardIteratorType": "AT_SEQUENCE_NUMBER"}))
	f("InvalidArgumentException", "GetRecords", object{"ShardIterator": "bogus"})
	f("ValidationException", "GetRecords", object{"ShardIterator": w.iterator("LATEST"), "Limit": 10001})
	f("InvalidArgumentException", "SplitShard", s(object{"ShardToSplit": first, "NewStartingHashKey": "0"}))
	f("ResourceNotFoundException", "SplitShard", s(object{"ShardToSplit": "x", "NewStartingHashKey": "5"}))
	f("InvalidArgumentException", "MergeShards", s(object{"ShardToMerge": first, "AdjacentShardToMerge": first}))
	w.must("SplitShard", s(object{"ShardToSplit": first, "NewStartingHashKey": "5"}))
	f("InvalidArgumentException", "SplitShard", s(object{"ShardToSplit": first, "NewStartingHashKey": "6"}))
	f("InvalidArgumentException", "MergeShards", s(object{"ShardToMerge": "shardId-000000000002", "AdjacentShardToMerge": "shardId-000000000001"}))

	if status, text := w.post(targetPrefix+"SubscribeToShard", "application/x-amz-json-1.1", []byte("{}")); status != 400 || !strings.Contains(string(text), "UnknownOperationException") {
		t.Errorf("an operation that is not served: %d, %s", status, text)
	}
	if status, text := w.post(targetPrefix+"ListShards", "application/x-amz-cbor-1.1", []byte("{}")); status != 400 || !strings.Contains(string(text), "SerializationException") {
		t.Errorf("a body of another type: %d, %s", status, text)
	}
	if response, err := w.http.Get(w.server.URL()); err != nil || response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %v, %v", response, err)
	} else {
		response.Body.Close()
	}
}

// An iterator of a deleted stream is none of its namesake's.
func TestIteratorOfANamesake(t *testing.T) {
	w := start(t, Options{})
	w.must("CreateStream", object{"StreamName": "s"})
	put := w.must("PutRecord", object{"StreamName": "s", "Data": "", "PartitionKey": "k"})
	before := w.iterator("LATEST")
	w.must("DeleteStream", object{"StreamName": "s"})
	w.want("ResourceNotFoundException", 400, "GetRecords", object{"ShardIterator": before})
	time.Sleep(2 * time.Millisecond) // sequence numbers tell streams apart by the millisecond
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

// A page ends at 10 MiB.
func TestPageBytes(t *testing.T) {
	w := start(t, Options{})
	w.must("CreateStream", object{"StreamName": "s"})
	large := bytes.Repeat([]byte{1}, maxRecord-1)
	for range 12 {
		w.must("PutRecord", object{"StreamName": "s", "Data": large, "PartitionKey": "k"})
	}
	page := w.must("GetRecords", object{"ShardIterator": w.iterator("TRIM_HORIZON")})
	if n := len(page["Records"].([]any)); n != 10 || page["MillisBehindLatest"] == 0.0 {
		t.Errorf("a page of %d MiB, %v ms behind", n, page["MillisBehindLatest"])
	}
	page = w.must("GetRecords", object{"ShardIterator": page["NextShardIterator"]})
	if n := len(page["Records"].([]any)); n != 2 || page["MillisBehindLatest"] != 0.0 {
		t.Errorf("a last page of %d MiB, %v ms behind", n, page["MillisBehindLatest"])
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
	time.Sleep(2 * time.Millisecond) // tokens have milliseconds
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

func TestWriteLimit(t *testing.T) {
	w := start(t, Options{EnforceLimits: true})
	w.must("CreateStream", object{"StreamName": "s"})
	half := object{"Data": bytes.Repeat([]byte{1}, 512<<10-1), "PartitionKey": "k"}
	out := w.must("PutRecords", object{"StreamName": "s", "Records": []object{half, half, half, half, half, half}})
	failed := int(out["FailedRecordCount"].(float64))
	if failed < 3 || failed == 6 {
		t.Errorf("%d of 6 half-MiB records were refused", failed)
	}
	if last := out["Records"].([]any)[5].(object); last["ErrorCode"] != "ProvisionedThroughputExceededException" || last["SequenceNumber"] != nil {
		t.Errorf("a refused record: %v", last)
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
		do := operations[operation]
		if do == nil || operation == "DeleteStream" || operation == "CreateStream" {
			t.Skip()
		}
		if _, err := do(w.server, json.NewDecoder(bytes.NewReader(body))); err != nil {
			known, ok := err.(*apiError)
			if !ok || known.status != http.StatusBadRequest {
				t.Errorf("%s %q: %v", operation, body, err)
			}
		}
	})
}
