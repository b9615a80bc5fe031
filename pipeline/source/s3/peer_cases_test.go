package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/source/sourcetest"
)

// The contract of all sources, with every call made over the network. Each new
// source finds everything announced again, on a queue of its own.
func TestPeerSourceContract(t *testing.T) {
	newPeers(t, nil)
	sourcetest.Run(t, sourcetest.Harness{Open: func(t *testing.T) sourcetest.Input {
		p := connect(t, nil)
		var mu sync.Mutex
		var announced []string
		return sourcetest.Input{
			Lanes: 1,
			Source: func(*testing.T) pipeline.Source {
				mu.Lock()
				defer mu.Unlock()
				p.newQueue(nil)
				p.send(announced...)
				return p.source()
			},
			Put: func(_ *testing.T, _ int, payloads ...[]byte) {
				mu.Lock()
				defer mu.Unlock()
				for _, payload := range payloads {
					body := created(p.put(fmt.Sprint(len(announced)), payload))
					announced = append(announced, body)
					p.send(body)
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

// Every kind of notification, of every kind of object, under keys that need
// encoding; some come twice. Each object is read once, and no message stays.
func TestPeerNotifications(t *testing.T) {
	p := newPeers(t, nil)
	var want []string
	lines := func(name string) []byte {
		text := "version account-id srcaddr\n"
		for n := range 100 { // more than one payload
			line := fmt.Sprintf("2 %s/%d 192.0.2.1", name, n)
			text += line + "\n"
			want = append(want, line)
		}
		return []byte(text)
	}
	plain := p.put("AWSLogs/aws-account-id=1/a b+c%2F.log", lines("plain"))
	zipped := p.put("AWSLogs/ü/eu-central-1/2026/11/24/a+b.log.gz", gzipped(t, lines("gzip")))
	squeezed := p.put("x&y=z?#.log.zst", zstandard(t, lines("zstd")))
	columns := p.put("aws-service=vpcflowlogs/hour=10/日本 1.log.parquet", columnar(t, "parquet", 100, &want))
	several := []object{p.put("first", lines("first")), p.put("second", lines("second"))}
	removed := inJSON(map[string]any{"Records": []any{s3Record("ObjectRemoved:Delete", plain)}})

	p.send(
		created(plain), bridged(zipped), published(bridged(squeezed)), published(created(columns)), created(several...),
		`{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}`, removed,
		bridged(plain), published(created(zipped)), created(several[1], several[0]), bridged(columns),
	)
	source, host := p.source(), sourcetest.NewHost(t, nil)
	stop := running(t, source, host)
	p.awaitMessages(p.queue, 0)
	stop()
	wantLines(t, host.Deliveries(), want)
	wantObjects(t, source, 6, 5, 0)
}

// A message stays hidden for as long as its object is not committed, though the
// queue would show it again after two seconds; then it is deleted.
func TestPeerHiddenUntilTheCommit(t *testing.T) {
	p := newPeers(t, nil)
	p.send(created(p.put("slow", []byte("a\nb\n"))))
	source := p.source()
	calls := &countedCalls{API: source.api}
	source.api = calls
	host := &withholding{Host: sourcetest.NewHost(t, nil), commit: make(chan struct{})}
	stop := running(t, source, host)
	for calls.received.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	rival, err := p.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &p.queue, WaitTimeSeconds: 6})
	if err != nil || len(rival.Messages) != 0 {
		t.Errorf("another reader waits for six seconds and gets %d messages, %v, want none", len(rival.Messages), err)
	}
	if n := calls.hidden.Load(); n < 6 {
		t.Errorf("hidden anew %d times", n)
	}
	close(host.commit)
	p.awaitMessages(p.queue, 0)
	stop()
	if n := calls.received.Load(); n != 1 {
		t.Errorf("the message was received %d times, want once", n)
	}
}

// A process that ends in the middle of an object leaves its message to the
// queue, which shows it again; the next one goes on where the commit was.
func TestPeerResumeInMidObject(t *testing.T) {
	p := newPeers(t, nil)
	var want []string
	text := "version account-id srcaddr\n"
	for n := range 200 { // of a KiB, so that a payload holds few of them
		want = append(want, fmt.Sprintf("2 %d %s", n, strings.Repeat("x", 1<<10)))
		text += want[n] + "\n"
	}
	p.send(created(p.put("long.gz", gzipped(t, []byte(text)))))
	host := sourcetest.NewHost(t, nil)
	for _, after := range []int{2, 4} {
		if err := host.Run(p.source(), func(now *sourcetest.Progress) bool { return len(now.Deliveries) == after }); err != nil {
			t.Fatal(err)
		}
		if n := len(lineTexts(host.Deliveries())); n == 0 || n == len(want) {
			t.Fatalf("%d of %d lines before the restart: not in the middle", n, len(want))
		}
	}
	source := p.source()
	stop := running(t, source, host)
	p.awaitMessages(p.queue, 0)
	stop()
	wantLines(t, host.Deliveries(), want)
	wantObjects(t, source, 1, 0, 0)
}

// What can't be read goes back to the queue, which after two tries gives it to
// the dead-letter queue. Nothing else waits for it, and what stood before the
// damage counts once.
func TestPeerPoisonedObjects(t *testing.T) {
	p := newPeers(t, nil)
	dead := p.newQueue(map[string]string{})
	p.newQueue(map[string]string{"RedrivePolicy": inJSON(map[string]any{
		"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:" + dead[strings.LastIndexByte(dead, '/')+1:], "maxReceiveCount": 2,
	})})
	whole := []byte("before the damage\n")
	zipped := gzipped(t, whole)
	cut := p.put("cut.gz", zipped[:len(zipped)-8])
	changed := p.put("changed", []byte("as announced\n"))
	p.put("changed", []byte("something else\n"))
	p.send(created(cut), created(object{p.bucket, p.prefix + "missing", "e"}), bridged(changed), "junk",
		created(p.put("good", []byte("good\n"))))

	source, host := p.source(), sourcetest.NewHost(t, nil)
	stop := running(t, source, host)
	p.awaitMessages(dead, 4)
	p.awaitMessages(p.queue, 0)
	stop()
	wantLines(t, host.Deliveries(), []string{"before the damage", "good"})
	wantObjects(t, source, 1, 0, 3)
}

// List follows the pages of a bucket, of a thousand keys each.
func TestPeerList(t *testing.T) {
	p := newPeers(t, nil)
	var want []string
	for n := range 1003 {
		name := fmt.Sprintf("2026/11/24/%04d +ü.log", n)
		p.put(name, fmt.Append(nil, n))
		want = append(want, Scheme+p.bucket+"/"+p.prefix+name)
	}
	p.put("2026/11/24/", nil)
	p.put("2026/11/20/old.log", []byte("old"))
	found, err := List(t.Context(), Backfill{
		URL: Scheme + p.bucket + "/" + p.prefix, Region: "us-east-1", Since: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for n, o := range found {
		got = append(got, o.Name)
		if n%100 != 0 {
			continue
		}
		body, err := o.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(body)
		_ = body.Close()
		if err != nil || string(text) != fmt.Sprint(n) || o.Size != int64(len(text)) {
			t.Errorf("%s, of %d bytes, is %q, %v", o.Name, o.Size, text, err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

// running runs a source until stop is called, which returns when it has ended.
func running(t *testing.T, source *Source, host pipeline.Host) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		if h, ok := host.(*sourcetest.Host); ok {
			ended <- h.Run(runner{source, ctx}, nil)
			return
		}
		ended <- source.Run(ctx, host)
	}()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// withholding is a host that commits when it is told.
type withholding struct {
	*sourcetest.Host
	commit chan struct{}
}

func (h *withholding) Resume(string) map[string]pipeline.Resumed        { return nil }
func (h *withholding) Register(context.Context, []pipeline.Start) error { return nil }
func (h *withholding) Work(ctx context.Context, p pipeline.Partition) error {
	var read pipeline.Position
	for commit := h.commit; ; {
		batch, err := p.Next(ctx)
		if err != nil {
			return err
		}
		for _, payload := range batch.Payloads {
			read = payload.Position.Position()
		}
		select {
		case <-commit:
			commit = nil
			p.Committed(read)
		default:
		}
	}
}

// countedCalls counts what was received and hidden with success.
type countedCalls struct {
	API
	received, hidden atomic.Int64
}

func (c *countedCalls) Receive(ctx context.Context) ([]message, error) {
	messages, err := c.API.Receive(ctx)
	c.received.Add(int64(len(messages)))
	return messages, err
}

func (c *countedCalls) Hide(ctx context.Context, receipt string, seconds int32) error {
	err := c.API.Hide(ctx, receipt, seconds)
	if err == nil {
		c.hidden.Add(1)
	}
	return err
}

// lineTexts are the lines of all payloads but the headers.
func lineTexts(deliveries []sourcetest.Delivery) []string {
	var lines []string
	for _, d := range deliveries {
		for line := range strings.Lines(string(d.Data)) {
			if !strings.HasPrefix(line, "version ") {
				lines = append(lines, strings.TrimSuffix(line, "\n"))
			}
		}
	}
	return lines
}

func wantLines(t *testing.T, deliveries []sourcetest.Delivery, want []string) {
	t.Helper()
	got := lineTexts(deliveries)
	slices.Sort(got)
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func wantObjects(t *testing.T, s *Source, read, repeated, failed float64) {
	t.Helper()
	for outcome, want := range map[string]float64{"read": read, "repeated": repeated, "failed": failed} {
		if got := testutil.ToFloat64(s.metrics.objects.WithLabelValues(outcome)); got != want {
			t.Errorf("%g objects count as %s, want %g", got, outcome, want)
		}
	}
}

func gzipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	return compressed(t, &b, gzip.NewWriter(&b), content)
}

func zstandard(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	return compressed(t, &b, w, content)
}

func compressed(t *testing.T, b *bytes.Buffer, w io.WriteCloser, content []byte) []byte {
	t.Helper()
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// columnar is a Parquet object of so many rows; it adds their lines to want.
func columnar(t *testing.T, name string, rows int, want *[]string) []byte {
	t.Helper()
	type row struct {
		Version   int32   `parquet:"version"`
		AccountID string  `parquet:"account_id"`
		SrcAddr   *string `parquet:"srcaddr,optional"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b)
	for n := range rows {
		if _, err := w.Write([]row{{2, fmt.Sprintf("%s/%d", name, n), nil}}); err != nil {
			t.Fatal(err)
		}
		*want = append(*want, fmt.Sprintf("2 %s/%d -", name, n))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
