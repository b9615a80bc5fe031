package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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
