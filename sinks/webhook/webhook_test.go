package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/sinktest"
	"github.com/google/go-cmp/cmp"
)

// receiver is the other end: it keeps what it answered with 200.
type receiver struct {
	mu      sync.Mutex
	events  []sinktest.Event
	bodies  [][]byte
	headers []http.Header
	answer  func(w http.ResponseWriter, r *http.Request) bool // nil, or false: takes it
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	r.mu.Lock()
	answer := r.answer
	r.mu.Unlock()
	if err != nil || answer != nil && answer(w, request) {
		return
	}
	list := bytes.TrimSpace(body)
	if !bytes.HasPrefix(list, []byte("[")) {
		list = slices.Concat([]byte("["), list, []byte("]"))
	}
	var events []sinktest.Event
	if err := json.Unmarshal(list, &events); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, events...)
	r.bodies = append(r.bodies, body)
	r.headers = append(r.headers, request.Header)
}

func (r *receiver) set(answer func(http.ResponseWriter, *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *receiver) status(code int) func() func() {
	return func() func() {
		r.set(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(code); return true })
		return func() { r.set(nil) }
	}
}

func (r *receiver) received() []sinktest.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]sinktest.Event{}, r.events...)
}

func open(t testing.TB, cfg Config, deps Deps) *Sink {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	if deps.Encode == nil {
		deps.Encode = sinktest.Encode
	}
	s, err := New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func serve(t testing.TB, h http.Handler) *httptest.Server {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

func TestSinkContract(t *testing.T) {
	for name, batch := range map[string]int{"one at a time": 0, "batches": 7} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) *sinktest.Rig {
				r := &receiver{}
				server := serve(t, r)
				return &sinktest.Rig{
					Sink:     open(t, Config{URL: server.URL, Batch: batch}, Deps{}),
					Received: func(testing.TB) []sinktest.Event { return r.received() },
					Break:    r.status(http.StatusServiceUnavailable),
					Refuse:   r.status(http.StatusBadRequest),
					Hang: func(reached func()) func() {
						r.set(func(w http.ResponseWriter, q *http.Request) bool { sinktest.Hang(reached)(w, q); return true })
						return func() { r.set(nil) }
					},
				}
			})
		})
	}
}

func TestStatus(t *testing.T) {
	const passes, permanent, fine = "passes", "permanent", "fine"
	for code, want := range map[int]string{
		200: fine, 201: fine, 202: fine, 204: fine,
		301: passes, 302: passes, 307: passes,
		400: permanent, 406: permanent, 409: permanent, 413: permanent, 415: permanent, 422: permanent,
		401: passes, 402: passes, 403: passes, 404: passes, 405: passes, 407: passes, 410: passes,
		408: passes, 425: passes, 429: passes, 500: passes, 502: passes, 503: passes, 504: passes,
	} {
		followed := false
		mux := http.NewServeMux()
		mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { followed = true })
		mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
		})
		err := open(t, Config{URL: serve(t, mux).URL}, Deps{}).Send(t.Context(), sinktest.Interleaved(1, 1))
		got := passes
		switch {
		case err == nil:
			got = fine
		case sinks.IsPermanent(err):
			got = permanent
		}
		if got != want || followed {
			t.Errorf("status %d: %s (%v), redirect followed: %t; want %s", code, got, err, followed, want)
		}
	}
}

func TestRequest(t *testing.T) {
	r := &receiver{}
	now := time.Unix(1795439401, 0)
	s := open(t, Config{
		URL: serve(t, r).URL, Secret: "key", Headers: map[string]string{"X-Api-Key": "abc"}, Batch: 2,
	}, Deps{Now: func() time.Time { return now }})
	all := sinktest.Interleaved(1, 3)
	if err := errors.Join(s.Send(t.Context(), all), s.Send(t.Context(), all[:2])); err != nil {
		t.Fatal(err)
	}
	if len(r.bodies) != 3 || r.bodies[0][0] != '[' || r.bodies[1][0] != '[' {
		t.Fatalf("%d requests, want 3 with an array each", len(r.bodies))
	}
	h := r.headers[0]
	for name, want := range map[string]string{
		"Content-Type":  "application/json",
		"X-Api-Key":     "abc",
		SignatureHeader: Sign("key", now, r.bodies[0]),
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if k := r.headers[0].Get("Idempotency-Key"); k == "" || k == r.headers[1].Get("Idempotency-Key") || k != r.headers[2].Get("Idempotency-Key") {
		t.Errorf("Idempotency-Key %q: want one for the same findings, and another for others", k)
	}
}

// The value was computed with: printf '1795439401.{}' | openssl dgst -sha256 -hmac key
func TestSign(t *testing.T) {
	const want = "t=1795439401,v1=33a6649ea3bd2d01818d2e541910e2cc75568cfae8bc7260a533191f854871e5"
	if got := Sign("key", time.Unix(1795439401, 0), []byte("{}")); got != want {
		t.Errorf("Sign: %s, want %s", got, want)
	}
}

func TestTooLarge(t *testing.T) {
	r := &receiver{}
	s := open(t, Config{URL: serve(t, r).URL, Batch: 10}, Deps{})
	all := sinktest.Interleaved(1, 3)
	for i := range all {
		all[i].Message = strings.Repeat("x", maxBody/2)
	}
	if err := s.Send(t.Context(), all); err != nil || len(r.bodies) != 3 {
		t.Errorf("a batch above the limit: %v and %d requests, want 3", err, len(r.bodies))
	}
	all[0].Message = strings.Repeat("x", maxBody)
	if err := s.Send(t.Context(), all[:1]); !sinks.IsPermanent(err) || len(r.bodies) != 3 {
		t.Errorf("a finding above the limit: %v, want a Permanent error", err)
	}
}

// handler answers requests without a network, so that a test may own the clock.
type handler struct{ http.Handler }

func (h handler) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for _, test := range []struct {
		name   string
		header func(now time.Time) string
		least  time.Duration
		most   time.Duration
	}{
		{"seconds", func(time.Time) string { return "120" }, 2 * time.Minute, 2 * time.Minute},
		{"a date", func(now time.Time) string { return now.Add(5 * time.Minute).UTC().Format(http.TimeFormat) }, 5*time.Minute - time.Second, 5 * time.Minute},
		{"more than an hour", func(time.Time) string { return "86400" }, time.Hour, time.Hour},
		{"nonsense", func(time.Time) string { return "soon" }, 0, time.Second},
		{"the past", func(now time.Time) string { return now.Add(-time.Hour).UTC().Format(http.TimeFormat) }, 0, time.Second},
		{"none", func(time.Time) string { return "" }, 0, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var at []time.Time
				s := open(t, Config{URL: "http://receiver.test/"}, Deps{Transport: handler{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					if at = append(at, time.Now()); len(at) == 1 {
						w.Header().Set("Retry-After", test.header(time.Now()))
						w.WriteHeader(http.StatusTooManyRequests)
					}
				})}})
				o := sinks.NewOutbox(s, sinks.OutboxConfig{}, sinks.OutboxDeps{})
				o.Offer([]sinks.Entry{{ID: 1, Finding: sinktest.Interleaved(1, 1)[0]}})
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- o.Run(ctx) }()
				time.Sleep(2 * time.Hour)
				cancel()
				if err := <-ended; err != nil || len(at) != 2 {
					t.Fatalf("%d attempts, %v; want 2", len(at), err)
				}
				if waited := at[1].Sub(at[0]); waited < test.least || waited > test.most {
					t.Errorf("second attempt after %s, want %s to %s", waited, test.least, test.most)
				}
			})
		})
	}
}

// A receiver is down for an hour, and the process restarts in the middle of
// it. The state that a pipeline commits is played by a map: an entry is there
// from before Offer until TakeDone.
func TestDownForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := &receiver{}
		up := down.status(http.StatusServiceUnavailable)()
		other := &sinktest.Recorder{}
		committed := map[uint64]detect.Finding{}
		all := sinktest.Interleaved(20, 60) // an event of each incident a minute
		var offered uint64

		life := func(minutes int) {
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			s := open(t, Config{URL: "http://receiver.test/"}, Deps{Transport: handler{down}})
			hook := sinks.NewOutbox(s, sinks.OutboxConfig{Capacity: 100}, sinks.OutboxDeps{})
			quick := sinks.NewOutbox(other, sinks.OutboxConfig{}, sinks.OutboxDeps{})
			for _, id := range slices.Sorted(maps.Keys(committed)) {
				hook.Offer([]sinks.Entry{{ID: id, Finding: committed[id]}})
			}
			for _, o := range []*sinks.Outbox{hook, quick} {
				running.Go(func() {
					if err := o.Run(ctx); err != nil {
						t.Errorf("Run: %v", err)
					}
				})
			}
			for range minutes {
				for range 20 {
					if int(offered) == len(all) {
						break
					}
					e := sinks.Entry{ID: offered + 1, Finding: all[offered]}
					offered++
					committed[e.ID] = e.Finding
					hook.Offer([]sinks.Entry{e})
					quick.Offer([]sinks.Entry{e})
				}
				time.Sleep(time.Minute)
				for _, id := range hook.TakeDone() {
					delete(committed, id)
				}
				if got := len(other.Events()); got != int(offered) {
					t.Fatalf("the other sink has %d of %d findings", got, offered)
				}
				if got := hook.Len(); got > 100+50 {
					t.Fatalf("the outbox holds %d findings, its capacity is 100", got)
				}
			}
			cancel()
			running.Wait()
			for _, id := range hook.TakeDone() {
				delete(committed, id)
			}
		}
		life(30) // down
		if n := len(down.received()); n != 0 {
			t.Fatalf("a receiver that is down has %d findings", n)
		}
		life(30) // restarted, still down
		up()
		life(3)

		last := map[string]int{}
		for _, e := range down.received() {
			if e.Seq < last[e.UID] {
				t.Errorf("event %d of %s comes after event %d", e.Seq, e.UID, last[e.UID])
			}
			last[e.UID] = e.Seq
		}
		want := map[string]int{}
		for _, f := range all {
			want[f.UID] = f.Seq
		}
		if diff := cmp.Diff(want, last); diff != "" {
			t.Errorf("last event of each incident (-want +got):\n%s", diff)
		}
		if len(committed) != 0 {
			t.Errorf("%d findings are still committed as not delivered", len(committed))
		}
	})
}

func TestErrorsHoldNoSecret(t *testing.T) {
	r := &receiver{}
	server := serve(t, r)
	host := strings.TrimPrefix(server.URL, "http://")
	cfg := Config{
		URL:    "http://user:PASSWORD@" + host + "/TOKEN?key=QUERY",
		Secret: "HMACKEY", Headers: map[string]string{"Authorization": "Bearer HEADER"}, Timeout: time.Second,
	}
	check := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", what)
			return
		}
		for _, secret := range []string{"PASSWORD", "TOKEN", "QUERY", "HMACKEY", "HEADER"} {
			if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
				t.Errorf("%s: %v holds %s", what, err, secret)
			}
		}
	}
	s := open(t, cfg, Deps{})
	for _, code := range []int{302, 401, 429, 503} {
		r.set(func(w http.ResponseWriter, q *http.Request) bool {
			w.Header().Set("Location", q.URL.String())
			w.WriteHeader(code)
			fmt.Fprint(w, q.URL, q.Header)
			return true
		})
		check(fmt.Sprint("status ", code), s.Send(t.Context(), sinktest.Interleaved(1, 1)))
	}
	server.Close()
	check("no server", s.Send(t.Context(), sinktest.Interleaved(1, 1)))
	cfg.URL = "http://user:PASSWORD@h/TOKEN%zz?key=QUERY"
	check("a broken URL", cfg.Validate())
	cfg.URL = "ftp://user:PASSWORD@h/TOKEN?key=QUERY"
	cfg.Headers = map[string]string{"Host": "HEADER", "X-A": "HEADER\n"}
	check("no web URL", cfg.Validate())
}

func TestConfig(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  Config
		want string // "" is valid
	}{
		{"https", Config{URL: "https://siem.example.com/in"}, ""},
		{"all", Config{URL: "http://127.0.0.1:8080", Secret: "s", Headers: map[string]string{"X-A": "b"}, Batch: 50, Timeout: time.Minute}, ""},
		{"no url", Config{}, "url: is no URL"},
		{"no scheme", Config{URL: "siem.example.com/in"}, "url: is no URL"},
		{"no host", Config{URL: "https:///in"}, "url: is no URL"},
		{"ftp", Config{URL: "ftp://siem.example.com"}, "url: is no URL"},
		{"fragment", Config{URL: "https://siem.example.com/#a"}, "url: has a #fragment"},
		{"batch", Config{URL: "https://h", Batch: 51}, "batch: 51 is out of range; accepted: 1 to 50"},
		{"timeout", Config{URL: "https://h", Timeout: time.Hour}, "timeout: 1h0m0s is out of range"},
		{"header name", Config{URL: "https://h", Headers: map[string]string{"X A": "b"}}, `headers: "X A" is no header name`},
		{"own header", Config{URL: "https://h", Headers: map[string]string{"content-type": "b"}}, "headers: Content-Type is set by the sink"},
		{"header twice", Config{URL: "https://h", Headers: map[string]string{"X-A": "b", "x-a": "c"}}, "headers: X-A and x-a are the same header"},
		{"header value", Config{URL: "https://h", Headers: map[string]string{"X-A": "b\r\nX-B: c"}}, "headers: the value of X-A holds a line break"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.cfg.Validate()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
				t.Errorf("Validate: %v, want %q", err, test.want)
			}
		})
	}
}

// What has arrived before a request fails does not come again.
func TestWhatArrivedIsNotLeft(t *testing.T) {
	taken := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if taken++; taken > 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	s := open(t, Config{URL: server.URL, Batch: 2}, Deps{})
	err := s.Send(t.Context(), sinktest.Interleaved(5, 1))
	if left := sinks.Left(err, 5); !slices.Equal(left, []int{2, 3, 4}) {
		t.Errorf("of five, of which two arrived, %v are left: %v", left, err)
	}
}
