package sinks

import (
	"errors"
	"time"
)

// RetryAfter marks an error of Send that passes with the time that the
// receiver asks for before the next attempt. RetryAfter(nil, d) is nil.
func RetryAfter(err error, wait time.Duration) error {
	if err == nil || wait <= 0 {
		return err
	}
	return retryAfterError{err, wait}
}

// longestRetryAfter bounds what a receiver may ask for: one that names a day
// by mistake must not silence a sink for a day.
const longestRetryAfter = time.Hour

// retryAfter returns how long the receiver asks to wait, at most
// longestRetryAfter; 0 when it asks for nothing.
func retryAfter(err error) time.Duration {
	var r retryAfterError
	if errors.As(err, &r) {
		return min(r.wait, longestRetryAfter)
	}
	return 0
}

type retryAfterError struct {
	error
	wait time.Duration
}

func (r retryAfterError) Unwrap() error { return r.error }
