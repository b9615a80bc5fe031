// Package sinktest is the contract of sinks.Sink as tests that every sink must
// pass, and a sink for tests.
package sinktest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/google/go-cmp/cmp"
)

// Rig is a sink with its receiver. The sink encodes findings with Encode where
// it takes an encoder. A nil function is something that the receiver of this
// sink cannot do: what needs it is not tested.
type Rig struct {
	Sink sinks.Sink
	// Received returns what arrived whole, in order, repeats included. It
	// fails the test when something else arrived as well.
	Received func(t testing.TB) []Event

	Break  func() (mend func())                 // makes sending fail in a way that passes
	Part   func() (mend func())                 // makes the receiver take some findings of a Send and not others, in a way that passes
	Refuse func() (accept func())               // makes the receiver refuse for good
	Hang   func(reached func()) (resume func()) // makes the receiver not answer; it calls reached when a Send waits for it
}

// Run checks the contract. Every call of open must give a new sink with an
// empty receiver.
func Run(t *testing.T, open func(t *testing.T) *Rig) {
	for _, test := range []struct {
		name  string
		needs func(r *Rig) bool
		run   func(t *testing.T, r *Rig)
	}{
		{"order", nil, inOrder},
		{"nothing to send", nil, nothing},
		{"large finding", nil, large},
		{"ended before", nil, endedBefore},
		{"through an outbox", nil, throughOutbox},
		{"passing failure", func(r *Rig) bool { return r.Break != nil }, passingFailure},
		{"outbox over failures", func(r *Rig) bool { return r.Break != nil }, outboxOverFailures},
		{"arrival in part", func(r *Rig) bool { return r.Part != nil }, arrivalInPart},
		{"outbox over arrivals in part", func(r *Rig) bool { return r.Part != nil }, outboxOverParts},
		{"refused", func(r *Rig) bool { return r.Refuse != nil }, refused},
		{"ended in mid-send", func(r *Rig) bool { return r.Hang != nil }, endedInMidSend},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := open(t)
			if test.needs != nil && !test.needs(r) {
				t.Skip("this receiver cannot do that")
			}
			test.run(t, r)
		})
	}
}

// Interleaved returns the events 1 to n of some incidents in turn.
func Interleaved(incidents, n int) []detect.Finding {
	var findings []detect.Finding
	for seq := 1; seq <= n; seq++ {
		for i := range incidents {
			uid := "scan.internal/111122223333/vpc-0abc/10.0.0." + string(rune('a'+i)) + "/1795438200"
			findings = append(findings, detect.Finding{Rule: "scan.internal", UID: uid, Seq: seq, Message: "a message"})
		}
	}
	return findings
}

func wantReceived(t *testing.T, r *Rig, want []Event) {
	t.Helper()
	if diff := cmp.Diff(want, r.Received(t)); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
}

// wantInOrder wants every event at least once, those of an incident in order:
// after an event only repeats of earlier ones may come before the next.
func wantInOrder(t *testing.T, r *Rig, want []Event) {
	t.Helper()
	highest := map[string]int{}
	for _, e := range r.Received(t) {
		if e.Seq > highest[e.UID]+1 {
			t.Errorf("event %d of %s comes after event %d", e.Seq, e.UID, highest[e.UID])
		}
		highest[e.UID] = max(highest[e.UID], e.Seq)
	}
	last := map[string]int{}
	for _, e := range want {
		last[e.UID] = e.Seq
	}
	if diff := cmp.Diff(last, highest); diff != "" {
		t.Errorf("last event of each incident (-want +got):\n%s", diff)
	}
}

func inOrder(t *testing.T, r *Rig) {
	all := Interleaved(5, 20)
	for i := 0; i < len(all); i += 7 {
		if err := r.Sink.Send(t.Context(), all[i:min(i+7, len(all))]); err != nil {
			t.Fatalf("Send: %v", err)
		}
	}
	wantReceived(t, r, Events(all))
}

func nothing(t *testing.T, r *Rig) {
	if err := r.Sink.Send(t.Context(), nil); err != nil {
		t.Errorf("Send: %v", err)
	}
	wantReceived(t, r, []Event{})
	if r.Sink.Name() == "" {
		t.Error("the sink has no name")
	}
}

func large(t *testing.T, r *Rig) {
	all := Interleaved(1, 3)
	all[1].Message = strings.Repeat("0123456789 \"é\" ", 1<<16) // 1 MiB
	if err := r.Sink.Send(t.Context(), all); err != nil {
		t.Fatalf("Send: %v", err)
	}
	wantReceived(t, r, Events(all))
}

// A context that has ended before: an error, or all has arrived.
func endedBefore(t *testing.T, r *Rig) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	all := Interleaved(2, 2)
	if err := r.Sink.Send(ctx, all); err == nil {
		wantReceived(t, r, Events(all))
	} else if sinks.IsPermanent(err) {
		t.Errorf("ending is Permanent: %v", err)
	}
	if err := r.Sink.Send(t.Context(), all); err != nil {
		t.Fatalf("Send afterwards: %v", err)
	}
	wantInOrder(t, r, Events(all))
}

func passingFailure(t *testing.T, r *Rig) {
	all := Interleaved(3, 3)
	mend := r.Break()
	for range 3 {
		if err := r.Sink.Send(t.Context(), all); err == nil || sinks.IsPermanent(err) {
			t.Errorf("Send to a broken receiver: %v, want an error that passes", err)
		}
	}
	mend()
	if err := r.Sink.Send(t.Context(), all); err != nil {
		t.Fatalf("Send once it is mended: %v", err)
	}
	wantInOrder(t, r, Events(all))
}

// What the error says has arrived has, no event before another of its
// incident, and the rest completes it.
func arrivalInPart(t *testing.T, r *Rig) {
	all := Interleaved(4, 4)
	mend := r.Part()
	err := r.Sink.Send(t.Context(), all)
	mend()
	left := sinks.Left(err, len(all))
	if len(left) == 0 || len(left) == len(all) || sinks.IsPermanent(err) {
		t.Fatalf("Send that arrives in part: %v with %d of %d left, want an error that passes with some", err, len(left), len(all))
	}
	var arrived, rest []detect.Finding
	for i := range all {
		if slices.Contains(left, i) {
			rest = append(rest, all[i])
		} else {
			arrived = append(arrived, all[i])
		}
	}
	wantReceived(t, r, Events(arrived))
	if err := r.Sink.Send(t.Context(), rest); err != nil {
		t.Fatalf("Send of the rest: %v", err)
	}
	wantReceived(t, r, Events(append(arrived, rest...)))
	wantInOrder(t, r, Events(all))
}

// Over an outbox nothing comes twice that arrived at first.
func outboxOverParts(t *testing.T, r *Rig) {
	all := Interleaved(4, 15)
	drain(t, &breaking{Sink: r.Sink, fail: r.Part}, all)
	wantInOrder(t, r, Events(all))
	if got := len(r.Received(t)); got != len(all) {
		t.Errorf("%d events arrived, want each of the %d once", got, len(all))
	}
}

func refused(t *testing.T, r *Rig) {
	all := Interleaved(1, 2)
	accept := r.Refuse()
	if err := r.Sink.Send(t.Context(), all[:1]); !sinks.IsPermanent(err) {
		t.Errorf("Send to a receiver that refuses: %v, want a Permanent error", err)
	}
	accept()
	if err := r.Sink.Send(t.Context(), all[1:]); err != nil {
		t.Fatalf("Send once it accepts: %v", err)
	}
	wantReceived(t, r, Events(all[1:]))
}

// The end of the context ends a Send whose receiver has the request and does
// not answer.
func endedInMidSend(t *testing.T, r *Rig) {
	waits := make(chan struct{}, 1)
	resume := r.Hang(func() {
		select {
		case waits <- struct{}{}:
		default: // a sink may ask several receivers
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- r.Sink.Send(ctx, Interleaved(1, 1)) }()
	select {
	case <-waits:
	case err := <-result:
		t.Fatalf("Send to a receiver that does not answer returns %v", err)
	}
	cancel()
	select {
	case err := <-result:
		if !errors.Is(err, context.Canceled) || sinks.IsPermanent(err) { // and not its own timeout
			t.Errorf("Send: %v, want an error that passes and is the end of the context", err)
		}
	case <-time.After(30 * time.Second): // a hang, not a measurement
		t.Fatal("Send does not return")
	}
	resume()
	if err := r.Sink.Send(t.Context(), Interleaved(1, 1)); err != nil {
		t.Errorf("Send afterwards: %v", err)
	}
	wantInOrder(t, r, Events(Interleaved(1, 1)))
}

// drain offers findings to an outbox over sink and runs it until they are out.
func drain(t *testing.T, sink sinks.Sink, findings []detect.Finding) {
	t.Helper()
	o := sinks.NewOutbox(sink, sinks.OutboxConfig{
		Batch: 7, MaxBackoff: time.Millisecond, Grace: time.Minute,
	}, sinks.OutboxDeps{})
	entries := make([]sinks.Entry, len(findings))
	ids := make([]uint64, len(findings))
	for i := range findings {
		ids[i] = uint64(i + 1)
		entries[i] = sinks.Entry{ID: ids[i], Finding: findings[i]}
	}
	o.Offer(entries)
	ended, cancel := context.WithCancel(t.Context())
	cancel() // Run sends what is queued, and returns
	if err := o.Run(ended); err != nil {
		t.Errorf("Run: %v", err)
	}
	if diff := cmp.Diff(ids, o.TakeDone()); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
}

func throughOutbox(t *testing.T, r *Rig) {
	all := Interleaved(4, 15)
	drain(t, r.Sink, all)
	wantReceived(t, r, Events(all))
}

func outboxOverFailures(t *testing.T, r *Rig) {
	all := Interleaved(4, 15)
	drain(t, &breaking{Sink: r.Sink, fail: r.Break}, all)
	wantInOrder(t, r, Events(all))
}

// breaking breaks its receiver before each second Send and mends it after the
// Send has failed.
type breaking struct {
	sinks.Sink
	fail  func() (mend func())
	sends int
}

func (b *breaking) Send(ctx context.Context, findings []detect.Finding) error {
	b.sends++
	if b.sends%2 == 1 {
		defer b.fail()()
	}
	return b.Sink.Send(ctx, findings)
}
