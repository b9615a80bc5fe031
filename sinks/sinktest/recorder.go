package sinktest

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
)

// Event is what identifies a finding at the receiver.
type Event struct {
	UID string `json:"uid"`
	Seq int    `json:"seq"`
}

// Encode is a sinks.Encode that writes an Event with the finding's message.
func Encode(f *detect.Finding, _ time.Time) ([]byte, error) {
	return json.Marshal(struct {
		Event
		Message string `json:"message"`
	}{Event{f.UID, f.Seq}, f.Message})
}

// Recorder is a sink that keeps what it gets. The zero value is ready.
type Recorder struct {
	// Err, when set, is asked before a Send takes anything; what it returns is
	// the Send's error. It may block until ctx ends.
	Err func(ctx context.Context, findings []detect.Finding) error

	mu       sync.Mutex
	findings []detect.Finding
	sends    int
	busy     bool
}

// Name implements sinks.Sink.
func (r *Recorder) Name() string { return "recorder" }

// Send implements sinks.Sink. It panics when another Send is under way.
func (r *Recorder) Send(ctx context.Context, findings []detect.Finding) error {
	r.mu.Lock()
	if r.busy {
		panic("sinktest: two Sends at a time")
	}
	r.busy = true
	r.sends++
	r.mu.Unlock()
	err := ctx.Err()
	if err == nil && r.Err != nil {
		err = r.Err(ctx, findings)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = false
	if err == nil {
		r.findings = append(r.findings, findings...)
	}
	return err
}

// Sends returns how many Sends there were.
func (r *Recorder) Sends() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sends
}

// Events returns what was received, in order.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Events(r.findings)
}

// Events returns what identifies each finding.
func Events(findings []detect.Finding) []Event {
	events := make([]Event, len(findings))
	for i := range findings {
		events[i] = Event{findings[i].UID, findings[i].Seq}
	}
	return events
}

// ErrDown is an error that passes; ErrRefused is Permanent.
var (
	ErrDown    = errors.New("receiver is down")
	ErrRefused = sinks.Permanent(errors.New("receiver refuses it"))
)
