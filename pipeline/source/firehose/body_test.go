package firehose

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
)

// A body is refused, or what was read of it can be sent again and is the same.
func FuzzBody(f *testing.F) {
	f.Add(bodyOf("ed4acda5-034f-9f42-bba1-f29aea6d7d8f", []byte("2 123456789010 eni-1"), nil))
	f.Add([]byte(`{"requestId":"a","x":{"records":[1]},"timestamp":1,"records":[{"data":"YQ==","data":"Yg=="}]}`))
	f.Add([]byte(`{"records":[],"requestId":"\ud800"} {`))
	f.Add([]byte(`{"records":[{"data":null}]}`))
	hostiletest.Seeds(f, "envelopes/*", func(seed []byte) { f.Add(seed); f.Add(bodyOf("a", seed)) })
	f.Fuzz(func(t *testing.T, body []byte) {
		defer hostiletest.Bound(t)()
		id, records, err := readBody(bytes.NewReader(body))
		if err != nil {
			return
		}
		again, same, err := readBody(bytes.NewReader(bodyOf(id, records...)))
		if diff := cmp.Diff(records, same); err != nil || again != id || diff != "" {
			t.Errorf("%q is then %q, %v; records (-want +got):\n%s", id, again, err, diff)
		}
	})
}
