package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline"
)

// Delivery is one payload that a host took.
type Delivery struct {
	Partition string
	Data      []byte // a copy
	Position  pipeline.Position
	Arrival   time.Time
}

// Host is a pipeline that commits after every payload. It outlives the runs of
// a source: a later Run resumes where the one before was stopped, even in the
// middle of a batch. What a source does against the contract fails the test.
//
// Safe for concurrent use.
type Host struct {
	t   testing.TB
	now func() time.Time

	mu         sync.Mutex // guards everything below
	source     string
	partitions map[string]*partition
	deliveries []Delivery
	runs       int
	stopped    bool // the run is over: nothing is recorded any more
	returned   bool // the last run's Run has returned
	until      func(*Progress) bool
	stop       context.CancelFunc
	changed    chan struct{} // closed at every change of progress
}

type partition struct {
	pipeline.Resumed
	start   pipeline.Start
	working int // the run that reads it, 0 none
}

// NewHost returns a host of which nothing is committed. A nil clock is
// time.Now.
func NewHost(t testing.TB, now func() time.Time) *Host {
	if now == nil {
		now = time.Now
	}
	return &Host{t: t, now: now, partitions: map[string]*partition{}, changed: make(chan struct{})}
}

// Progress is what a host has so far. It is valid inside the call that gets it.
type Progress struct {
	Deliveries []Delivery // of all runs, in the order in which they were taken
	Registered int        // partitions
	Ended      int        // partitions
	Idle       bool       // the last batch said so
}

// Run runs a source until it returns by itself, the test's context ends, or
// until (nil: never) says so after a change of progress; then whatever comes
// is ignored as after a crash, and the source is interrupted. It returns the
// source's error.
func (h *Host) Run(source pipeline.Source, until func(*Progress) bool) error {
	ctx, stop := context.WithCancel(h.t.Context())
	defer stop()
	h.mu.Lock()
	h.runs++
	h.source, h.until, h.stop = source.Name(), until, stop
	h.stopped, h.returned = false, false
	h.mu.Unlock()
	err := source.Run(ctx, h)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped, h.returned = true, true
	h.tell(false)
	for id, p := range h.partitions {
		if p.working == h.runs {
			h.t.Errorf("Run returned while partition %s was still worked on", id)
		}
	}
	return err
}

// Deliveries are what was taken in all runs.
func (h *Host) Deliveries() []Delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.deliveries)
}

// Resumed is the committed state of every partition.
func (h *Host) Resumed() map[string]pipeline.Resumed {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.resumed()
}

// Starts are the announcements of all partitions, by ID.
func (h *Host) Starts() map[string]pipeline.Start {
	h.mu.Lock()
	defer h.mu.Unlock()
	starts := make(map[string]pipeline.Start, len(h.partitions))
	for id, p := range h.partitions {
		starts[id] = p.start
	}
	return starts
}

// Overwrite replaces the committed position of every partition.
func (h *Host) Overwrite(with pipeline.Position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.partitions {
		p.Position = with
	}
}

// Await waits, in the first run, until ready says so after a change of
// progress. It fails the test when the run returns before that.
func (h *Host) Await(ready func(*Progress) bool) {
	h.t.Helper()
	for {
		h.mu.Lock()
		progress, changed := h.progress(false), h.changed
		done, over := ready(&progress), h.returned
		h.mu.Unlock()
		switch {
		case done:
			return
		case over:
			h.t.Error("Run returned before what the test waits for")
			return
		}
		<-changed
	}
}

// Resume implements pipeline.Host.
func (h *Host) Resume(source string) map[string]pipeline.Resumed {
	h.mu.Lock()
	defer h.mu.Unlock()
	if source != h.source {
		h.t.Errorf("Resume(%q): the source's name is %q", source, h.source)
	}
	return h.resumed()
}

func (h *Host) resumed() map[string]pipeline.Resumed {
	resumed := make(map[string]pipeline.Resumed, len(h.partitions))
	for id, p := range h.partitions {
		was := p.Resumed
		was.Children = slices.Clone(was.Children)
		resumed[id] = was
	}
	return resumed
}

// Register implements pipeline.Host.
func (h *Host) Register(ctx context.Context, starts []pipeline.Start) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.interrupted(ctx); err != nil {
		return err
	}
	for _, start := range starts {
		if !strings.HasPrefix(start.ID, h.source+"/") {
			h.t.Errorf("partition %q: its ID must begin with %q", start.ID, h.source+"/")
		}
		for _, id := range start.Parents {
			if parent := h.partitions[id]; parent == nil || !parent.Ended || parent.working != 0 {
				h.t.Errorf("partition %s was registered before its parent %s was done", start.ID, id)
			}
		}
		if h.partitions[start.ID] == nil {
			h.partitions[start.ID] = &partition{start: start, Resumed: pipeline.Resumed{Position: start.At}}
		}
	}
	h.tell(false)
	return nil
}

// Work implements pipeline.Host: it reads to io.EOF and commits every payload.
func (h *Host) Work(ctx context.Context, p pipeline.Partition) error {
	known, err := h.enter(p)
	if err != nil {
		h.t.Error(err)
		return err
	}
	err = h.read(ctx, p, known)
	h.mu.Lock()
	defer h.mu.Unlock()
	known.working = 0
	h.tell(false)
	return err
}

func (h *Host) enter(p pipeline.Partition) (*partition, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.partitions[p.ID()]
	switch {
	case known == nil:
		return nil, fmt.Errorf("partition %s is worked on without being registered", p.ID())
	case known.Ended:
		return nil, fmt.Errorf("partition %s is worked on after its end", p.ID())
	case known.working != 0:
		return nil, fmt.Errorf("partition %s is worked on twice at a time", p.ID())
	}
	known.working = h.runs
	return known, nil
}

func (h *Host) read(ctx context.Context, p pipeline.Partition, known *partition) error {
	for {
		batch, err := p.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return h.end(ctx, known, p.Children())
		case err != nil:
			return err
		}
		if err := h.take(ctx, p, known, batch); err != nil {
			return err
		}
	}
}

// take records a batch, or as much of it as fits before the run is stopped.
func (h *Host) take(ctx context.Context, p pipeline.Partition, known *partition, batch pipeline.Batch) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if batch.Idle && len(batch.Payloads) > 0 {
		h.t.Errorf("partition %s: a batch of %d payloads claims to be idle", p.ID(), len(batch.Payloads))
	}
	for _, payload := range batch.Payloads {
		if err := h.interrupted(ctx); err != nil {
			return err
		}
		at := payload.Position.Position()
		if at == "" || at == known.Position {
			h.t.Errorf("partition %s: position %q follows position %q", p.ID(), at, known.Position)
		}
		h.deliveries = append(h.deliveries, Delivery{p.ID(), bytes.Clone(payload.Data), at, payload.Arrival})
		known.Position = at
		p.Committed(at)
		h.tell(false)
	}
	h.tell(batch.Idle)
	return h.interrupted(ctx)
}

func (h *Host) end(ctx context.Context, known *partition, children []pipeline.Start) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.interrupted(ctx); err != nil {
		return err
	}
	known.Ended, known.Children = true, slices.Clone(children)
	return nil
}

// Now implements pipeline.Host.
func (h *Host) Now() time.Time { return h.now() }

// interrupted says that the run is over.
func (h *Host) interrupted(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if h.stopped {
		return context.Canceled
	}
	return nil
}

// tell makes a change known, and stops the run when it is time.
func (h *Host) tell(idle bool) {
	close(h.changed)
	h.changed = make(chan struct{})
	progress := h.progress(idle)
	if !h.stopped && h.until != nil && h.until(&progress) {
		h.stopped = true
		h.stop()
	}
}

func (h *Host) progress(idle bool) Progress {
	progress := Progress{Deliveries: h.deliveries, Registered: len(h.partitions), Idle: idle}
	for p := range maps.Values(h.partitions) {
		if p.Ended && p.working == 0 {
			progress.Ended++
		}
	}
	return progress
}
