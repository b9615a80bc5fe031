package file

import (
	"context"
	"sync"
)

// turns lets a bounded number of files read at one moment. A free turn goes to
// the file that is least far in event time: it is the one that the others will
// have to wait for.
type turns struct {
	mu      sync.Mutex
	free    int
	waiting []*turn
}

type turn struct {
	rank    int64
	granted chan struct{}
}

// acquire waits for a turn; the lowest rank goes first.
func (t *turns) acquire(ctx context.Context, rank int64) error {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return nil
	}
	w := &turn{rank, make(chan struct{})}
	t.waiting = append(t.waiting, w)
	t.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
		t.withdraw(w)
		return ctx.Err()
	}
}

func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	least := -1
	for i, w := range t.waiting {
		if least < 0 || w.rank < t.waiting[least].rank {
			least = i
		}
	}
	if least < 0 {
		t.free++
		return
	}
	close(t.waiting[least].granted)
	t.remove(least)
}

// withdraw takes back a request, or hands on the turn that was granted while
// it was being withdrawn.
func (t *turns) withdraw(w *turn) {
	t.mu.Lock()
	for i := range t.waiting {
		if t.waiting[i] == w {
			t.remove(i)
			t.mu.Unlock()
			return
		}
	}
	t.mu.Unlock()
	t.release()
}

func (t *turns) remove(i int) {
	last := len(t.waiting) - 1
	t.waiting[i] = t.waiting[last]
	t.waiting[last] = nil
	t.waiting = t.waiting[:last]
}
