package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// funcSource is a source by its Run.
type funcSource struct {
	name string
	run  func(ctx context.Context, host Host) error
}

func (s *funcSource) Name() string                             { return s.name }
func (s *funcSource) Run(ctx context.Context, host Host) error { return stopped(ctx, s.run(ctx, host)) }

// at is v2 at another time.
func at(sec int64) string {
	return strings.Replace(strings.Replace(v2, "1700000000", fmt.Sprint(sec), 1), "1700000050", fmt.Sprint(sec+50), 1)
}

// newPipeline is a pipeline that a test runs itself; store may be nil.
func newPipeline(t *testing.T, store checkpoint.Store, o ...option) *Pipeline {
	t.Helper()
	cfg := Config{IdleAfter: 2 * time.Minute, CommitEvery: time.Hour}
	d := Dependencies{Log: zap.NewNop(), Clock: func() time.Time { return time.Unix(1_700_100_000, 0) }, Plan: testPlan(t), Store: store,
		Enricher: enrich.New([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil)}
	for _, f := range o {
		f(&cfg, &d)
	}
	p, err := New(t.Context(), cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newPart(id string) *handPartition {
	return &handPartition{id: id, pull: true, batches: make(chan Batch)}
}

func TestNoPaneClosesBeforeEverySourceHasAnnouncedItsRoots(t *testing.T) {
	p := newPipeline(t, nil)
	const T = 1_700_000_000
	one := make(chan struct{})
	a, b := newPart("a/1"), newPart("b/1")
	sa := &funcSource{"a", func(ctx context.Context, h Host) error {
		err := h.Register(ctx, []Start{{ID: "a/1", Pull: true, Watermark: time.Unix(T-900, 0)}})
		close(one)
		return errors.Join(err, h.Work(ctx, a))
	}}
	sb := &funcSource{"b", func(ctx context.Context, h Host) error {
		<-one
		err := h.Register(ctx, []Start{{ID: "b/1", Pull: true, Watermark: time.Unix(T-7200-900, 0)}})
		return errors.Join(err, h.Work(ctx, b))
	}}
	done := make(chan error, 1)
	go func() {
		done <- p.Run(t.Context(), Input{Source: sa, Lateness: 15 * time.Minute}, Input{Source: sb, Lateness: 15 * time.Minute})
	}()
	b.send(Batch{Payloads: []Payload{{Data: []byte(at(T - 7200)), Position: Position("1")}}})
	close(b.batches)
	close(a.batches)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := p.Published().Late; got != 0 {
		t.Errorf("late %d, want 0", got)
	}
}

func TestShardsMergeWhileCatchingUp(t *testing.T) {
	p := newPipeline(t, nil)
	const T = 1_700_000_000
	a, b, c := newPart("k/a"), newPart("k/b"), newPart("k/c")
	src := &funcSource{"k", func(ctx context.Context, h Host) error {
		if err := h.Register(ctx, []Start{{ID: "k/a", Pull: true}, {ID: "k/b", Pull: true}}); err != nil {
			return err
		}
		errs := make(chan error, 2)
		go func() { errs <- h.Work(ctx, parent{a}) }()
		go func() { errs <- h.Work(ctx, parent{b}) }()
		if err := errors.Join(<-errs, <-errs); err != nil {
			return err
		}
		if err := h.Register(ctx, []Start{{ID: "k/c", Pull: true, Parents: []string{"k/a", "k/b"}}}); err != nil {
			return err
		}
		return h.Work(ctx, c)
	}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx, Input{Source: src, Lateness: 15 * time.Minute}) }()
	a.feed("1", T+60, at(T))
	b.feed("1", T+60, at(T))
	close(a.batches) // idle since T, closed at T+3h by the merge
	go func() {
		for i := int64(1); i <= 6; i++ {
			b.feed(Position(fmt.Sprint(i+1)), T+1800*i+60, at(T+1800*i))
		}
		close(b.batches)
		close(c.batches)
	}()
	if err := within(t, done); err != nil {
		t.Fatal(err)
	}
}

// parent is a partition that the child k/c follows.
type parent struct{ *handPartition }

func (p parent) Children() []Start {
	return []Start{{ID: "k/c", Pull: true, Parents: []string{"k/a", "k/b"}}}
}

func TestASourceThatLeftTheConfigurationHoldsNothing(t *testing.T) {
	store := &worldStore{entries: map[string][]byte{}}
	source := newHand("a")
	b := start(t, source, withStore(store))
	source.parts["a"].feed("1", 1_700_000_100, v2)
	b.stop()
	if err := <-b.done; err != nil {
		t.Fatal(err)
	}

	p := newPipeline(t, store)
	n := newPart("new/1")
	src := &funcSource{"new", func(ctx context.Context, h Host) error {
		if err := h.Register(ctx, []Start{{ID: "new/1", Pull: true}}); err != nil {
			return err
		}
		return h.Work(ctx, n)
	}}
	done := make(chan error, 1)
	go func() { done <- p.Run(t.Context(), Input{Source: src, Lateness: 15 * time.Minute}) }()
	go func() {
		for i := int64(0); i <= 6; i++ {
			n.feed(Position(fmt.Sprint(i+1)), 1_700_000_000+1800*i+60, at(1_700_000_000+1800*i))
		}
		close(n.batches)
	}()
	if err := within(t, done); err != nil {
		t.Fatal(err)
	}
}

func TestWhatComesAfterTheEndOfAllIsNotLate(t *testing.T) {
	store := &worldStore{entries: map[string][]byte{}}
	source := newHand("a")
	b := start(t, source, withStore(store))
	source.parts["a"].feed("1", 1_700_000_100, v2)
	b.finish(t)
	again := newHand("b")
	b = start(t, again, withStore(store))
	again.parts["b"].feed("1", 1_700_050_100, at(1_700_050_000))
	got := b.finish(t)
	if got.Late != 0 || got.PanesClosed != 2 {
		t.Errorf("late %d, panes %d; want 0 and 2", got.Late, got.PanesClosed)
	}
}

func TestStoppingWhileCommitsFail(t *testing.T) {
	store := &failingStore{worldStore: worldStore{entries: map[string][]byte{}}}
	source := newHand("a")
	b := start(t, source, withStore(store), func(c *Config, _ *Dependencies) { c.CommitEvery = 100 * time.Millisecond })
	part := source.parts["a"]
	part.feed("1", 1_700_000_100, v2)
	store.fail(errors.New("no space left on device"))
	<-store.failed
	<-store.failed
	part.send(Batch{Payloads: []Payload{{Data: []byte(v2), Position: Position("2"), Arrival: time.Unix(1_700_000_100, 0)}}})
	b.stop()
	if err := within(t, b.done); err == nil {
		t.Error("a run whose last commit failed ends without an error")
	}
}

func TestAFieldTooLongForAKeyStopsNothing(t *testing.T) {
	store, err := checkpoint.OpenFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	source := newHand("a")
	b := start(t, source, withStore(store))
	source.parts["a"].feed("1", 1_700_000_100, strings.Replace(v2, "eni-1", "eni-"+strings.Repeat("x", 40_000), 1))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := b.commit(ctx); err != nil {
		t.Errorf("commit: %v", err)
	}
}

func TestCountersStopAtTheGreatestNumber(t *testing.T) {
	source := newHand("a")
	b := start(t, source)
	source.parts["a"].feed("1", 1_700_000_100, strings.Replace(v2, " 180 ", " 9223372036854775807 ", 1))
	source.parts["a"].feed("2", 1_700_000_100, v2)
	got := b.finish(t)
	for _, s := range got.Views[0].Counters {
		if s.Values[1] < 0 {
			t.Errorf("%v: bytes %d", s.Labels, s.Values[1])
		}
	}
}

func TestIncidentsOfAChangedRuleAreForgotten(t *testing.T) {
	store := &worldStore{entries: map[string][]byte{}}
	withRule := func(v string) option {
		return func(_ *Config, d *Dependencies) { d.Detectors = []detect.Detector{&versioned{newRecorder(), v}} }
	}
	source := newHand("a")
	b := start(t, source, withStore(store), withRule("1"))
	source.parts["a"].feed("1", 1_700_000_100, v2)
	source.parts["a"].feed("2", 1_700_010_100, at(1_700_010_000))
	b.stop()
	if err := <-b.done; err != nil {
		t.Fatal(err)
	}
	t.Logf("open before: %v", b.Published().Open)
	p := newPipeline(t, store, withRule("2"))
	if got := p.Published().Open; len(got) != 0 {
		t.Errorf("open incidents of a rule that starts empty: %v", got)
	}
}

type versioned struct {
	*recorder
	v string
}

func (v *versioned) Version() string { return v.v }

func TestTheLastPositionIsAcknowledged(t *testing.T) {
	source := newHand("a")
	b := start(t, source, withStore(&worldStore{entries: map[string][]byte{}}))
	part := source.parts["a"]
	part.feed("7", 1_700_000_100, v2)
	b.finish(t)
	if part.committed != "7" {
		t.Errorf("after the run %q is acknowledged, want 7", part.committed)
	}
}

func TestStoppingBeforeAllHaveRegistered(t *testing.T) {
	p := newPipeline(t, nil)
	a := newPart("a/1")
	sa := &funcSource{"a", func(ctx context.Context, h Host) error {
		if err := h.Register(ctx, []Start{{ID: "a/1", Pull: true}}); err != nil {
			return err
		}
		return h.Work(ctx, a)
	}}
	sb := &funcSource{"b", func(ctx context.Context, h Host) error { <-ctx.Done(); return nil }}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx, Input{Source: sa}, Input{Source: sb}) }()
	a.send(Batch{Payloads: []Payload{{Data: []byte(v2), Position: Position("1")}}})
	cancel()
	if err := within(t, done); err != nil {
		t.Fatal(err)
	}
}

func TestASourceThatEndsWithoutRegisteringHoldsNothing(t *testing.T) {
	p := newPipeline(t, nil)
	a := newPart("a/1")
	sa := &funcSource{"a", func(ctx context.Context, h Host) error {
		if err := h.Register(ctx, []Start{{ID: "a/1", Pull: true}}); err != nil {
			return err
		}
		return h.Work(ctx, a)
	}}
	sb := &funcSource{"b", func(ctx context.Context, h Host) error { return nil }}
	done := make(chan error, 1)
	go func() { done <- p.Run(t.Context(), Input{Source: sa}, Input{Source: sb}) }()
	a.send(Batch{Payloads: []Payload{{Data: []byte(v2), Position: Position("1")}}})
	close(a.batches)
	if err := within(t, done); err != nil {
		t.Fatal(err)
	}
}

// within waits for the end of a run; one that hangs fails.
func within(t *testing.T, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("the run hangs")
		return nil
	}
}

// takenStore is a store that another process has taken over.
type takenStore struct{ checkpoint.Store }

func (takenStore) Append(context.Context, *checkpoint.Delta) error {
	return fmt.Errorf("append: %w by process 7 on host other", checkpoint.ErrInUse)
}

// No try can help when another process holds the store: the run ends and says
// who does.
func TestRunEndsWhenAnotherProcessTookTheStore(t *testing.T) {
	p := newPipeline(t, takenStore{checkpoint.NewMemory()}, func(c *Config, _ *Dependencies) { c.CommitEvery = time.Millisecond })
	part := newPart("k/a")
	source := &funcSource{"k", func(ctx context.Context, h Host) error {
		if err := h.Register(ctx, []Start{{ID: "k/a", Pull: true}}); err != nil {
			return err
		}
		return h.Work(ctx, part)
	}}
	done := make(chan error, 1)
	go func() { done <- p.Run(t.Context(), Input{Source: source, Lateness: 15 * time.Minute}) }()
	if err := within(t, done); !errors.Is(err, checkpoint.ErrInUse) || !strings.Contains(err.Error(), "process 7 on host other") {
		t.Errorf("the run ends with %v, want ErrInUse that names the holder", err)
	}
}

// A store that does not answer holds a process that is to end no longer than it
// was told.
func TestTheLastCommitGivesUp(t *testing.T) {
	for _, c := range []struct{ given, want time.Duration }{{0, 4 * time.Second}, {15 * time.Second, 15 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			p := newPipeline(t, silentStore{checkpoint.NewMemory()}, func(cfg *Config, _ *Dependencies) { cfg.LastCommit = c.given })
			began := time.Now()
			err := p.Commit(context.Background())
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != c.want {
				t.Errorf("with a limit of %v it gives up after %v: %v; want %v", c.given, took, err, c.want)
			}
		})
	}
}

// silentStore answers no Append.
type silentStore struct{ checkpoint.Store }

func (silentStore) Append(ctx context.Context, _ *checkpoint.Delta) error {
	<-ctx.Done()
	return ctx.Err()
}
