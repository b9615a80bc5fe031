package eventbridge

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/sinktest"
)

// bus is a local server of PutEvents (AWS JSON 1.1), with its limits.
type bus struct {
	mu       sync.Mutex
	events   []sinktest.Event
	entries  []entry
	requests int
	fails    map[string]string                            // error code by the suffix of a uid
	answer   func(w http.ResponseWriter, r *http.Request) // in the place of all that
}

type entry struct {
	EventBusName, Source, DetailType, Detail string
	Time                                     float64
}

type result struct {
	EventID      string `json:"EventId,omitempty"`
	ErrorCode    string `json:"ErrorCode,omitempty"`
	ErrorMessage string `json:"ErrorMessage,omitempty"`
}

func (b *bus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	answer := b.answer
	b.requests++
	b.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	if r.Header.Get("X-Amz-Target") != "AWSEvents.PutEvents" || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		awsError(w, "UnknownOperationException")
		return
	}
	var in struct{ Entries []entry }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		awsError(w, "SerializationException")
		return
	}
	size := 0
	for _, e := range in.Entries {
		size += 14 + len(e.Source) + len(e.DetailType) + len(e.Detail)
	}
	if len(in.Entries) == 0 || len(in.Entries) > 10 || size >= 256<<10 {
		awsError(w, "ValidationException")
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out := struct {
		FailedEntryCount int
		Entries          []result
	}{}
	for _, e := range in.Entries {
		var event sinktest.Event
		if err := json.Unmarshal([]byte(e.Detail), &event); err != nil || e.Source == "" || e.DetailType == "" {
			out.Entries = append(out.Entries, result{ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed."})
			out.FailedEntryCount++
			continue
		}
		if code := b.code(event.UID); code != "" {
			out.Entries = append(out.Entries, result{ErrorCode: code, ErrorMessage: "the reason"})
			out.FailedEntryCount++
			continue
		}
		b.events = append(b.events, event)
		b.entries = append(b.entries, e)
		out.Entries = append(out.Entries, result{EventID: "id"})
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(out)
}

// code is what an event of an incident fails with.
func (b *bus) code(uid string) string {
	for part, code := range b.fails {
		if strings.Contains(uid, part) {
			return code
		}
	}
	return ""
}

func awsError(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	status := http.StatusBadRequest
	if code == "InternalException" {
		status = http.StatusInternalServerError
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": "the reason"})
}

func (b *bus) set(answer func(http.ResponseWriter, *http.Request)) func() func() {
	return func() func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.answer = answer
		return func() { b.mu.Lock(); defer b.mu.Unlock(); b.answer = nil }
	}
}

func (b *bus) code400(code string) func() func() {
	return b.set(func(w http.ResponseWriter, _ *http.Request) { awsError(w, code) })
}

// fail makes events of incidents fail.
func (b *bus) fail(fails map[string]string) (mend func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails = fails
	return func() { b.mu.Lock(); defer b.mu.Unlock(); b.fails = nil }
}

func (b *bus) received() []sinktest.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]sinktest.Event{}, b.events...)
}

func open(t *testing.T, b *bus, encode sinks.Encode) *Sink {
	t.Helper()
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	cfg := Config{Region: "eu-central-1", Endpoint: server.URL}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := New(cfg, Deps{Encode: encode})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSinkContract(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) *sinktest.Rig {
		b := &bus{}
		return &sinktest.Rig{
			Sink:     open(t, b, sinktest.Encode),
			Received: func(testing.TB) []sinktest.Event { return b.received() },
			Break:    b.code400("ThrottlingException"),
			Part: func() func() {
				return b.fail(map[string]string{"10.0.0.b": "ThrottlingException", "10.0.0.d": "InternalFailure"})
			},
			Refuse: b.code400("ValidationException"),
			Hang:   func(reached func()) func() { return b.set(sinktest.Hang(reached))() },
		}
	})
}

// What a call fails with decides whether the findings are given up.
func TestCallErrors(t *testing.T) {
	for code, permanent := range map[string]bool{
		"ValidationException": true, "InvalidArgument": true,
		"AccessDeniedException": false, "ResourceNotFoundException": false, "ExpiredTokenException": false,
		"ThrottlingException": false, "InternalException": false,
	} {
		b := &bus{}
		s := open(t, b, sinktest.Encode)
		b.code400(code)()
		if err := s.Send(t.Context(), sinktest.Interleaved(1, 1)); err == nil || sinks.IsPermanent(err) != permanent || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: %v, want permanent %v", code, err, permanent)
		}
	}
}

// One event that is refused, and what fails for a while, keep back nothing but
// later events of the same incidents.
func TestEntryErrors(t *testing.T) {
	b := &bus{}
	s := open(t, b, sinktest.Encode)
	mend := b.fail(map[string]string{"10.0.0.a": "MalformedDetail", "10.0.0.c": "ThrottlingException"})
	all := sinktest.Interleaved(4, 2) // a b c d a b c d
	err := s.Send(t.Context(), all)
	if diff := cmp.Diff([]int{0, 2, 4, 6}, sinks.Left(err, len(all))); diff != "" || sinks.IsPermanent(err) {
		t.Errorf("%v, left (-want +got):\n%s", err, diff)
	}
	mend()
	b.fail(map[string]string{"10.0.0.a": "MalformedDetail"})
	err = s.Send(t.Context(), []detect.Finding{all[0], all[2], all[4], all[6]})
	if diff := cmp.Diff([]int{0, 2}, sinks.Left(err, 4)); diff != "" || !sinks.IsPermanent(err) {
		t.Errorf("%v, want a Permanent error; left (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff(sinktest.Events([]detect.Finding{all[1], all[3], all[5], all[7], all[2], all[6]}), b.received()); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
}

// Requests hold as many events as PutEvents takes, by number and by size, and
// one of each incident.
func TestRequests(t *testing.T) {
	sized := func(bytes int) sinks.Encode {
		return func(f *detect.Finding, _ time.Time) ([]byte, error) {
			b, err := sinktest.Encode(f, time.Time{})
			return append(b, strings.Repeat(" ", max(0, bytes-len(b)))...), err
		}
	}
	const overhead = timeBytes + len(source) + len(detailType)
	for _, test := range []struct {
		name     string
		findings []detect.Finding
		encode   sinks.Encode
		want     int // requests
	}{
		{"ten incidents", sinktest.Interleaved(10, 1), sinktest.Encode, 1},
		{"eleven incidents", sinktest.Interleaved(11, 1), sinktest.Encode, 2},
		{"three events of one", sinktest.Interleaved(1, 3), sinktest.Encode, 3},
		{"two that fill a request", sinktest.Interleaved(2, 1), sized((256<<10)/2 - overhead - 1), 1},
		{"two that are a byte too large", sinktest.Interleaved(2, 1), sized((256<<10)/2 - overhead), 2},
		{"one that fills a request", sinktest.Interleaved(1, 1), sized(256<<10 - 1 - overhead), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &bus{}
			if err := open(t, b, test.encode).Send(t.Context(), test.findings); err != nil {
				t.Fatal(err)
			}
			if b.requests != test.want || len(b.received()) != len(test.findings) {
				t.Errorf("%d requests with %d events, want %d with %d", b.requests, len(b.received()), test.want, len(test.findings))
			}
		})
	}
	b := &bus{}
	err := open(t, b, sized(256<<10-overhead)).Send(t.Context(), sinktest.Interleaved(1, 1))
	if !sinks.IsPermanent(err) || b.requests != 0 {
		t.Errorf("one that is a byte too large: %v with %d requests, want a Permanent error without any", err, b.requests)
	}
}

func TestEntry(t *testing.T) {
	b := &bus{}
	f := sinktest.Interleaved(1, 1)
	f[0].Time = 1_795_438_500
	if err := open(t, b, sinktest.Encode).Send(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	want := entry{EventBusName: "default", Source: "flowwatch", DetailType: "flowwatch finding", Detail: b.entries[0].Detail, Time: 1_795_438_500}
	if diff := cmp.Diff(want, b.entries[0]); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
}

func TestConfig(t *testing.T) {
	const bus = "arn:aws:events:eu-central-1:111122223333:event-bus/findings"
	for _, test := range []struct {
		name, want string // "" is valid
		cfg        Config
		region     string
	}{
		{"nothing", "", Config{}, ""},
		{"name", "", Config{Bus: "findings", Region: "eu-west-1"}, "eu-west-1"},
		{"arn", "", Config{Bus: bus}, "eu-central-1"},
		{"arn and its region", "", Config{Bus: bus, Region: "eu-central-1"}, "eu-central-1"},
		{"arn and another region", "region: \"eu-west-1\" is not that of the bus", Config{Bus: bus, Region: "eu-west-1"}, "eu-west-1"},
		{"blank", "bus: \"a b\" is no event bus", Config{Bus: "a b"}, ""},
		{"arn of a rule", "bus: \"arn:aws:events:eu-central-1:111122223333:rule/x\" is no event bus", Config{Bus: "arn:aws:events:eu-central-1:111122223333:rule/x"}, "eu-central-1"},
		{"endpoint", "endpoint: is no endpoint", Config{Endpoint: "http://user:pass@127.0.0.1"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.cfg.Validate()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
				t.Errorf("Validate: %v, want %q", err, test.want)
			}
			if got := test.cfg.region(); got != test.region {
				t.Errorf("region %q, want %q", got, test.region)
			}
		})
	}
}
