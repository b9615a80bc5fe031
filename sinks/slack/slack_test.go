package slack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/sinktest"
)

// receiver holds messages to Slack's limits.
type receiver struct {
	mu     sync.Mutex
	events []sinktest.Event
	answer func(w http.ResponseWriter, r *http.Request)
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answer != nil {
		r.answer(w, request)
		return
	}
	var m message
	if err := json.NewDecoder(request.Body).Decode(&m); err != nil || tooLong(&m) != "" {
		http.Error(w, "invalid_blocks", http.StatusBadRequest)
		return
	}
	var e sinktest.Event
	if _, err := fmt.Sscanf(m.Blocks[len(m.Blocks)-1].Elements[0].Text, "event %d of %s", &e.Seq, &e.UID); err == nil {
		r.events = append(r.events, e)
	}
}

func tooLong(m *message) string {
	for _, b := range m.Blocks {
		limit := map[string]int{"header": headerLimit, "section": sectionLimit}[b.Type]
		if b.Text != nil && (b.Text.Text == "" && b.Type == "header" || utf8.RuneCountInString(b.Text.Text) > limit) {
			return b.Type
		}
		for _, f := range append(b.Fields, b.Elements...) {
			if f.Text == "" || utf8.RuneCountInString(f.Text) > fieldLimit {
				return b.Type + " field"
			}
		}
	}
	return ""
}

func (r *receiver) set(answer func(http.ResponseWriter, *http.Request)) func() func() {
	return func() func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.answer = answer
		return func() { r.mu.Lock(); defer r.mu.Unlock(); r.answer = nil }
	}
}

func TestSinkContract(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) *sinktest.Rig {
		r := &receiver{}
		server := httptest.NewServer(r)
		t.Cleanup(server.Close)
		s, err := New(Config{URL: server.URL}, Deps{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return &sinktest.Rig{
			Sink: s,
			Received: func(testing.TB) []sinktest.Event {
				r.mu.Lock()
				defer r.mu.Unlock()
				return append([]sinktest.Event{}, r.events...)
			},
			Break:  r.set(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }),
			Refuse: r.set(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }),
			Hang:   func(reached func()) func() { return r.set(sinktest.Hang(reached))() },
		}
	})
}

// Whatever records say stays text, within the limits.
func TestMessage(t *testing.T) {
	f := detect.Finding{
		Rule: "spike", Title: strings.Repeat("é", 400), Message: "<!channel> " + strings.Repeat("&", 5000),
		Key: "<http://x|y>", Account: strings.Repeat("<", 3000), Severity: detect.High, Activity: detect.Close, CloseReason: detect.Quiet,
	}
	m := messageOf(&f)
	if where := tooLong(&m); where != "" {
		t.Errorf("%s is above its limit", where)
	}
	b, err := json.Marshal(m.Blocks[1:3])
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), `\u003c`) {
		t.Error("a < is not escaped")
	}
	if got := m.Blocks[1].Text.Text; !strings.HasSuffix(got, "&amp;…") {
		t.Errorf("the message ends with %q", got[len(got)-10:])
	}
}

func TestConfig(t *testing.T) {
	for _, test := range []struct {
		name, want string // "" is valid
		cfg        Config
	}{
		{"url alone", "", Config{URL: "https://hooks.example.com/services/x"}},
		{"timeout", "", Config{URL: "https://hooks.example.com/services/x", Timeout: 5 * time.Minute}},
		{"no url", "url: is no URL", Config{}},
		{"long timeout", "timeout: 5m0.001s is out of range", Config{URL: "https://h", Timeout: 5*time.Minute + time.Millisecond}},
		{"negative timeout", "timeout: -1s is out of range", Config{URL: "https://h", Timeout: -time.Second}},
	} {
		err := test.cfg.Validate()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

func TestErrorsHoldNoURL(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.URL.Path, 500) }))
	s, err := New(Config{URL: server.URL + "/services/T0/B0/hunter2"}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	answered := s.Send(t.Context(), sinktest.Interleaved(1, 1))
	server.Close()
	for _, err := range []error{answered, s.Send(t.Context(), sinktest.Interleaved(1, 1)), (&Config{URL: "hunter2"}).Validate()} {
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: want an error without the URL", err)
		}
	}
}

// What has arrived before a message fails does not come again.
func TestWhatArrivedIsNotLeft(t *testing.T) {
	taken := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if taken++; taken > 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	s, err := New(Config{URL: server.URL}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Send(t.Context(), sinktest.Interleaved(2, 2))
	if left := sinks.Left(err, 4); !slices.Equal(left, []int{2, 3}) {
		t.Errorf("of four, of which two arrived, %v are left: %v", left, err)
	}
}
