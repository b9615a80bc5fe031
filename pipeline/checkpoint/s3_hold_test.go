package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// holding opens the store over a wire and closes nothing.
func holding(t *testing.T, w *wire) *S3 {
	t.Helper()
	s, err := openBucket(t.Context(), &faultsConfig, w, usualPace, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.size = smallSegment
	return s
}

// smallSegment makes bases due by kilobytes.
const smallSegment = 8 << 10

func mustPut(t *testing.T, s *S3, key, value string) {
	t.Helper()
	if err := s.Append(t.Context(), putOne(key, value)); err != nil {
		t.Fatal(err)
	}
}

func putOne(key, value string) *Delta {
	return &Delta{Puts: []Entry{{Key: []byte(key), Value: []byte(value)}}}
}

func wantOnly(t *testing.T, s *S3, want ...string) {
	t.Helper()
	got := contents(t, s)
	for _, key := range want {
		if _, ok := got[key]; !ok {
			t.Errorf("%s is not there", key)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d keys, want %q alone", len(got), want)
	}
}

func TestS3IsTakenAtOnceWhenItWasClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket, began := newMemoryBucket(), time.Now()
		for i := range 3 {
			s := holding(t, &wire{memoryBucket: bucket})
			mustPut(t, s, fmt.Sprint(i), "x")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %s", waited)
		}
	})
}

func TestS3OfADeadHolderIsTakenAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := newMemoryBucket()
		first := holding(t, &wire{memoryBucket: bucket})
		mustPut(t, first, "first", "x")
		kill(first)
		began := time.Now()
		second := holding(t, &wire{memoryBucket: bucket})
		defer kill(second)
		if waited := time.Since(began); waited != usualPace.takeOver {
			t.Errorf("waited %s, want %s", waited, usualPace.takeOver)
		}
		wantOnly(t, second, "first")
	})
}

// A holder that commits nothing is no dead one.
func TestS3OfALivingHolderIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := newMemoryBucket()
		first := holding(t, &wire{memoryBucket: bucket})
		mustPut(t, first, "first", "x")
		for _, idle := range []time.Duration{0, time.Minute, time.Hour} {
			time.Sleep(idle)
			began := time.Now()
			_, err := openBucket(t.Context(), &faultsConfig, &wire{memoryBucket: bucket}, usualPace, nil)
			if !errors.Is(err, ErrInUse) {
				t.Fatalf("after %s: %v, want ErrInUse", idle, err)
			}
			for _, want := range []string{"s3://state-bucket/flowwatch", fmt.Sprintf("in use by process %d on host ", os.Getpid()), "opened it at 2000-"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not contain %q", err, want)
				}
			}
			if waited, most := time.Since(began), usualPace.renew+usualPace.watch; waited > most {
				t.Errorf("after %s: noticed after %s, want at most %s", idle, waited, most)
			}
		}
		mustPut(t, first, "second", "x") // it was not disturbed
		wantOnly(t, first, "first", "second")
		if err := first.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A holder that was taken for dead and comes back can commit nothing, and says
// who has the store now.
func TestS3HolderThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := newMemoryBucket()
		wire1 := &wire{memoryBucket: bucket}
		first := holding(t, wire1)
		mustPut(t, first, "first", "x")
		wire1.setCut(true)
		second := holding(t, &wire{memoryBucket: bucket})
		defer kill(second)
		mustPut(t, second, "second", "x")
		wire1.setCut(false)
		for range 2 {
			err := first.Append(t.Context(), putOne("stale", "x"))
			if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), second.self.String()) {
				t.Errorf("the former holder's Append: %v, want ErrInUse that names the new holder", err)
			}
		}
		wantOnly(t, second, "first", "second")
		if err := first.Close(); err != nil {
			t.Errorf("the former holder's Close: %v", err)
		}
		if err := first.Append(t.Context(), putOne("stale", "x")); !errors.Is(err, ErrClosed) {
			t.Errorf("Append after Close: %v, want ErrClosed", err)
		}
	})
}

// A renewal that gets no answer holds up nobody longer than they want to wait.
func TestS3CommitBesideARenewalWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := &wire{memoryBucket: newMemoryBucket()}
		s := holding(t, wire)
		wire.setCut(true)
		time.Sleep(usualPace.renew + time.Millisecond)
		synctest.Wait() // the renewal waits for its next try
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			began := time.Now()
			if err := s.Append(ctx, putOne("lost", "x")); err == nil || time.Since(began) > time.Second {
				t.Errorf("after %v: %v, want an error within 1s", time.Since(began), err)
			}
			cancel()
		}
		wire.setCut(false)
		mustPut(t, s, "first", "x")
		wantOnly(t, s, "first")
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Of two that wait for a dead holder's store one gets it.
func TestS3OfADeadHolderIsTakenByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := newMemoryBucket()
		first := holding(t, &wire{memoryBucket: bucket})
		kill(first)
		results := make(chan error, 2)
		for range 2 {
			go func() {
				s, err := openBucket(context.Background(), &faultsConfig, &wire{memoryBucket: bucket}, usualPace, nil)
				if err == nil {
					kill(s)
				}
				results <- err
			}()
		}
		one, other := <-results, <-results
		if one == nil {
			one, other = other, one
		}
		if !errors.Is(one, ErrInUse) || other != nil {
			t.Errorf("two openers get %v and %v, want ErrInUse and none", one, other)
		}
	})
}

// The hold is renewed over a time without network that is shorter than another
// would wait.
func TestS3HoldSurvivesAShortOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := newMemoryBucket()
		w := &wire{memoryBucket: bucket}
		first := holding(t, w)
		defer kill(first)
		w.setCut(true)
		time.Sleep(25 * time.Second)
		w.setCut(false)
		if _, err := openBucket(t.Context(), &faultsConfig, &wire{memoryBucket: bucket}, usualPace, nil); !errors.Is(err, ErrInUse) {
			t.Errorf("got %v, want ErrInUse", err)
		}
		mustPut(t, first, "first", "x")
	})
}

func TestS3PointerThatSomebodyDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := newMemoryBucket()
		s := holding(t, &wire{memoryBucket: bucket})
		defer kill(s)
		mustPut(t, s, "first", "x")
		pointer := bucket.objects["flowwatch/pointer.json"]
		delete(bucket.objects, "flowwatch/pointer.json")
		if err := s.Append(t.Context(), putOne("second", "x")); err == nil || !strings.Contains(err.Error(), "somebody has deleted it") {
			t.Errorf("got %v", err)
		}
		bucket.objects["flowwatch/pointer.json"] = pointer // its delete marker was deleted
		mustPut(t, s, "second", "x")
		wantOnly(t, s, "first", "second")
	})
}
