package sinktest

import (
	"context"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// The suite accepts the sink for tests, with all that a receiver can do.
func TestRecorder(t *testing.T) {
	Run(t, func(*testing.T) *Rig {
		r := &Recorder{}
		set := func(err func(ctx context.Context) error) func() func() {
			return func() func() {
				r.Err = func(ctx context.Context, _ []detect.Finding) error { return err(ctx) }
				return func() { r.Err = nil }
			}
		}
		return &Rig{
			Sink:     r,
			Received: func(testing.TB) []Event { return r.Events() },
			Break:    set(func(context.Context) error { return ErrDown }),
			Refuse:   set(func(context.Context) error { return ErrRefused }),
			Hang: func(reached func()) func() {
				return set(func(ctx context.Context) error {
					reached()
					<-ctx.Done()
					return ctx.Err()
				})()
			},
		}
	})
}
