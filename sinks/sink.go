// Package sinks delivers findings: one package per sink beside it, and the
// outbox that wraps any of them with a queue, retry and memory of what is
// still to be sent.
package sinks

import (
	"context"

	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// Sink sends findings somewhere. Send returns nil when all of them have
// arrived; a Permanent error when sending these again is of no use; any other
// error means that they will be sent again: all of them, or of a Partial error
// those that are left. It is called by one
// goroutine at a time.
type Sink interface {
	Name() string
	Send(ctx context.Context, findings []detect.Finding) error
}
