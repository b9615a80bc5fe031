package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// However long it runs, what a start has to read stays bounded, and what is in
// the bucket is what the pointer names.
func TestS3BasesBoundTheDeltas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := newMemoryBucket()
		s := holding(t, &wire{memoryBucket: bucket})
		defer kill(s)
		random := strings.Repeat("0123456789abcdef", 16)
		want := map[string]bool{}
		for i := range 300 {
			key := fmt.Sprintf("key/%03d", i%100)
			want[key] = true
			mustPut(t, s, key, random)
			now, _ := s.current()
			if len(now.Deltas) > rebaseDeltas {
				t.Fatalf("%d deltas after %d commits", len(now.Deltas), i+1)
			}
			if got, most := len(bucket.objects), 1+len(now.segments()); got != most {
				t.Fatalf("%d objects after %d commits, the pointer names %d", got, i+1, most)
			}
		}
		now, _ := s.current()
		if len(now.Base) < 2 || now.Commits != 300 {
			t.Errorf("a base of %d segments after %d commits; want several, of 300", len(now.Base), now.Commits)
		}
		wantOnly(t, s, slices.Collect(maps.Keys(want))...)
	})
}

// The last commit of a process does not wait for a new base.
func TestS3HurriedCommitWritesNoBase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := holding(t, &wire{memoryBucket: newMemoryBucket()})
		defer kill(s)
		for i := range rebaseDeltas {
			mustPut(t, s, fmt.Sprint(i), "x")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		if err := s.Append(ctx, putOne("last", "x")); err != nil {
			t.Fatal(err)
		}
		if now, _ := s.current(); len(now.Deltas) != rebaseDeltas+1 {
			t.Errorf("%d deltas, want %d", len(now.Deltas), rebaseDeltas+1)
		}
		mustPut(t, s, "more", "x")
		if now, _ := s.current(); len(now.Deltas) != 1 {
			t.Errorf("%d deltas after the next commit, want its own alone", len(now.Deltas))
		}
	})
}

// A lifecycle rule that expires what is old must not meet what is in use.
func TestS3OldBaseIsWrittenAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := newMemoryBucket()
		s := holding(t, &wire{memoryBucket: bucket})
		defer kill(s)
		mustPut(t, s, "first", "x")
		before, _ := s.current()
		time.Sleep(rebaseAge + time.Second)
		mustPut(t, s, "second", "x")
		for _, old := range before.segments() {
			if _, there := bucket.objects["flowwatch/"+old.Key]; there {
				t.Errorf("%s is still there", old.Key)
			}
		}
		wantOnly(t, s, "first", "second")
	})
}

// Any damage is an error that names the object, and never a wrong answer.
func TestS3Damaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := newMemoryBucket()
		s := holding(t, &wire{memoryBucket: bucket})
		mustPut(t, s, "first", strings.Repeat("x", smallSegment+1))
		mustPut(t, s, "second", "y") // after a base of the first
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		now, _ := s.current()
		if len(now.Base) != 1 || len(now.Deltas) != 1 {
			t.Fatalf("%d segments of the base and %d deltas, want one of each", len(now.Base), len(now.Deltas))
		}
		for key, good := range maps.Clone(bucket.objects) {
			for name, damage := range map[string]func(b []byte) []byte{
				"a byte":    func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
				"the end":   func(b []byte) []byte { return b[:len(b)-1] },
				"all":       func([]byte) []byte { return nil },
				"more":      func(b []byte) []byte { return append(b, b...) },
				"something": func([]byte) []byte { return []byte("not what a store writes") },
			} {
				bucket.objects[key] = object{damage(bytes.Clone(good.body)), "damaged"}
				if err := openAndLoad(t, bucket); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), strings.TrimPrefix(key, "flowwatch/")) {
					t.Errorf("%s of %s: %v, want ErrDamaged that names it", name, key, err)
				}
			}
			bucket.objects[key] = good
		}
		for _, lost := range now.segments() {
			good := bucket.objects["flowwatch/"+lost.Key]
			delete(bucket.objects, "flowwatch/"+lost.Key)
			if err := openAndLoad(t, bucket); err == nil || !strings.Contains(err.Error(), lost.Key+": it is missing") {
				t.Errorf("without %s: %v", lost.Key, err)
			}
			bucket.objects["flowwatch/"+lost.Key] = good
		}
		if err := openAndLoad(t, bucket); err != nil {
			t.Errorf("undamaged: %v", err)
		}
	})
}

func openAndLoad(t *testing.T, bucket *memoryBucket) error {
	t.Helper()
	s, err := openBucket(t.Context(), &faultsConfig, &wire{memoryBucket: bucket}, usualPace, nil)
	if err != nil {
		return err
	}
	err = s.Load(t.Context(), func(_, _ []byte) error { return nil })
	return errors.Join(err, s.Close())
}

// A pointer of a later format is not guessed at.
func TestS3PointerOfAnotherFormat(t *testing.T) {
	_, err := decodePointer([]byte(`{"format":"2","sha256":"","pointer":{}}`))
	if err == nil || !strings.Contains(err.Error(), `has format "2", this version of flowwatch reads "1"`) {
		t.Errorf("got %v", err)
	}
}

// Without the permission to delete, the pointer does not grow for ever.
func TestS3WithoutThePermissionToDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := holding(t, &wire{memoryBucket: newMemoryBucket()})
		defer kill(s)
		s.bucket = keeping{s.bucket}
		for i := range maxUnwanted {
			s.forget([]segment{{Key: fmt.Sprintf("former/%d", i)}})
		}
		for i := range 3 * rebaseDeltas {
			mustPut(t, s, fmt.Sprint(i%10), "x")
		}
		if now, _ := s.current(); len(now.Unwanted) > maxUnwanted+rebaseDeltas+1 {
			t.Errorf("%d objects are remembered", len(now.Unwanted))
		}
	})
}

// keeping is a bucket that refuses to delete.
type keeping struct{ bucket }

func (keeping) remove(context.Context, string) error { return errDenied }
