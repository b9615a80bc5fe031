package alertmanager

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/sinktest"
)

// receiver takes alerts by the rules of Alertmanager's API v2: an alert is its
// labels, and needs one; an end lies not before its start. A later post of the
// same labels takes the place of the earlier.
type receiver struct {
	now func() time.Time

	mu     sync.Mutex
	events []sinktest.Event
	alerts map[string]alert // by labels
	answer func(w http.ResponseWriter, r *http.Request)
}

func newReceiver() *receiver {
	return &receiver{now: time.Now, alerts: make(map[string]alert)}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	answer := r.answer
	r.mu.Unlock()
	if answer != nil {
		answer(w, request)
		return
	}
	if request.Method != http.MethodPost || request.URL.Path != "/prefix/api/v2/alerts" || request.Header.Get("Content-Type") != "application/json" {
		http.Error(w, "no such endpoint", http.StatusNotFound)
		return
	}
	var posted []alert
	if err := json.NewDecoder(request.Body).Decode(&posted); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range posted {
		if a.Labels["alertname"] == "" || a.StartsAt.IsZero() || a.EndsAt.Before(a.StartsAt) {
			http.Error(w, "start time must be before end time", http.StatusBadRequest)
			return
		}
	}
	for _, a := range posted {
		r.alerts[fmt.Sprint(a.Labels)] = a // fmt sorts maps
		if seq, err := strconv.Atoi(a.Annotations["event"]); err == nil {
			r.events = append(r.events, sinktest.Event{UID: a.Labels["uid"], Seq: seq})
		}
	}
}

// firing returns the severities and events of the alerts that are active.
func (r *receiver) firing() (active []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for a := range maps.Values(r.alerts) {
		if a.EndsAt.After(r.now()) {
			active = append(active, a.Labels["uid"]+" "+a.Labels["severity"]+" "+a.Annotations["event"])
		}
	}
	slices.Sort(active)
	return active
}

func (r *receiver) received() []sinktest.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]sinktest.Event{}, r.events...)
}

func (r *receiver) set(answer func(http.ResponseWriter, *http.Request)) func() func() {
	return func() func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.answer = answer
		return func() { r.mu.Lock(); defer r.mu.Unlock(); r.answer = nil }
	}
}

func (r *receiver) status(code int) func() func() {
	return r.set(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

// open returns a sink that posts to receivers behind local servers.
func open(t *testing.T, deps Deps, receivers ...*receiver) *Sink {
	t.Helper()
	var cfg Config
	for _, r := range receivers {
		server := httptest.NewServer(r)
		t.Cleanup(server.Close)
		cfg.URL = append(cfg.URL, server.URL+"/prefix/")
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestSinkContract(t *testing.T) {
	var _ sinks.Repeater = (*Sink)(nil)
	sinktest.Run(t, func(t *testing.T) *sinktest.Rig {
		r := newReceiver()
		return &sinktest.Rig{
			Sink:     open(t, Deps{}, r),
			Received: func(testing.TB) []sinktest.Event { return r.received() },
			Break:    r.status(http.StatusServiceUnavailable),
			Refuse:   r.status(http.StatusBadRequest),
			Hang:     func(reached func()) func() { return r.set(sinktest.Hang(reached))() },
		}
	})
}

// A cluster passes the contract whichever member is down.
func TestSinkContractOfACluster(t *testing.T) {
	for down := range 2 {
		t.Run(fmt.Sprint("member ", down, " is down"), func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) *sinktest.Rig {
				members := []*receiver{newReceiver(), newReceiver()}
				up := members[1-down]
				members[down].status(http.StatusServiceUnavailable)()
				return &sinktest.Rig{
					Sink:     open(t, Deps{}, members...),
					Received: func(testing.TB) []sinktest.Event { return up.received() },
					Break:    up.status(http.StatusServiceUnavailable),
					Hang:     func(reached func()) func() { return up.set(sinktest.Hang(reached))() },
				}
			})
		})
	}
}

const created = 1_795_438_500

func event(seq int, a detect.Activity, s detect.Severity) detect.Finding {
	f := detect.Finding{
		Rule: "scan.internal", UID: "u", Account: "111122223333", Scope: "vpc-0abc", Key: "10.0.3.17",
		Seq: seq, Activity: a, Severity: s, Created: created, Time: created + int64(seq-1)*900,
	}
	if a == detect.Close {
		f.CloseReason = detect.Quiet
	}
	return f
}

// What is active over the life of an incident, at the time of its last event
// and for as long as nothing more is heard.
func TestLifeOfAnAlert(t *testing.T) {
	c, u, e := detect.Create, detect.Update, detect.Close
	for _, test := range []struct {
		name   string
		events []detect.Finding
		batch  int // events in one Send
		after  time.Duration
		want   []string
	}{
		{"opened", []detect.Finding{event(1, c, detect.Medium)}, 1, 0, []string{"u medium 1"}},
		{"nothing heard for some repeats", []detect.Finding{event(1, c, detect.Medium)}, 1, 4 * time.Minute, []string{"u medium 1"}},
		{"nothing heard any more", []detect.Finding{event(1, c, detect.Medium)}, 1, 5 * time.Minute, nil},
		{"goes on", []detect.Finding{event(1, c, detect.Medium), event(2, u, detect.Medium)}, 1, 0, []string{"u medium 2"}},
		{"gets worse", []detect.Finding{event(1, c, detect.Medium), event(2, u, detect.High)}, 1, 0, []string{"u high 2"}},
		{"gets worse within a request", []detect.Finding{event(1, c, detect.Medium), event(2, u, detect.High)}, 2, 0, []string{"u high 2"}},
		{"closed", []detect.Finding{event(1, c, detect.Medium), event(2, e, detect.Medium)}, 1, 0, nil},
		{"closed within a request", []detect.Finding{event(1, c, detect.Medium), event(2, e, detect.Medium)}, 2, 0, nil},
		{"closed after it got worse", []detect.Finding{event(1, c, detect.Medium), event(2, e, detect.High)}, 1, 0, nil},
		{"comes back", []detect.Finding{event(1, c, detect.Medium), event(2, e, detect.Medium), event(3, u, detect.Medium)}, 1, 0, []string{"u medium 3"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newReceiver()
			last := test.events[len(test.events)-1]
			now := time.Unix(last.Time+60, 0)
			r.now = func() time.Time { return now.Add(test.after) }
			s := open(t, Deps{Now: func() time.Time { return now }}, r)
			for chunk := range slices.Chunk(test.events, test.batch) {
				if err := s.Send(t.Context(), chunk); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(test.want, r.firing()); diff != "" {
				t.Errorf("active alerts (-want +got):\n%s", diff)
			}
		})
	}
}

// A clock behind event time, as after a jump, makes no alert that Alertmanager
// would refuse or take for one that lies ahead.
func TestAlertOfAClockBehind(t *testing.T) {
	now := time.Unix(created-3600, 0)
	for _, f := range []detect.Finding{event(1, detect.Create, detect.Low), event(2, detect.Close, detect.Low)} {
		a := alertOf(&f, now)
		if a.StartsAt.After(now) || a.EndsAt.Before(a.StartsAt) {
			t.Errorf("%s: from %s to %s, now is %s", f.Activity, a.StartsAt, a.EndsAt, now)
		}
	}
}

// A failed post changes nothing of what is known as reported: the former
// severity ends with the next one that arrives.
func TestSeverityOverAFailure(t *testing.T) {
	r := newReceiver()
	now := time.Unix(created+60, 0)
	r.now = func() time.Time { return now }
	s := open(t, Deps{Now: r.now}, r)
	if err := s.Send(t.Context(), []detect.Finding{event(1, detect.Create, detect.Low)}); err != nil {
		t.Fatal(err)
	}
	mend := r.status(http.StatusServiceUnavailable)()
	worse := []detect.Finding{event(2, detect.Update, detect.High)}
	if err := s.Send(t.Context(), worse); err == nil {
		t.Fatal("no error from a receiver that is down")
	}
	mend()
	if err := s.Send(t.Context(), worse); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"u high 2"}, r.firing()); diff != "" {
		t.Errorf("active alerts (-want +got):\n%s", diff)
	}
}

func TestLabelsAreBounded(t *testing.T) {
	f := event(1, detect.Create, detect.High)
	f.Title, f.Message, f.Count, f.CloseReason = "title", "message", 42, detect.Quiet
	f.Scan = &detect.ScanEvidence{Shape: detect.Vertical, Hosts: 1, Ports: 120, Failed: 118, Answered: 2}
	f.Spike = &detect.SpikeEvidence{Measures: []detect.MeasureEvidence{{Measure: detect.Bytes, Observed: 9, Expected: 1.25}}}
	a := alertOf(&f, time.Unix(created, 0))
	want := map[string]string{
		"alertname": "FlowwatchScanInternal", "rule": "scan.internal", "severity": "high",
		"account": "111122223333", "vpc": "vpc-0abc", "key": "10.0.3.17", "uid": "u",
	}
	if diff := cmp.Diff(want, a.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"summary": "title", "description": "message", "occurrences": "42", "failed": "118", "observed": "9", "expected": "1.2", "event": "1",
	} {
		if got := a.Annotations[name]; got != want {
			t.Errorf("annotation %s is %q, want %q", name, got, want)
		}
	}
	if _, ok := a.Annotations["region"]; ok {
		t.Error("an annotation without a value is sent")
	}
}

// The log says once that a member fails, and once that it is back; it names
// the host and nothing else of its URL.
func TestMemberThatFails(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	up, down := newReceiver(), newReceiver()
	s := open(t, Deps{Log: zap.New(core)}, up, down)
	mend := down.status(http.StatusForbidden)()
	for range 3 {
		if err := s.Send(t.Context(), sinktest.Interleaved(1, 1)); err != nil {
			t.Fatal(err)
		}
	}
	mend()
	if err := s.Send(t.Context(), sinktest.Interleaved(1, 1)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range logs.All() {
		got = append(got, l.Message)
		if strings.Contains(fmt.Sprint(l.ContextMap()), "prefix") {
			t.Errorf("%v holds a part of the URL", l.ContextMap())
		}
	}
	want := []string{"a member of the cluster does not take alerts", "a member of the cluster takes alerts again"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if n := len(down.received()); n != 1 {
		t.Errorf("the member has %d alerts once it is back, want 1", n)
	}
}

func TestClusterRefusesOnlyTogether(t *testing.T) {
	a, b := newReceiver(), newReceiver()
	s := open(t, Deps{}, a, b)
	a.status(http.StatusBadRequest)()
	b.status(http.StatusServiceUnavailable)()
	if err := s.Send(t.Context(), sinktest.Interleaved(1, 1)); err == nil || sinks.IsPermanent(err) {
		t.Errorf("one refuses and one is down: %v, want an error that passes", err)
	}
	b.status(http.StatusBadRequest)()
	if err := s.Send(t.Context(), sinktest.Interleaved(1, 1)); !sinks.IsPermanent(err) {
		t.Errorf("both refuse: %v, want a Permanent error", err)
	}
}

func TestConfig(t *testing.T) {
	many := make([]string, 17)
	for i := range many {
		many[i] = fmt.Sprintf("http://am-%d:9093", i)
	}
	for _, test := range []struct {
		name string
		cfg  Config
		want string // "" is valid
	}{
		{"one", Config{URL: []string{"http://alertmanager:9093"}}, ""},
		{"cluster with a prefix and a password", Config{URL: []string{"https://u:p@a.example.com/am", "https://u:p@b.example.com/am"}, Timeout: time.Second}, ""},
		{"none", Config{}, "url: has 0 URLs; accepted: 1 to 16"},
		{"too many", Config{URL: many}, "url: has 17 URLs"},
		{"no scheme", Config{URL: []string{"http://a:9093", "hunter2:9093"}}, "url[1]: is no URL"},
		{"query", Config{URL: []string{"http://a:9093/?hunter2=1"}}, "url[0]: has a ?query"},
		{"twice", Config{URL: []string{"http://a:9093", "http://a:9093"}}, "url[1]: is that of url[0]"},
		{"timeout", Config{URL: []string{"http://a:9093"}, Timeout: time.Hour}, "timeout: 1h0m0s is out of range"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.cfg.Validate()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
				t.Errorf("Validate: %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v holds a part of the URL", err)
			}
		})
	}
}
