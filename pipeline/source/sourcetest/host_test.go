package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline"
)

// memory is an input of lists, and a source of them that keeps the contract.
// A list may continue another.
type memory struct {
	mu    sync.Mutex
	lists map[string]*list
	more  chan struct{} // closed when something is added
}

type list struct {
	payloads [][]byte
	closed   bool
	child    string
	parent   string
}

func (m *memory) Name() string { return "memory" }

func (m *memory) Run(ctx context.Context, host pipeline.Host) error {
	err := m.run(ctx, host)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (m *memory) run(ctx context.Context, host pipeline.Host) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resumed := host.Resume(m.Name())
	m.mu.Lock()
	var starts []pipeline.Start
	for id, l := range m.lists {
		if _, known := resumed[id]; !known && l.parent == "" {
			starts = append(starts, pipeline.Start{ID: id, At: "0"})
		}
	}
	m.mu.Unlock()
	if err := host.Register(ctx, starts); err != nil {
		return err
	}
	for _, start := range starts {
		resumed[start.ID] = pipeline.Resumed{Position: start.At}
	}
	var wait sync.WaitGroup
	errs := make(chan error, len(resumed))
	for id, was := range resumed {
		wait.Go(func() {
			if err := m.follow(ctx, host, id, was); err != nil {
				errs <- err
				cancel()
			}
		})
	}
	wait.Wait()
	close(errs)
	return <-errs
}

// follow reads a list and what continues it, one after the other.
func (m *memory) follow(ctx context.Context, host pipeline.Host, id string, was pipeline.Resumed) error {
	for {
		next, err := strconv.Atoi(string(was.Position))
		if err != nil {
			return fmt.Errorf("list %s: position %q", id, was.Position)
		}
		children := was.Children
		if !was.Ended {
			reader := &memoryReader{memory: m, id: id, next: next}
			if err := host.Work(ctx, reader); err != nil {
				return err
			}
			children = reader.Children()
		}
		if len(children) == 0 {
			return nil
		}
		id, was = children[0].ID, pipeline.Resumed{Position: "0"}
		if _, known := host.Resume(m.Name())[id]; known {
			return nil // another goroutine follows it
		}
		if err := host.Register(ctx, children); err != nil {
			return err
		}
	}
}

type memoryReader struct {
	*memory
	id   string
	next int
}

func (r *memoryReader) ID() string                  { return r.id }
func (r *memoryReader) Committed(pipeline.Position) {}

func (r *memoryReader) Children() []pipeline.Start {
	r.mu.Lock()
	defer r.mu.Unlock()
	if child := r.lists[r.id].child; child != "" {
		return []pipeline.Start{{ID: child, At: "0", Parents: []string{r.id}}}
	}
	return nil
}

// Next returns two payloads at most.
func (r *memoryReader) Next(ctx context.Context) (pipeline.Batch, error) {
	r.mu.Lock()
	l, more := r.lists[r.id], r.more
	var batch pipeline.Batch
	for range min(2, len(l.payloads)-r.next) {
		batch.Payloads = append(batch.Payloads, pipeline.Payload{
			Data: l.payloads[r.next], Position: pipeline.Position(strconv.Itoa(r.next + 1))})
		r.next++
	}
	ended := l.closed && len(batch.Payloads) == 0
	r.mu.Unlock()
	switch {
	case ended:
		return batch, io.EOF
	case len(batch.Payloads) > 0:
		return batch, ctx.Err()
	}
	select {
	case <-more:
		return batch, nil
	case <-ctx.Done():
		return batch, ctx.Err()
	}
}

func (m *memory) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
	close(m.more)
	m.more = make(chan struct{})
}

func openMemory(*testing.T) Input {
	m := &memory{lists: map[string]*list{"memory/0": {}, "memory/1": {}}, more: make(chan struct{})}
	lanes := []string{"memory/0", "memory/1"}
	return Input{
		Source: func(*testing.T) pipeline.Source { return m },
		Lanes:  len(lanes),
		Put: func(_ *testing.T, lane int, payloads ...[]byte) {
			m.change(func() {
				l := m.lists[lanes[lane]]
				l.payloads = append(l.payloads, payloads...)
			})
		},
		Split: func(_ *testing.T, lane int) {
			m.change(func() {
				parent, child := lanes[lane], lanes[lane]+"+"
				m.lists[parent].closed, m.lists[parent].child = true, child
				m.lists[child] = &list{parent: parent}
				lanes[lane] = child
			})
		},
		Finish: func(*testing.T) {
			m.change(func() {
				for _, l := range m.lists {
					l.closed = true
				}
			})
		},
	}
}

func TestSuitePasses(t *testing.T) {
	Run(t, Harness{Open: openMemory})
}

// recorder is a test that only takes note of its failures.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper()                           {}
func (r *recorder) Error(args ...any)                 { r.failures = append(r.failures, fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) { r.Error(fmt.Sprintf(format, args...)) }

// breach is a source that does one thing against the contract.
type breach func(context.Context, pipeline.Host) error

func (breach) Name() string                                        { return "breach" }
func (b breach) Run(ctx context.Context, host pipeline.Host) error { return b(ctx, host) }

// scripted is a partition with one batch.
type scripted struct {
	id    string
	batch pipeline.Batch
	read  bool
}

func (s *scripted) ID() string                  { return s.id }
func (s *scripted) Committed(pipeline.Position) {}
func (s *scripted) Children() []pipeline.Start  { return nil }
func (s *scripted) Next(context.Context) (pipeline.Batch, error) {
	if s.read {
		return pipeline.Batch{}, io.EOF
	}
	s.read = true
	return s.batch, nil
}

func TestHostNoticesBreaches(t *testing.T) {
	f := func(want string, do breach) {
		t.Helper()
		notes := &recorder{TB: t}
		_ = NewHost(notes, nil).Run(do, nil) // the error is the source's business
		if !slices.ContainsFunc(notes.failures, func(got string) bool { return strings.Contains(got, want) }) {
			t.Errorf("got %q, want %q", notes.failures, want)
		}
	}
	register := func(ctx context.Context, host pipeline.Host, id string, parents ...string) error {
		return host.Register(ctx, []pipeline.Start{{ID: id, At: "0", Parents: parents}})
	}
	f("without being registered", func(ctx context.Context, host pipeline.Host) error {
		return host.Work(ctx, &scripted{id: "breach/a"})
	})
	f("must begin with", func(ctx context.Context, host pipeline.Host) error {
		return register(ctx, host, "other/a")
	})
	f("before its parent", func(ctx context.Context, host pipeline.Host) error {
		return errors.Join(register(ctx, host, "breach/a"), register(ctx, host, "breach/b", "breach/a"))
	})
	f("after its end", func(ctx context.Context, host pipeline.Host) error {
		return errors.Join(register(ctx, host, "breach/a"),
			host.Work(ctx, &scripted{id: "breach/a"}), host.Work(ctx, &scripted{id: "breach/a"}))
	})
	f("claims to be idle", func(ctx context.Context, host pipeline.Host) error {
		batch := pipeline.Batch{Idle: true, Payloads: []pipeline.Payload{{Position: pipeline.Position("1")}}}
		return errors.Join(register(ctx, host, "breach/a"), host.Work(ctx, &scripted{id: "breach/a", batch: batch}))
	})
	f(`position "0" follows position "0"`, func(ctx context.Context, host pipeline.Host) error {
		batch := pipeline.Batch{Payloads: []pipeline.Payload{{Position: pipeline.Position("0")}}}
		return errors.Join(register(ctx, host, "breach/a"), host.Work(ctx, &scripted{id: "breach/a", batch: batch}))
	})
	f("the source's name is", func(_ context.Context, host pipeline.Host) error {
		host.Resume("somebody")
		return nil
	})
}

func TestCheckOrderNotices(t *testing.T) {
	in := Input{Lanes: 1}
	f := func(fails bool, payloads ...string) {
		t.Helper()
		var deliveries []Delivery
		for _, p := range payloads {
			deliveries = append(deliveries, Delivery{Data: []byte(p)})
		}
		notes := &recorder{TB: t}
		checkOrder(notes, in, deliveries, 3)
		if got := len(notes.failures) > 0; got != fails {
			t.Errorf("%q: %q", payloads, notes.failures)
		}
	}
	f(false, "0/0", "0/1", "0/2")
	f(true, "0/0", "0/1")
	f(true, "0/0", "0/1", "0/1", "0/2")
	f(true, "0/0", "0/2", "0/1")
	f(true, "0/0", "0/1", "0/2", "junk")
}
