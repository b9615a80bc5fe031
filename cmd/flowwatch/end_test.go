package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/source/firehose"
)

// The steps of ending come one after the other, and each has its bound: whatever
// hangs, a process whose state is in a file has ended 20 s after SIGTERM, and one
// with a bucket before it is made to.
func TestTheStepsOfEndingAddUp(t *testing.T) {
	f := func(state string, lastCommit, most time.Duration) {
		t.Helper()
		// Sources end; then a commit; then the sinks; then a commit of what these
		// are done with; then the endpoints.
		if sum := firehose.StopTime + lastCommit + sinkGrace + lastCommit + shutdownGrace; sum >= most {
			t.Errorf("with its state in a %s, ending takes up to %s, want less than %s", state, sum, most)
		}
	}
	f("file", fileLastCommit, 20*time.Second)
	f("bucket", bucketLastCommit, stopWithin)
}

func TestEndWithin(t *testing.T) {
	failed := errors.New("failed")
	f := func(name string, tell, takes, wantAfter time.Duration, want string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), tell)
			defer cancel()
			began := time.Now()
			err := endWithin(ctx, time.Minute, func() error {
				time.Sleep(takes)
				return failed
			})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %q", name, err, want)
			}
			if after := time.Since(began); after != wantAfter {
				t.Errorf("%s: returned after %s, want %s", name, after, wantAfter)
			}
			time.Sleep(takes) // f ends too
		})
	}
	f("ends by itself", 24*time.Hour, time.Hour, time.Hour, "failed")
	f("ends when told", time.Hour, time.Hour+30*time.Second, time.Hour+30*time.Second, "failed")
	f("hangs", time.Hour, 2*time.Hour, time.Hour+time.Minute, "not ended 1m0s after it was told to")
}
