package s3

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
	"github.com/flowwatch/flowwatch/pipeline/source/sourcetest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("rapid.checks", "200"); err != nil {
		panic(err)
	}
	var outlive []goleak.Option
	if peersNamed() { // they keep idle connections open; a server of the tests ends its own
		outlive = append(outlive, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
	}
	goleak.VerifyTestMain(m, outlive...)
}

var written = time.Unix(1_700_000_000, 0) // all objects

// bucket is a bucket and a queue in memory.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte // by key
	queue   []message         // visible
	deleted map[string]bool   // receipts
	hidden  map[string]int32  // seconds by receipt
	changed chan struct{}
}

func newBucket() *bucket {
	return &bucket{objects: map[string][]byte{}, deleted: map[string]bool{}, hidden: map[string]int32{}, changed: make(chan struct{})}
}

func (b *bucket) tell() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// announce puts an object, and a message about it.
func (b *bucket) announce(key string, content []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.objects[key] = content
	b.queue = append(b.queue, message{eventOf(key), "receipt of " + key})
	b.tell()
}

func eventOf(key string) string {
	return fmt.Sprintf(`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":%q,"eTag":"e"}}}]}`, key)
}

func (b *bucket) Receive(ctx context.Context) ([]message, error) {
	for {
		b.mu.Lock()
		if len(b.queue) > 0 {
			m := b.queue[0]
			b.queue = b.queue[1:]
			b.mu.Unlock()
			return []message{m}, nil
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

func (b *bucket) Hide(_ context.Context, receipt string, seconds int32) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hidden[receipt] = seconds
	b.tell()
	return nil
}

func (b *bucket) Delete(_ context.Context, receipt string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deleted[receipt] = true
	b.tell()
	return nil
}

func (b *bucket) Open(_ context.Context, o object) (io.ReadCloser, time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	content, ok := b.objects[o.Key]
	if !ok {
		return nil, time.Time{}, errors.New("NoSuchKey")
	}
	return io.NopCloser(bytes.NewReader(content)), written, nil
}

// await waits for a condition on the bucket.
func (b *bucket) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for {
		b.mu.Lock()
		done, changed := ok(), b.changed
		b.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func newSource(t *testing.T, b *bucket) *Source {
	t.Helper()
	s, err := New(Config{QueueURL: "https://sqs.eu-central-1.amazonaws.com/123456789012/flow-logs"}, Dependencies{API: b})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSourceContract announces everything again to each new source, as a queue
// may.
func TestSourceContract(t *testing.T) {
	sourcetest.Run(t, sourcetest.Harness{Open: func(*testing.T) sourcetest.Input {
		var mu sync.Mutex
		var put [][]byte
		current := newBucket()
		return sourcetest.Input{
			Lanes: 1,
			Source: func(t *testing.T) pipeline.Source {
				mu.Lock()
				defer mu.Unlock()
				current = newBucket()
				for i, p := range put {
					current.announce(fmt.Sprint(i), p)
				}
				return newSource(t, current)
			},
			Put: func(_ *testing.T, _ int, payloads ...[]byte) {
				mu.Lock()
				defer mu.Unlock()
				for _, p := range payloads {
					current.announce(fmt.Sprint(len(put)), p)
					put = append(put, p)
				}
			},
			Unwrap: func(delivered []byte) [][]byte {
				if len(delivered) == 0 {
					return nil
				}
				return [][]byte{delivered}
			},
		}
	}})
}

func TestPoisonedObjectDoesNotBlock(t *testing.T) {
	b := newBucket()
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write([]byte("one\ntwo\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b.announce("cut", z.Bytes()[:z.Len()-8]) // its lines are whole, its end is not
	b.announce("good", z.Bytes())
	b.queue = append(b.queue, message{eventOf("missing"), "receipt of missing"}, message{"junk", "junk"},
		message{eventOf("good"), "good again"}, message{eventOf("cut"), "cut again"})
	b.announce("end", []byte("end\n"))
	host := sourcetest.NewHost(t, nil)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	s := newSource(t, b)
	go func() { ended <- host.Run(runner{s, ctx}, nil) }()
	b.await(t, "the fate of every message", func() bool {
		return b.deleted["receipt of good"] && b.deleted["good again"] && b.deleted["receipt of end"] &&
			b.hidden["receipt of cut"] == defaultPacing.release && b.hidden["cut again"] == defaultPacing.release && b.hidden["receipt of missing"] == defaultPacing.release && b.hidden["junk"] == defaultPacing.release
	})
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range host.Deliveries() {
		got = append(got, string(d.Data))
		if !d.Arrival.Equal(written) {
			t.Errorf("the arrival is %v, want that of the object, %v", d.Arrival, written)
		}
	}
	if diff := cmp.Diff([]string{"one\ntwo\n", "one\ntwo\n", "end\n"}, got); diff != "" {
		t.Errorf("payloads (-want +got):\n%s", diff)
	}
	for _, receipt := range []string{"receipt of cut", "cut again", "receipt of missing", "junk"} {
		if b.deleted[receipt] {
			t.Errorf("%s was deleted", receipt)
		}
	}
	wantObjects(t, s, 2, 1, 2) // cut and missing, though cut came twice
}

// What was at hand when the run ended need not wait until its time is over.
func TestMessagesAreHandedBackAtTheEnd(t *testing.T) {
	b := slowBucket{newBucket(), make(chan struct{})}
	b.announce("long", []byte("one\n"))
	s, err := New(Config{QueueURL: "https://sqs.eu-central-1.amazonaws.com/123456789012/flow-logs"}, Dependencies{API: b})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- sourcetest.NewHost(t, nil).Run(runner{s, ctx}, nil) }()
	<-b.opened
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if seconds, ok := b.hidden["receipt of long"]; !ok || seconds != 0 {
		t.Errorf("the message stays hidden for %d s (told: %v), want 0", seconds, ok)
	}
}

// slowBucket has objects that never come.
type slowBucket struct {
	*bucket
	opened chan struct{}
}

func (b slowBucket) Open(ctx context.Context, _ object) (io.ReadCloser, time.Time, error) {
	close(b.opened)
	<-ctx.Done()
	return nil, time.Time{}, ctx.Err()
}

// A queue that can't be asked is not empty: event time waits for it.
func TestAQueueThatDoesNotAnswerIsNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		queue := &brokenQueue{bucket: b}
		queue.broken.Store(true)
		source, err := New(Config{QueueURL: "https://sqs.eu-central-1.amazonaws.com/111122223333/q", Region: "eu-central-1"}, Dependencies{API: queue})
		if err != nil {
			t.Fatal(err)
		}
		p := source.partition(time.Now)
		if p.memory, err = objects.Memory(""); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- source.receive(ctx, p) }()
		next := func() pipeline.Batch {
			t.Helper()
			batch, err := p.Next(ctx)
			if err != nil || len(batch.Payloads) > 0 {
				t.Fatalf("got %d payloads and %v, want none", len(batch.Payloads), err)
			}
			return batch
		}
		if batch := next(); batch.Idle || batch.Unread != "" {
			t.Errorf("at the start: got %+v", batch)
		}
		time.Sleep(time.Hour)
		if batch := next(); batch.Idle || !strings.HasPrefix(batch.Unread, "no answer from SQS for 1h0m") {
			t.Errorf("after an hour without an answer: got %+v", batch)
		}
		queue.broken.Store(false)
		time.Sleep(2 * time.Minute) // at most, until it is tried again
		if batch := next(); !batch.Idle || batch.Unread != "" {
			t.Errorf("with answers again: got %+v", batch)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v, want that it was cancelled", err)
		}
	})
}

// brokenQueue fails to be asked, or is empty for as long as a long poll waits.
type brokenQueue struct {
	*bucket
	broken atomic.Bool
}

func (q *brokenQueue) Receive(ctx context.Context) ([]message, error) {
	if q.broken.Load() {
		return nil, errors.New("no such host")
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(20 * time.Second):
		return nil, nil
	}
}

type runner struct {
	*Source
	ctx context.Context
}

func (r runner) Run(_ context.Context, host pipeline.Host) error { return r.Source.Run(r.ctx, host) }

func TestNotifications(t *testing.T) {
	f := func(name, body string, want ...object) {
		t.Helper()
		got, err := parseNotification(body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	event := `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"AWSLogs/aws-account-id%3D1/a+b","eTag":"e"}}},` +
		`{"eventName":"s3:ObjectCreated:Copy","s3":{"bucket":{"name":"b"},"object":{"key":"c"}}},` +
		`{"eventName":"ObjectRemoved:Delete","s3":{"bucket":{"name":"b"},"object":{"key":"d"}}}]}`
	both := []object{{"b", "AWSLogs/aws-account-id=1/a b", "e"}, {"b", "c", ""}}
	f("S3 event", event, both...)
	f("S3 event in SNS", fmt.Sprintf(`{"Type":"Notification","Message":%q}`, event), both...)
	bridge := `{"detail-type":"Object Created","detail":{"bucket":{"name":"b"},"object":{"key":"a%2B+b","etag":"e"}}}`
	f("EventBridge: the key is not encoded", bridge, object{"b", "a%2B+b", "e"})
	f("EventBridge in SNS", fmt.Sprintf(`{"Type":"Notification","Message":%q}`, bridge), object{"b", "a%2B+b", "e"})
	f("EventBridge, another event", `{"detail-type":"Object Deleted","detail":{}}`)
	f("test event", `{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}`)
	f("test event in SNS", `{"Type":"Notification","Message":"{\"Event\":\"s3:TestEvent\"}"}`)
	for _, body := range []string{"", "junk", "{}", `{"Type":"Notification","Message":"x"}`, `{"Records":[{"eventName":"ObjectCreated:Put"}]}`,
		`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"%zz"}}}]}`} {
		if got, err := parseNotification(body); err == nil {
			t.Errorf("%q: got %v, want an error", body, got)
		}
	}
}

func FuzzNotification(f *testing.F) {
	f.Add(eventOf("k"))
	f.Add(`{"Type":"Notification","Message":"{\"detail-type\":\"Object Created\"}"}`)
	hostiletest.Seeds(f, "envelopes/*", func(seed []byte) { f.Add(string(seed)) })
	f.Fuzz(func(t *testing.T, body string) {
		defer hostiletest.Bound(t)()
		objects, err := parseNotification(body)
		for _, o := range objects {
			if err != nil || o.Bucket == "" || o.Key == "" {
				t.Errorf("got %+v with error %v", o, err)
			}
		}
	})
}

// A schedule of announcements, repetitions, commits and crashes: every line of
// every object is counted once, and read under its header.
func TestNothingLostAndNothingTwice(t *testing.T) {
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := newBucket()
		columns := []string{"packets", "start", "end", "protocol"} // tell which header was in force
		sizes := rapid.SliceOfN(rapid.IntRange(0, 24), 1, 4).Draw(t, "lines of each object")
		var want []string
		for i, n := range sizes {
			content := "version account-id srcaddr bytes " + columns[i] + "\n"
			for k := range n { // about 1 KiB each, so that an object is several payloads
				line := fmt.Sprintf("%d/%d ", i, k)
				want = append(want, columns[i]+" "+line)
				content += line + strings.Repeat("x", 1000) + "\n"
			}
			b.objects[fmt.Sprint(i)] = []byte(content)
		}
		var committed pipeline.Position
		var header, committedHeader string
		var got []string
		var merged []pipeline.Payload
		var p *partition
		start := func() {
			if p != nil && p.reading != nil {
				p.reading.close()
			}
			memory, err := objects.Memory(committed)
			if err != nil {
				t.Fatal(err)
			}
			merged, header = nil, committedHeader
			p = &partition{api: b, now: func() time.Time { return time.Unix(1700000000, 0) }, metrics: m, memory: memory, committed: memory.Seq(),
				chunk: 1 << 10, incoming: make(chan *delivery, 1), failing: map[uint64]bool{}, held: map[string]bool{}, signal: make(chan struct{}, 1)}
		}
		step := func() {
			if p.at == nil && p.reading == nil {
				return
			}
			for p.at != nil || p.reading != nil {
				if p.reading == nil {
					p.open(t.Context())
					continue
				}
				payload, ok, err := p.read(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if ok {
					payload.Data = bytes.Clone(payload.Data)
					merged = append(merged, payload)
					return
				}
			}
		}
		commit := func(n int) {
			for _, m := range merged[:n] {
				for line := range strings.Lines(string(m.Data)) {
					if strings.HasPrefix(line, "version") {
						header = strings.Fields(line)[4]
						continue
					}
					got = append(got, header+" "+line[:strings.IndexByte(line, ' ')+1])
				}
				committed, committedHeader = m.Position.Position(), header
				p.Committed(committed)
			}
			merged = merged[n:]
		}
		announce := func(i int) {
			if p.at != nil || p.reading != nil {
				return
			}
			p.at = &delivery{receipt: fmt.Sprint(i), objects: []object{{"b", fmt.Sprint(i), "e"}}}
		}
		start()
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"announce", "read", "read", "read", "commit", "crash"}).Draw(t, "step") {
			case "announce":
				announce(rapid.IntRange(0, len(sizes)-1).Draw(t, "object"))
			case "read":
				step()
			case "commit":
				commit(rapid.IntRange(0, len(merged)).Draw(t, "payloads"))
			case "crash":
				start()
			}
		}
		drain := func() {
			for p.at != nil || p.reading != nil {
				step()
			}
			commit(len(merged))
		}
		drain()
		for i := range sizes {
			announce(i)
			drain()
			if !slices.Contains(p.deletes, fmt.Sprint(i)) {
				t.Errorf("the message of object %d was not deleted", i)
			}
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("lines (-want +got):\n%s", diff)
		}
	})
}
