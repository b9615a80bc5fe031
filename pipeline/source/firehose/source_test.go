package firehose

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/source/sourcetest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("rapid.checks", "200"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

const testKey = "an access key"

func bodyOf(id string, records ...[]byte) []byte {
	type record struct {
		Data string `json:"data"`
	}
	body := struct {
		RequestID string   `json:"requestId"`
		Timestamp int64    `json:"timestamp"`
		Records   []record `json:"records"`
	}{RequestID: id, Timestamp: 1700000000000, Records: []record{}}
	for _, r := range records {
		body.Records = append(body.Records, record{base64.StdEncoding.EncodeToString(r)})
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return b
}

// endpoint is the address of the source that runs; each restart has another.
type endpoint struct {
	mu      sync.Mutex
	changed *sync.Cond
	addr    string
	id      int
}

func newEndpoint() *endpoint {
	e := &endpoint{}
	e.changed = sync.NewCond(&e.mu)
	return e
}

func (e *endpoint) source(t *testing.T) pipeline.Source {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.AccessKey = testKey
	s, err := New(cfg, Dependencies{Listener: ln})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	e.mu.Lock()
	defer e.mu.Unlock()
	e.addr = ln.Addr().String()
	e.changed.Broadcast()
	return s
}

// post sends a request until it is answered with 200, as Firehose does.
func (e *endpoint) post(t *testing.T, payloads ...[]byte) {
	e.mu.Lock()
	e.id++
	id := fmt.Sprintf("request-%d", e.id)
	e.mu.Unlock()
	tried := ""
	for {
		e.mu.Lock()
		for e.addr == tried {
			e.changed.Wait()
		}
		tried = e.addr
		e.mu.Unlock()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+tried, bytes.NewReader(bodyOf(id, payloads...)))
		if err != nil {
			t.Error(err)
			return
		}
		setHeaders(req, id)
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
	}
}

func setHeaders(req *http.Request, id string) {
	req.Header.Set(headerID, id)
	req.Header.Set(headerKey, testKey)
	req.Header.Set(headerVersion, version)
}

func TestSourceContract(t *testing.T) {
	sourcetest.Run(t, sourcetest.Harness{Open: func(t *testing.T) sourcetest.Input {
		e := newEndpoint()
		return sourcetest.Input{
			Source: e.source, Lanes: 1, Live: true,
			Put: func(t *testing.T, _ int, payloads ...[]byte) { e.post(t, payloads...) },
		}
	}})
}

func gzipped(b []byte) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err := w.Write(b)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err)
	}
	return z.Bytes()
}

func TestProtocol(t *testing.T) {
	e := newEndpoint()
	source := e.source(t)
	host := sourcetest.NewHost(t, nil)
	running := make(chan error, 1)
	go func() {
		running <- host.Run(source, func(p *sourcetest.Progress) bool { return len(p.Deliveries) == 4 })
	}()
	post := func(name string, body []byte, change func(*http.Request), want int, message string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+e.addr, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		setHeaders(req, "r")
		req.Close = true
		if change != nil {
			change(req)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			RequestID    string
			Timestamp    int64
			ErrorMessage string
		}
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatalf("%s: %v in %q", name, err, text)
		}
		if resp.StatusCode != want || !strings.Contains(answer.ErrorMessage, message) || (message == "") != (answer.ErrorMessage == "") {
			t.Errorf("%s: got %d %q, want %d with %q", name, resp.StatusCode, answer.ErrorMessage, want, message)
		}
		if answer.RequestID != req.Header.Get(headerID) || answer.Timestamp < 1e12 {
			t.Errorf("%s: got request ID %q and time %d", name, answer.RequestID, answer.Timestamp)
		}
		if got := resp.Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s: got content type %q", name, got)
		}
	}
	set := func(key, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(key, value) }
	}
	good := bodyOf("r", []byte("one"))
	post("no access key", good, func(r *http.Request) { r.Header.Del(headerKey) }, 401, "missing or wrong")
	post("wrong access key", good, set(headerKey, testKey+" "+testKey), 401, "missing or wrong")
	post("another method", good, func(r *http.Request) { r.Method = http.MethodPut }, 405, "POST is accepted")
	post("another version", good, set(headerVersion, "2.0"), 400, "1.0 is accepted")
	post("no request ID", good, func(r *http.Request) { r.Header.Del(headerID) }, 400, "0 bytes")
	post("another ID in the body", bodyOf("s"), nil, 400, "differs")
	post("no JSON", []byte("junk"), nil, 400, "body: ")
	post("cut short", good[:len(good)-1], nil, 400, "body: ")
	post("something behind", append(bytes.Clone(good), '{'), nil, 400, "body: ")
	post("no records", []byte(`{"requestId":"r"}`), nil, 400, "records: is missing")
	post("no data", []byte(`{"requestId":"r","records":[{}]}`), nil, 400, "record 0: has no data")
	post("no base64", []byte(`{"requestId":"r","records":[{"data":"%"}]}`), nil, 400, "record 0")
	post("unknown encoding", good, set("Content-Encoding", "br"), 415, "gzip or none")
	post("no gzip", good, set("Content-Encoding", "gzip"), 400, "gzip")
	post("a bomb", gzipped(make([]byte, maxBody+1)), set("Content-Encoding", "gzip"), 400, "body: ") // NUL is no JSON
	bomb := append([]byte(`{"x":"`), bytes.Repeat([]byte("a"), maxBody)...)
	post("a bomb of JSON", gzipped(bomb), set("Content-Encoding", "gzip"), 413, "larger than 16 MiB")
	many := bodyOf("r", slices.Repeat([][]byte{make([]byte, 1<<20)}, 49)...)
	post("more than a body may have", gzipped(many), set("Content-Encoding", "gzip"), 413, "larger than 64 MiB")
	if got := len(host.Deliveries()); got != 0 {
		t.Errorf("%d payloads were delivered of requests that were refused", got)
	}
	post("plain", good, nil, 200, "")
	post("the same again", good, nil, 200, "")
	post("empty", bodyOf("none"), set(headerID, "none"), 200, "")
	post("compressed", gzipped(bodyOf("z", []byte("\xff\x00"))), func(r *http.Request) {
		r.Header.Set(headerID, "z")
		r.Header.Set("Content-Encoding", "gzip")
	}, 200, "")
	var got []string
	for _, d := range host.Deliveries() {
		got = append(got, string(d.Data))
	}
	if want := `["one" "" "\xff\x00"]`; fmt.Sprintf("%q", got) != want {
		t.Errorf("got %q, want %s", got, want)
	}
	post("the last", bodyOf("last", []byte("x")), set(headerID, "last"), 200, "")
	if err := <-running; err != nil {
		t.Fatal(err)
	}
}

func TestNoAccessKeyNoStart(t *testing.T) {
	if _, err := New(DefaultConfig(), Dependencies{}); err == nil || !strings.Contains(err.Error(), "access_key: is required") {
		t.Errorf("got %v", err)
	}
}

// A schedule of deliveries, repetitions, commits and crashes: whatever is
// answered was counted once, and in the end everything is.
func TestNothingLostAndNothingTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(0, 4), 1, 5).Draw(t, "records of each request")
		var committed pipeline.Position
		counted := map[string]int{}
		var merged []pipeline.Payload // and not committed
		var p *partition
		start := func() {
			memory, err := requests.Memory(committed)
			if err != nil {
				t.Fatal(err)
			}
			merged = nil
			p = &partition{
				now: func() time.Time { return time.Unix(1700000000, 0) }, queue: make(chan *request, len(sizes)), slots: make(chan struct{}, len(sizes)),
				early: func(int) {}, memory: memory, pending: map[uint64]*request{},
			}
		}
		send := func(i int) (answered bool) {
			id := fmt.Sprint(i)
			r, done := p.accept(hashID(id))
			if done || r != nil {
				return done
			}
			var records [][]byte
			for n := range sizes[i] {
				records = append(records, fmt.Appendf(nil, "%d/%d", i, n))
			}
			p.slots <- struct{}{}
			if _, err := p.enqueue(id, records); err != nil {
				t.Fatal(err)
			}
			return false
		}
		merge := func() {
			if len(p.queue) == 0 {
				return
			}
			batch, err := p.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			merged = append(merged, batch.Payloads...)
		}
		commit := func(n int) {
			if n == 0 {
				return
			}
			for _, m := range merged[:n] {
				if len(m.Data) > 0 {
					counted[string(m.Data)]++
				}
			}
			committed, merged = merged[n-1].Position.Position(), merged[n:]
			p.Committed(committed)
		}
		start()
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"send", "send", "merge", "commit", "crash"}).Draw(t, "step") {
			case "send":
				send(rapid.IntRange(0, len(sizes)-1).Draw(t, "request"))
			case "merge":
				merge()
			case "commit":
				commit(rapid.IntRange(0, len(merged)).Draw(t, "payloads"))
			case "crash":
				start()
			}
		}
		for i := range sizes {
			for !send(i) {
				merge()
				commit(len(merged))
			}
		}
		for i, n := range sizes {
			for k := range n {
				if got := counted[fmt.Sprintf("%d/%d", i, k)]; got != 1 {
					t.Fatalf("record %d of request %d was counted %d times", k, i, got)
				}
			}
		}
	})
}
