package kinesis

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream/eventstreamapi"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/flowwatch/flowwatch/pipeline/source/sourcetest"
)

// tlsVariable names the TLS endpoint of kinesis-local.
const tlsVariable = "FLOWWATCH_KINESIS_LOCAL_TLS"

// Fan-out over HTTP/2 at an endpoint that is not ours: registering and using the
// consumer, subscriptions, positions, restarts. kinesis-local neither ends a
// subscription at a shard's end nor tells the children there, so no test that
// splits or merges is among these.
func TestConformanceKinesisLocalFanOut(t *testing.T) {
	url := os.Getenv(tlsVariable)
	if url == "" {
		t.Skip(tlsVariable + " names no kinesis-local; .ci/peers-kinesis starts one")
	}
	for name, test := range map[string]func(*testing.T, endpoint){
		"latest": startAtLatest, "idle": idleThenRead, "missing stream": missingStream,
		"contract": func(t *testing.T, e endpoint) {
			sourcetest.Run(t, sourcetest.Harness{Open: func(t *testing.T) sourcetest.Input {
				in := openInput(t, e)
				in.Split = nil
				return in
			}})
		},
	} {
		t.Run("external fan-out "+name, func(t *testing.T) {
			t.Parallel()
			test(t, newKinesisLocalEndpoint(t, url))
		})
	}
}

// kinesisLocal makes calls over HTTP/2 and adds to the event streams what
// kinesis-local leaves out: the initial-response that the SDK waits for.
type kinesisLocal struct {
	*http.Client
	t *testing.T
}

func newKinesisLocal(t *testing.T) kinesisLocal {
	transport := &http.Transport{
		// It comes with a certificate for nobody; it is on loopback.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		Protocols:       new(http.Protocols),
	}
	transport.Protocols.SetHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return kinesisLocal{&http.Client{Transport: transport}, t}
}

func (k kinesisLocal) Do(r *http.Request) (*http.Response, error) {
	operation := r.Header.Get("X-Amz-Target")
	if operation == "Kinesis_20131202.GetRecords" {
		k.t.Error("a shard is polled")
	}
	resp, err := k.Client.Do(r)
	if err != nil || operation != "Kinesis_20131202.SubscribeToShard" || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	var first bytes.Buffer
	message := eventstream.Message{Payload: []byte("{}")}
	message.Headers.Set(eventstreamapi.MessageTypeHeader, eventstream.StringValue(eventstreamapi.EventMessageType))
	message.Headers.Set(eventstreamapi.EventTypeHeader, eventstream.StringValue("initial-response"))
	if err := eventstream.NewEncoder().Encode(&first, message); err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(&first, resp.Body), resp.Body}
	return resp, nil
}

// newKinesisLocalEndpoint is kinesis-local at its TLS port, read by fan-out.
func newKinesisLocalEndpoint(t *testing.T, url string) endpoint {
	t.Helper()
	pace := defaultPacing
	pace.resubscribe, pace.attempt = 100*time.Millisecond, 100*time.Millisecond // it lets a consumer subscribe anew at once
	e := newEndpoint(t, url, pace, 0)
	plain, err := NewClient(Config{Endpoint: url})
	if err != nil {
		t.Fatal(err)
	}
	through := newKinesisLocal(t)
	e.consumer = ConsumerFanOut
	e.api = kinesis.New(plain.Options(), func(o *kinesis.Options) { o.HTTPClient = through })
	e.client = kinesis.New(e.client.Options(), func(o *kinesis.Options) { o.HTTPClient = through })
	return e
}
