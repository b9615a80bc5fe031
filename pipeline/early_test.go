package pipeline

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// keeper is an outlet that keeps what it is given and lets others wait for it.
type keeper struct {
	mu    sync.Mutex
	found []string
	more  chan struct{} // holds a token after every finding
	done  []uint64
}

func newKeeper() *keeper { return &keeper{more: make(chan struct{}, 100)} }

func (k *keeper) Name() string                 { return "keeper" }
func (k *keeper) Accepts(*detect.Finding) bool { return true }

func (k *keeper) Offer(id uint64, f *detect.Finding) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.done = append(k.done, id)
	k.found = append(k.found, strings.TrimSpace(fmt.Sprintf("%s %v %v %s", f.Rule, f.Activity, f.Confidence, f.CloseReason)))
	k.more <- struct{}{}
}

func (k *keeper) TakeDone() []uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	done := k.done
	k.done = nil
	return done
}

func (k *keeper) all() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.found...)
}

// rejects are lines of a host that tries n ports in vain.
func rejects(first, n int, start int64) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "2 111122223333 eni-1 10.0.0.9 10.0.0.1 40000 %d 6 1 44 %d %d REJECT OK\n", first+i, start, start+50)
	}
	return b.String()
}

func TestAFastScanIsFoundBeforeItsPaneCloses(t *testing.T) {
	const now = 1_700_000_100
	kept := newKeeper()
	source := newHand("a")
	b := start(t, source, func(c *Config, d *Dependencies) {
		c.Early, c.CommitEvery = true, 10*time.Millisecond
		d.Detectors = []detect.Detector{detect.NewScanInternal(detect.DefaultScanInternal(), 5*time.Minute)}
		d.Outlets = []Outlet{kept}
	})
	b.clock.set(now)
	source.parts["a"].feed("1", now, rejects(1, 10, now-60)) // nine would do at the close: wait for it
	source.parts["a"].feed("2", now, rejects(11, 10, now-50))
	<-kept.more
	if got := b.Published().PanesClosed; got != 0 {
		t.Errorf("%d panes have closed when the scan is found, want none", got)
	}
	b.finish(t)
	want := []string{"scan.internal create provisional", "scan.internal update high"}
	if diff := cmp.Diff(want, kept.all()); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestNothingIsFoundEarlyUnlessAskedForOrLongAgo(t *testing.T) {
	for name, c := range map[string]struct {
		early bool
		now   int64
	}{
		"off":                     {false, 1_700_000_100},
		"a reader that is behind": {true, 1_700_000_100 + 2*3600},
	} {
		t.Run(name, func(t *testing.T) {
			kept := newKeeper()
			source := newHand("a")
			b := start(t, source, func(cfg *Config, d *Dependencies) {
				cfg.Early = c.early
				d.Detectors = []detect.Detector{detect.NewScanInternal(detect.DefaultScanInternal(), 5*time.Minute)}
				d.Outlets = []Outlet{kept}
			})
			b.clock.set(c.now)
			source.parts["a"].feed("1", c.now, rejects(1, 20, 1_700_000_000))
			b.finish(t)
			if diff := cmp.Diff([]string{"scan.internal create high"}, kept.all()); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
