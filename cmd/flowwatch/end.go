package main

import (
	"context"
	"fmt"
	"time"
)

// stopWithin is how long draining and committing may take in all. Each step of
// it has a bound of its own, which come to 20 s where the state is in a file; this
// one is for what hangs all the same, and is below the 60 s after which ECS kills a
// container that says nothing.
const stopWithin = 55 * time.Second

// endWithin returns what f does, but waits for it no longer than limit after
// ctx has ended. f may still run then: the process should end.
func endWithin(ctx context.Context, limit time.Duration, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("not ended %s after it was told to; what was read since the last commit is read again by the next start", limit)
	}
}
