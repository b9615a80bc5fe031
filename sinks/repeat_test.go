package sinks_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/sinktest"
)

// minutely is a sink that wants open incidents repeated every minute.
type minutely struct{ *sinktest.Recorder }

func (minutely) RepeatEvery() time.Duration { return time.Minute }

// committed is what a pipeline says is open.
type committed struct {
	mu   sync.Mutex
	open []detect.Finding
}

func (c *committed) set(open ...detect.Finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = open
}

func (c *committed) all() (all []*detect.Finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.open {
		all = append(all, &c.open[i])
	}
	return all
}

func newRepeatBench(t *testing.T, cfg sinks.OutboxConfig) (*bench, *committed) {
	state := &committed{}
	b := newBenchOf(t, cfg, func(b *bench) sinks.Sink {
		b.open = state.all
		return minutely{b.sink}
	})
	return b, state
}

func seen(uid string, seq int) sinktest.Event { return sinktest.Event{UID: uid, Seq: seq} }

func TestOutboxRepeatsWhatIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, state := newRepeatBench(t, sinks.OutboxConfig{})
		low, old := event("low", 1), event("old", 0) // of an older state: only its severity is known
		low.Severity = detect.Info
		state.set(event("b", 2), event("a", 1), low, old)
		stop := b.start(t)
		time.Sleep(time.Second)
		b.wantEvents(t, seen("a", 1), seen("b", 2)) // at the start, however long it was down
		state.set(event("b", 3))
		b.offer(closed("a", 2), event("b", 3))
		time.Sleep(time.Second)
		b.wantEvents(t, seen("a", 1), seen("b", 2), seen("a", 2), seen("b", 3))
		time.Sleep(2 * time.Minute)
		b.wantEvents(t, seen("a", 1), seen("b", 2), seen("a", 2), seen("b", 3), seen("b", 3), seen("b", 3))
		state.set()
		time.Sleep(time.Hour)
		b.wantEvents(t, seen("a", 1), seen("b", 2), seen("a", 2), seen("b", 3), seen("b", 3), seen("b", 3))
		stop()
		b.wantDone(t, 1, 2)
		b.wantMetrics(t, map[string]float64{"ok": 2, "repeated": 4})
		b.wantLogs(t)
	})
}

func closed(uid string, seq int) detect.Finding {
	f := event(uid, seq)
	f.Activity, f.CloseReason = detect.Close, detect.Quiet
	return f
}

// What is queued is older than what is open, or as old: it goes first, whatever
// failed before.
func TestOutboxRepeatsAfterWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, state := newRepeatBench(t, sinks.OutboxConfig{})
		b.sink.Err = failures(3, sinktest.ErrDown)
		state.set(event("a", 3))
		b.offer(event("a", 1), event("a", 2), event("a", 3)) // restored
		stop := b.start(t)
		time.Sleep(30 * time.Second)
		stop()
		b.wantEvents(t, seen("a", 1), seen("a", 2), seen("a", 3), seen("a", 3))
	})
}

// A commit that closes an incident in the middle of a repeat follows it: the
// last that a receiver hears of an incident is that it closed.
func TestOutboxRepeatIsFollowedByTheClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, state := newRepeatBench(t, sinks.OutboxConfig{Batch: 1})
		state.set(event("a", 1), event("b", 1))
		b.sink.Err = func(context.Context, []detect.Finding) error {
			b.sink.Err = nil
			state.set()
			b.offer(closed("a", 2), closed("b", 2))
			return nil
		}
		stop := b.start(t)
		time.Sleep(10 * time.Minute)
		stop()
		b.wantEvents(t, seen("a", 1), seen("b", 1), seen("a", 2), seen("b", 2))
	})
}

func TestOutboxRepeatThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, state := newRepeatBench(t, sinks.OutboxConfig{Batch: 2})
		state.set(event("a", 1), event("b", 1), event("c", 1))
		b.sink.Err = failures(10, sinktest.ErrDown)
		stop := b.start(t)
		time.Sleep(9*time.Minute + time.Second) // 10 times: from the eighth on one finding is tried
		if n := b.sink.Sends(); n != 10 {
			t.Errorf("%d sends, want 10", n)
		}
		b.wantMetrics(t, map[string]float64{"retry": 8*2 + 2, "flowwatch_sink_circuit_open": 1})
		b.wantLogs(t, "sink fails", "again and again")
		time.Sleep(time.Minute)
		stop()
		b.wantEvents(t, seen("a", 1), seen("b", 1), seen("c", 1))
		b.wantMetrics(t, map[string]float64{"retry": 18, "repeated": 3})
		b.wantLogs(t, "takes findings again")
	})
}

// One incident that is refused doesn't keep the others from being repeated.
func TestOutboxRepeatThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, state := newRepeatBench(t, sinks.OutboxConfig{Batch: 2})
		state.set(event("a", 1), event("b", 1), event("c", 1), event("d", 1))
		b.sink.Err = func(_ context.Context, findings []detect.Finding) error {
			for i := range findings {
				if findings[i].UID == "b" {
					return sinktest.ErrRefused
				}
			}
			return nil
		}
		stop := b.start(t)
		time.Sleep(time.Second)
		stop()
		b.wantEvents(t, seen("a", 1), seen("c", 1), seen("d", 1))
		b.wantMetrics(t, map[string]float64{"repeated": 3, "permanent": 1})
	})
}

// A sink that doesn't ask for it hears each event once.
func TestOutboxRepeatsOnlyForRepeaters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sinks.OutboxConfig{})
		b.open = func() []*detect.Finding { t.Error("asked what is open"); return nil }
		stop := b.start(t)
		time.Sleep(time.Hour)
		stop()
		b.wantEvents(t)
	})
}

// A receiver that was down long enough is asked once a minute, with one
// finding, and gets everything at once when it answers.
func TestOutboxCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sinks.OutboxConfig{})
		up := time.Now().Add(time.Hour)
		var sizes []int
		var at []time.Time
		b.sink.Err = func(_ context.Context, findings []detect.Finding) error {
			sizes, at = append(sizes, len(findings)), append(at, time.Now())
			if time.Now().Before(up) {
				return sinktest.ErrDown
			}
			return nil
		}
		b.offer(event("a", 1), event("b", 1), event("c", 1))
		stop := b.start(t)
		time.Sleep(time.Hour + time.Minute)
		stop()
		for i, n := range sizes[:len(sizes)-1] {
			switch {
			case i < 8 && n != 3:
				t.Errorf("attempt %d has %d findings, want all 3", i, n)
			case i >= 8 && n != 1:
				t.Errorf("attempt %d has %d findings, want 1", i, n)
			case i >= 8 && at[i].Sub(at[i-1]) != time.Minute:
				t.Errorf("attempt %d comes %s after the one before, want 1m", i, at[i].Sub(at[i-1]))
			}
		}
		b.wantDone(t, 1, 2, 3)
		b.wantMetrics(t, map[string]float64{"ok": 3, "retry": float64(sum(sizes) - 3)})
		b.wantEvents(t, seen("a", 1), seen("b", 1), seen("c", 1))
		if n := len(sizes); sizes[n-2] != 1 || sizes[n-1] != 2 {
			t.Errorf("the last sends had %v findings, want the probe and the rest", sizes[n-2:])
		}
		b.wantLogs(t, "sink fails", "again and again", "takes findings again")
	})
}

func sum(all []int) (n int) {
	for _, i := range all {
		n += i
	}
	return n
}

// Of a Send that arrived in part only the rest goes again.
func TestOutboxPartial(t *testing.T) {
	for _, test := range []struct {
		name    string
		err     error
		fails   int // so many Sends
		want    []sinktest.Event
		metrics map[string]float64
	}{
		{
			"passes", sinktest.ErrDown, 1,
			[]sinktest.Event{seen("a", 1), seen("c", 1), seen("b", 1), seen("d", 1)},
			map[string]float64{"ok": 4, "retry": 2},
		},
		{
			"refused", sinktest.ErrRefused, 3, // the batch, then one by one
			[]sinktest.Event{seen("a", 1), seen("c", 1)},
			map[string]float64{"ok": 2, "permanent": 2},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBenchOf(t, sinks.OutboxConfig{}, func(b *bench) sinks.Sink {
					return &inPart{Recorder: b.sink, err: test.err, fails: test.fails, left: map[string]bool{"b": true, "d": true}}
				})
				b.offer(event("a", 1), event("b", 1), event("c", 1), event("d", 1))
				stop := b.start(t)
				time.Sleep(time.Minute)
				stop()
				b.wantDone(t, 1, 2, 3, 4)
				b.wantEvents(t, test.want...)
				b.wantMetrics(t, test.metrics)
			})
		})
	}
}

// inPart takes findings, but so many times not those of some incidents.
type inPart struct {
	*sinktest.Recorder
	err   error
	fails int
	left  map[string]bool // by uid
}

func (s *inPart) Send(ctx context.Context, findings []detect.Finding) error {
	var left []int
	var arrive []detect.Finding
	for i := range findings {
		if s.fails > 0 && s.left[findings[i].UID] {
			left = append(left, i)
		} else {
			arrive = append(arrive, findings[i])
		}
	}
	if err := s.Recorder.Send(ctx, arrive); err != nil || len(left) == 0 {
		return err
	}
	s.fails--
	return sinks.Partial(s.err, left)
}

func TestPartial(t *testing.T) {
	cause := errors.New("cause")
	err := sinks.Partial(sinks.Permanent(cause), []int{1})
	if !errors.Is(err, cause) || !sinks.IsPermanent(err) {
		t.Errorf("%v: the cause is lost", err)
	}
	for _, test := range []struct {
		err  error
		want int
	}{{err, 1}, {cause, 3}, {nil, 0}, {sinks.Partial(nil, []int{1}), 0}} {
		if left := sinks.Left(test.err, 3); len(left) != test.want {
			t.Errorf("%v leaves %v, want %d", test.err, left, test.want)
		}
	}
}
