package localkinesis

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
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

	if status, text := w.post(targetPrefix+"EnableEnhancedMonitoring", "application/x-amz-json-1.1", []byte("{}")); status != 400 || !strings.Contains(string(text), "UnknownOperationException") {
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
