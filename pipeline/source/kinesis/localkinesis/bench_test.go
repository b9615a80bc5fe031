package localkinesis

import (
	"bytes"
	"encoding/json"
	"testing"
)

// BenchmarkPutAndGet is a PutRecords of 100 records of 10 KiB and the GetRecords
// that returns them, over HTTP, without what a client does to their bodies.
func BenchmarkPutAndGet(b *testing.B) {
	w := start(b, Options{})
	w.must("CreateStream", object{"StreamName": "s"})
	const records, size = 100, 10 << 10
	var entries []object
	for range records {
		entries = append(entries, object{"Data": bytes.Repeat([]byte("flow"), size/4), "PartitionKey": "k"})
	}
	put, err := json.Marshal(object{"StreamName": "s", "Records": entries})
	if err != nil {
		b.Fatal(err)
	}
	const jsonType = "application/x-amz-json-1.1"
	b.SetBytes(records * size)
	b.ReportAllocs()
	for b.Loop() {
		get, err := json.Marshal(object{"ShardIterator": w.iterator("LATEST")})
		if err != nil {
			b.Fatal(err)
		}
		if status, text := w.post(targetPrefix+"PutRecords", jsonType, put); status != 200 {
			b.Fatalf("put: status %d, %s", status, text)
		}
		if status, text := w.post(targetPrefix+"GetRecords", jsonType, get); status != 200 || len(text) < records*size {
			b.Fatalf("get: status %d, %d bytes", status, len(text))
		}
	}
}
