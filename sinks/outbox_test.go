package sinks_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/sinktest"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// bench is an outbox over a recorder, with all that can be seen of it.
type bench struct {
	*sinks.Outbox
	sink     *sinktest.Recorder
	registry *prometheus.Registry
	logs     *observer.ObservedLogs
	nextID   uint64
	open     func() []*detect.Finding // committed, for a sink that repeats
}

func newBench(t *testing.T, cfg sinks.OutboxConfig) *bench {
	t.Helper()
	return newBenchOf(t, cfg, func(b *bench) sinks.Sink { return b.sink })
}

func newBenchOf(t *testing.T, cfg sinks.OutboxConfig, wrap func(b *bench) sinks.Sink) *bench {
	t.Helper()
	b := &bench{sink: &sinktest.Recorder{}, registry: prometheus.NewRegistry()}
	metrics, err := sinks.NewMetrics(b.registry)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	b.logs = logs
	b.Outbox = sinks.NewOutbox(wrap(b), cfg, sinks.OutboxDeps{Logger: zap.New(core), Metrics: metrics, Open: func() []*detect.Finding { return b.open() }})
	return b
}

// event is a finding of rule "r".
func event(uid string, seq int) detect.Finding {
	return detect.Finding{Rule: "r", UID: uid, Seq: seq, Severity: detect.High}
}

// offer gives the findings the next IDs.
func (b *bench) offer(findings ...detect.Finding) {
	entries := make([]sinks.Entry, len(findings))
	for i := range findings {
		b.nextID++
		entries[i] = sinks.Entry{ID: b.nextID, Finding: findings[i]}
	}
	b.Offer(entries)
}

// start runs the outbox; stop ends it and waits for Run to return.
func (b *bench) start(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func (b *bench) wantDone(t *testing.T, ids ...uint64) {
	t.Helper()
	if diff := cmp.Diff(ids, b.TakeDone()); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
}

func (b *bench) wantEvents(t *testing.T, events ...sinktest.Event) {
	t.Helper()
	if diff := cmp.Diff(append([]sinktest.Event{}, events...), b.sink.Events()); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
}

// wantMetrics takes values of outcomes, and of "findings" for the gauge.
func (b *bench) wantMetrics(t *testing.T, want map[string]float64) {
	t.Helper()
	got := map[string]float64{}
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name, value := strings.TrimPrefix(family.GetName(), "flowwatch_outbox_"), m.GetGauge().GetValue()
			for _, label := range m.GetLabel() {
				if label.GetName() == "outcome" {
					name, value = label.GetValue(), m.GetCounter().GetValue()
				}
			}
			if value != 0 {
				got[name] = value
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func (b *bench) wantLogs(t *testing.T, messages ...string) {
	t.Helper()
	got := []string{}
	for _, entry := range b.logs.TakeAll() {
		got = append(got, entry.Message)
	}
	if len(got) != len(messages) {
		t.Fatalf("logs %q, want %q", got, messages)
	}
	for i := range got {
		if !strings.Contains(got[i], messages[i]) {
			t.Errorf("log %q, want one with %q", got[i], messages[i])
		}
	}
}

func TestOutboxAccepts(t *testing.T) {
	f := func(cfg sinks.OutboxConfig, rule string, severity detect.Severity, want bool) {
		t.Helper()
		o := sinks.NewOutbox(&sinktest.Recorder{}, cfg, sinks.OutboxDeps{})
		if got := o.Accepts(&detect.Finding{Rule: rule, Severity: severity}); got != want {
			t.Errorf("%+v: rule %s, severity %s: %v, want %v", cfg, rule, severity, got, want)
		}
	}
	f(sinks.OutboxConfig{}, "spike", detect.Info, false)
	f(sinks.OutboxConfig{}, "spike", detect.Low, true)
	f(sinks.OutboxConfig{MinSeverity: detect.Info}, "spike", detect.Info, true)
	f(sinks.OutboxConfig{MinSeverity: detect.High}, "spike", detect.Medium, false)
	f(sinks.OutboxConfig{MinSeverity: detect.High}, "spike", detect.Critical, true)
	only := sinks.OutboxConfig{Rules: []string{"spike", "scan.internal"}}
	f(only, "scan.internal", detect.Low, true)
	f(only, "scan.external", detect.Critical, false)
	f(only, "spike", detect.Info, false)
}

func TestOutboxDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sinks.OutboxConfig{Batch: 2})
		if b.Name() != "recorder" {
			t.Errorf("name %q", b.Name())
		}
		b.offer(event("a", 1), event("b", 1), event("a", 2)) // before Run
		stop := b.start(t)
		synctest.Wait()
		b.wantEvents(t, sinktest.Event{UID: "a", Seq: 1}, sinktest.Event{UID: "b", Seq: 1}, sinktest.Event{UID: "a", Seq: 2})
		b.wantDone(t, 1, 2, 3)
		b.wantDone(t)
		b.offer()
		b.offer(event("a", 3)) // while Run waits
		synctest.Wait()
		b.wantDone(t, 4)
		stop()
		if b.sink.Sends() != 3 || b.Len() != 0 {
			t.Errorf("%d sends, %d left; want 3, 0", b.sink.Sends(), b.Len())
		}
		b.wantMetrics(t, map[string]float64{"ok": 4})
		b.wantLogs(t)
	})
}

// failures makes the next n Sends fail with err.
func failures(n int, err error) func(context.Context, []detect.Finding) error {
	return func(context.Context, []detect.Finding) error {
		if n == 0 {
			return nil
		}
		n--
		return err
	}
}

func TestOutboxBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sinks.OutboxConfig{MaxBackoff: 4 * time.Second})
		var at []time.Duration
		began := time.Now()
		b.sink.Err = func(context.Context, []detect.Finding) error {
			at = append(at, time.Since(began))
			if len(at) <= 10 {
				return sinktest.ErrDown
			}
			return nil
		}
		b.offer(event("a", 1), event("a", 2))
		stop := b.start(t)
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		b.wantDone(t, 1, 2)
		// From the eighth failure on the circuit is open: a finding at a time.
		b.wantMetrics(t, map[string]float64{"ok": 2, "retry": 8*2 + 2*1})
		b.wantLogs(t, "sink fails", "again and again", "takes findings again")
		if len(at) != 12 { // the second finding follows at once
			t.Fatalf("%d attempts, want 12", len(at))
		}
		if at[11] != at[10] {
			t.Errorf("the second finding follows %s after the first was taken, want at once", at[11]-at[10])
		}
		at = at[:11]
		base := 500 * time.Millisecond
		distinct := map[time.Duration]bool{}
		for i := 1; i < len(at); i++ {
			pause := at[i] - at[i-1]
			low, high := base/2, min(base*3/2+1, 4*time.Second)
			if pause < low || pause > high {
				t.Errorf("pause %d is %s, want %s to %s", i, pause, low, high)
			}
			distinct[pause] = true
			base = min(2*base, 4*time.Second)
		}
		if len(distinct) < 4 {
			t.Errorf("pauses %v have no jitter", distinct)
		}
	})
}

// A Send that gets its time is ended then, and is a failure that passes.
func TestOutboxTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sinks.OutboxConfig{Timeout: 3 * time.Second})
		began := time.Now()
		slow := true
		b.sink.Err = func(ctx context.Context, _ []detect.Finding) error {
			if !slow {
				return nil
			}
			slow = false
			<-ctx.Done()
			if took := time.Since(began); took != 3*time.Second {
				t.Errorf("the Send had %s, want 3 s", took)
			}
			return ctx.Err()
		}
		b.offer(event("a", 1))
		stop := b.start(t)
		time.Sleep(10 * time.Second)
		stop()
		b.wantDone(t, 1)
		b.wantMetrics(t, map[string]float64{"ok": 1, "retry": 1})
	})
}

// Of a batch that is refused only what is refused by itself is given up.
func TestOutboxIsolatesWhatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sinks.OutboxConfig{})
		down := true
		b.sink.Err = func(_ context.Context, findings []detect.Finding) error {
			for _, f := range findings {
				if f.UID == "bad" {
					return sinktest.ErrRefused
				}
			}
			if down && len(findings) == 1 { // isolated ones are retried as well
				down = false
				return sinktest.ErrDown
			}
			return nil
		}
		b.offer(event("a", 1), event("bad", 1), event("a", 2), event("bad", 2), event("b", 1))
		stop := b.start(t)
		time.Sleep(5 * time.Second)
		b.offer(event("c", 1), event("c", 2)) // a batch again
		synctest.Wait()
		stop()
		b.wantEvents(t, sinktest.Event{UID: "a", Seq: 1}, sinktest.Event{UID: "a", Seq: 2}, sinktest.Event{UID: "b", Seq: 1},
			sinktest.Event{UID: "c", Seq: 1}, sinktest.Event{UID: "c", Seq: 2})
		b.wantDone(t, 1, 2, 3, 4, 5, 6, 7)
		b.wantMetrics(t, map[string]float64{"ok": 5, "permanent": 2, "retry": 1})
		b.wantLogs(t, "sink fails", "takes findings again", "refuses a finding", "refuses a finding")
		if n := b.sink.Sends(); n != 8 { // a batch, five and a retry, a batch
			t.Errorf("%d sends, want 8", n)
		}
	})
}

// While a sink is down the queue fills: newer events of an incident take the
// place of older ones, then the oldest go; what is being sent stays.
func TestOutboxOverflows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sinks.OutboxConfig{Capacity: 3, Batch: 1})
		b.sink.Err = failures(1, sinktest.ErrDown)
		b.offer(event("a", 1))
		stop := b.start(t)
		synctest.Wait() // a/1 has failed and waits
		b.offer(event("a", 2), event("b", 1), event("c", 1))
		b.wantMetrics(t, map[string]float64{"retry": 1, "findings": 4})
		b.offer(event("b", 2)) // takes the place of b/1
		b.wantDone(t, 3)
		b.offer(event("b", 3), event("d", 1), event("e", 1)) // a/2, then b/3 go
		b.wantDone(t, 2, 5, 6)
		b.wantMetrics(t, map[string]float64{"retry": 1, "findings": 4, "replaced": 2, "dropped": 2})
		time.Sleep(time.Second)
		synctest.Wait()
		b.wantEvents(t, sinktest.Event{UID: "a", Seq: 1}, sinktest.Event{UID: "c", Seq: 1}, sinktest.Event{UID: "d", Seq: 1}, sinktest.Event{UID: "e", Seq: 1})
		b.wantDone(t, 1, 4, 7, 8)
		b.wantLogs(t, "sink fails", "outbox is full", "takes findings again")
		stop()
		b.wantMetrics(t, map[string]float64{"ok": 4, "retry": 1, "replaced": 2, "dropped": 2})
	})
}

// The end cuts a pause short, and what is queued is still sent.
func TestOutboxDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sinks.OutboxConfig{Batch: 1, Grace: 5 * time.Second})
		down := true
		b.sink.Err = func(context.Context, []detect.Finding) error {
			if down {
				return sinktest.ErrDown
			}
			return nil
		}
		b.offer(event("a", 1), event("a", 2), event("b", 1))
		stop := b.start(t)
		time.Sleep(10 * time.Minute) // now a pause is about a minute
		synctest.Wait()
		down = false
		ending := time.Now()
		stop()
		if took := time.Since(ending); took != 0 {
			t.Errorf("ending took %s, want nothing", took)
		}
		b.wantDone(t, 1, 2, 3)
	})
}

func TestOutboxEndsThoughTheSinkIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sinks.OutboxConfig{Grace: 5 * time.Second})
		b.sink.Err = failures(1<<30, sinktest.ErrDown)
		b.offer(event("a", 1), event("a", 2))
		stop := b.start(t)
		time.Sleep(10 * time.Minute)
		before, ending := b.sink.Sends(), time.Now()
		stop()
		if took := time.Since(ending); took != 5*time.Second {
			t.Errorf("ending took %s, want 5 s", took)
		}
		if n := b.sink.Sends() - before; n < 2 {
			t.Errorf("%d attempts within the grace time, want some", n)
		}
		b.wantDone(t)
		b.wantLogs(t, "sink fails", "again and again", "not delivered")
		if b.Len() != 2 {
			t.Errorf("%d left, want 2", b.Len())
		}
	})
}

// A Send under way when the end comes may use the grace time.
func TestOutboxLetsASendFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sinks.OutboxConfig{Grace: 5 * time.Second})
		b.sink.Err = func(ctx context.Context, _ []detect.Finding) error {
			select {
			case <-time.After(4 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		b.offer(event("a", 1))
		stop := b.start(t)
		synctest.Wait()
		stop()
		b.wantDone(t, 1)
	})
}

// A Send that ignores its context is left behind.
func TestOutboxEndsThoughASendHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sinks.OutboxConfig{Grace: 5 * time.Second, Timeout: time.Second})
		release := make(chan struct{})
		b.sink.Err = func(context.Context, []detect.Finding) error {
			<-release
			return nil
		}
		b.offer(event("a", 1))
		stop := b.start(t)
		time.Sleep(time.Hour)
		if n := b.sink.Sends(); n != 1 {
			t.Errorf("%d sends at a time, want 1", n)
		}
		ending := time.Now()
		stop()
		if took := time.Since(ending); took != 5*time.Second {
			t.Errorf("ending took %s, want 5 s", took)
		}
		b.wantDone(t)
		close(release)
	})
}

func TestOutboxRunEndsWhenEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sinks.OutboxConfig{})
		stop := b.start(t)
		synctest.Wait()
		began := time.Now()
		stop()
		if took := time.Since(began); took != 0 || b.sink.Sends() != 0 {
			t.Errorf("ending took %s and %d sends, want none", took, b.sink.Sends())
		}
		b.wantLogs(t)
	})
}

func TestPermanent(t *testing.T) {
	cause := errors.New("cause")
	err := sinks.Permanent(cause)
	if !sinks.IsPermanent(err) || !errors.Is(err, cause) || err.Error() != "cause" {
		t.Errorf("Permanent(cause) = %v", err)
	}
	if wrapped := errors.Join(errors.New("other"), err); !sinks.IsPermanent(wrapped) {
		t.Errorf("%v is not Permanent", wrapped)
	}
	if sinks.IsPermanent(cause) || sinks.IsPermanent(nil) || sinks.Permanent(nil) != nil {
		t.Error("what was not marked is Permanent")
	}
}

func TestMetrics(t *testing.T) {
	b := newBench(t, sinks.OutboxConfig{})
	problems, err := testutil.GatherAndLint(b.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	if n, err := testutil.GatherAndCount(b.registry, "flowwatch_sink_sends_total", "flowwatch_outbox_findings", "flowwatch_sink_circuit_open"); err != nil || n != 8 {
		t.Errorf("%d series before anything happened, %v; want 8", n, err)
	}
	if _, err := sinks.NewMetrics(b.registry); err == nil {
		t.Error("registering twice is no error")
	}
}

func TestOutboxConfigValidate(t *testing.T) {
	if err := (&sinks.OutboxConfig{}).Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	bad := sinks.OutboxConfig{Capacity: -1, Batch: -1, Timeout: -1, MaxBackoff: -1, Grace: -1}
	err := bad.Validate()
	for _, key := range []string{"capacity", "batch", "timeout", "max_backoff", "grace"} {
		if err == nil || !strings.Contains(err.Error(), key+": ") {
			t.Errorf("error %v does not name %s", err, key)
		}
	}
}
