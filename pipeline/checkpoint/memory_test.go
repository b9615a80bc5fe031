package checkpoint_test

import (
	"context"
	"errors"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/flowwatch/flowwatch/pipeline/checkpoint/checkpointtest"
	"github.com/google/go-cmp/cmp"
)

func TestMemory(t *testing.T) {
	checkpointtest.Run(t, func(*testing.T) checkpointtest.Opener {
		var last *checkpoint.Memory
		return func() (checkpoint.Store, error) {
			if last == nil {
				last = checkpoint.NewMemory()
				return last, nil
			}
			next, err := last.Reopen()
			if err != nil {
				return nil, err
			}
			last = next
			return next, nil
		}
	})
}

func put(key, value string) *checkpoint.Delta {
	return &checkpoint.Delta{Puts: []checkpoint.Entry{{Key: []byte(key), Value: []byte(value)}}}
}

func TestMemoryFaults(t *testing.T) {
	f := func(fault checkpoint.Fault, applied, usable bool) {
		t.Helper()
		m := checkpoint.NewMemory()
		m.Fault = func(n int, delta *checkpoint.Delta) checkpoint.Fault {
			if n == 2 && string(delta.Puts[0].Key) == "b" {
				return fault
			}
			return checkpoint.NoFault
		}
		ctx := context.Background()
		if err := m.Append(ctx, put("a", "1")); err != nil {
			t.Fatalf("fault %d: first Append: %v", fault, err)
		}
		if err := m.Append(ctx, put("b", "2")); err == nil {
			t.Errorf("fault %d: no error", fault)
		}
		want := map[string]string{"a": "1"}
		if applied {
			want["b"] = "2"
		}
		err := m.Append(ctx, put("c", "3"))
		if usable {
			want["c"] = "3"
		}
		if (err == nil) != usable || !usable && !errors.Is(err, checkpoint.ErrCrashed) {
			t.Errorf("fault %d: the next Append: %v, usable %v", fault, err, usable)
		}
		m.Crash()
		next, err := m.Reopen()
		if err != nil {
			t.Fatalf("fault %d: reopen: %v", fault, err)
		}
		if diff := cmp.Diff(want, checkpointtest.Contents(t, next)); diff != "" {
			t.Errorf("fault %d: contents (-want +got):\n%s", fault, diff)
		}
	}
	f(checkpoint.Refuse, false, true)
	f(checkpoint.CrashBefore, false, false)
	f(checkpoint.CrashAfter, true, false)
}

func TestMemoryCountsAppendsOverReopenings(t *testing.T) {
	m := checkpoint.NewMemory()
	_ = m.Append(context.Background(), put("a", "1"))
	m.Crash()
	m, err := m.Reopen()
	if err != nil {
		t.Fatal(err)
	}
	m.Fault = func(n int, _ *checkpoint.Delta) checkpoint.Fault {
		if n != 2 {
			t.Errorf("append %d, want 2", n)
		}
		return checkpoint.NoFault
	}
	_ = m.Append(context.Background(), put("b", "2"))
	if m.Appends() != 2 {
		t.Errorf("%d Appends, want 2", m.Appends())
	}
}

// A Crash from another goroutine leaves each Append whole or absent.
func TestMemoryCrashFromOutside(t *testing.T) {
	m := checkpoint.NewMemory()
	done := make(chan int)
	started := make(chan struct{})
	go func() {
		n := 0
		for ; ; n++ {
			err := m.Append(context.Background(), put(string(rune('A'+n%26)), "x"))
			if n == 0 {
				close(started)
			}
			if err != nil {
				break
			}
		}
		done <- n
	}()
	<-started
	m.Crash()
	appended := <-done
	next, err := m.Reopen()
	if err != nil {
		t.Fatal(err)
	}
	if got := len(checkpointtest.Contents(t, next)); got != min(appended, 26) {
		t.Errorf("%d entries after %d successful Appends", got, appended)
	}
}
