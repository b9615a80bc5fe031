package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// Config is what a pipeline can be told.
type Config struct {
	IdleAfter   time.Duration // how long a partition is proven empty before its watermark follows the clock
	CommitEvery time.Duration
	LastCommit  time.Duration // how long the commit after all reading may take, retries included; default 4 s
	Sources     int           // limit on entries of external sources over slices and open panes; 0 is none
	Early       bool          // whether rules may judge panes that are still open
}

// Dependencies are the parts that a pipeline is put together from. Plan,
// Enricher and Clock are needed; the others may be nil.
type Dependencies struct {
	Log        *zap.Logger
	Registerer prometheus.Registerer
	Clock      func() time.Time // the injected clock: arrival and "now" of event time
	Plan       *aggregate.Plan
	Enricher   *enrich.Enricher
	Detectors  []detect.Detector
	Suppress   detect.Suppressions // events of detectors that are held back
	Outlets    []Outlet
	// Store makes commits durable; with nil nothing is, and a commit only
	// publishes. It stays the caller's to close.
	Store checkpoint.Store
	// Observe makes an observer for each partition that is read.
	Observe func(partition string) Observer
}

// Input is one source with what its records need.
type Input struct {
	Source   Source
	Formats  []*flowlog.Layout // of header-less lines
	Lateness time.Duration     // how far behind the newest record one may come
}

// Pipeline reads sources, aggregates, detects and commits.
type Pipeline struct {
	log         *zap.Logger
	clock       func() time.Time
	plan        *aggregate.Plan
	enricher    *enrich.Enricher
	detectors   []detect.Detector
	suppress    detect.Suppressions
	outlets     []Outlet
	store       checkpoint.Store
	observe     func(partition string) Observer
	idleAfter   time.Duration
	commitEvery time.Duration
	lastCommit  time.Duration
	sources     int
	early       bool
	metrics     *metrics
	bad         *badLines
	progress    *progress

	back       *back
	committing chan struct{} // holds a token while a commit is made: one at a time
	unsaved    *prepared     // a commit that failed when its context ended
	published  atomic.Pointer[Published]
	failing    atomic.Pointer[error] // what back.failing is, for who must not wait for its lock
	ready      atomic.Bool
}

// New puts a pipeline together and takes up what its store holds.
func New(ctx context.Context, cfg Config, d Dependencies) (*Pipeline, error) {
	p := &Pipeline{
		log: d.Log, clock: d.Clock, plan: d.Plan, enricher: d.Enricher, detectors: d.Detectors,
		suppress: d.Suppress, outlets: d.Outlets, store: d.Store, observe: d.Observe,
		idleAfter: cfg.IdleAfter, commitEvery: cfg.CommitEvery, lastCommit: cmp.Or(cfg.LastCommit, 4*time.Second),
		sources: cfg.Sources, early: cfg.Early,
		metrics: newMetrics(d.Registerer), committing: make(chan struct{}, 1), progress: newProgress(),
	}
	if p.log == nil {
		p.log = zap.NewNop()
	}
	p.bad = &badLines{log: p.log}
	p.back = newBack(p)
	if p.store != nil {
		if err := p.back.restore(ctx); err != nil {
			return nil, err
		}
	}
	p.back.mu.Lock()
	defer p.back.mu.Unlock()
	p.published.Store(p.back.publish())
	return p, nil
}

// Published returns what the last commit made durable. It is never nil, safe
// for concurrent use and not to be changed.
func (p *Pipeline) Published() *Published { return p.published.Load() }

// CommitError returns what the commit in progress failed with last, nil when
// commits succeed. Like Published it waits for nothing.
func (p *Pipeline) CommitError() error {
	if err := p.failing.Load(); err != nil {
		return *err
	}
	return nil
}

// Run reads the inputs to their end or until ctx ends, then merges and commits
// what was read. It returns nil in both cases, and the first error otherwise;
// what was merged before an error is committed too.
func (p *Pipeline) Run(ctx context.Context, inputs ...Input) error {
	p.back.expect(inputs)
	loop, stopLoop := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLoop()
	sources, reading := errgroup.WithContext(ctx)
	reading, stopReading := context.WithCancel(reading)
	defer stopReading()
	committer := make(chan error, 1)
	go func() {
		err := p.commitLoop(loop)
		stopReading() // nothing that is read could ever be committed
		committer <- err
	}()
	for _, in := range inputs {
		sources.Go(func() error { return p.read(reading, &in) })
	}
	p.ready.Store(true)
	err := sources.Wait()
	p.ready.Store(false)
	stopLoop()
	return errors.Join(err, <-committer, p.Commit(context.WithoutCancel(ctx)))
}

// read runs one source. Where it has ended, nobody waits for it any more.
func (p *Pipeline) read(ctx context.Context, in *Input) error {
	err := in.Source.Run(ctx, &host{p: p, in: in})
	p.back.mu.Lock()
	p.back.announced(in.Source.Name())
	p.back.mu.Unlock()
	if err != nil {
		return fmt.Errorf("source %s: %w", in.Source.Name(), err)
	}
	return nil
}

// Commit commits what was merged and what outlets are done with. It gives up
// after Config.LastCommit: what isn't durable then is read again after a restart.
func (p *Pipeline) Commit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.lastCommit)
	defer cancel()
	return p.commit(ctx)
}

// Ready reports, as an error, why the pipeline is not reading.
func (p *Pipeline) Ready() error {
	if !p.ready.Load() {
		return errors.New("sources are not being read")
	}
	p.back.mu.Lock()
	defer p.back.mu.Unlock()
	if err := p.back.failing; err != nil {
		return fmt.Errorf("commits fail, reading waits: %w", err)
	}
	if n := len(p.back.awaited); n > 0 {
		return fmt.Errorf("%d sources have not listed their partitions yet", n)
	}
	if id, since := p.progress.heldBack(); id != "" {
		return fmt.Errorf("partition %s has been held back for %s: others lag behind it in event time, or a merge waits", id, since.Round(time.Second))
	}
	return nil
}

// host is the pipeline as one source sees it.
type host struct {
	p  *Pipeline
	in *Input
}

func (h *host) Resume(source string) map[string]Resumed { return h.p.back.resume(source) }

func (h *host) Register(ctx context.Context, starts []Start) error {
	return h.p.back.register(ctx, h.in.Source.Name(), starts)
}

func (h *host) Now() time.Time { return h.p.clock() }

func (h *host) Work(ctx context.Context, part Partition) error {
	from, err := h.p.back.begin(part)
	if err != nil {
		return err
	}
	defer h.p.back.end(part.ID())
	f, err := newFront(h.p, h.in, part, &from)
	if err != nil {
		return fmt.Errorf("read partition %s: %w", part.ID(), err)
	}
	if f.observer != nil {
		defer f.observer.Done()
	}
	h.p.progress.begin(part.ID())
	defer h.p.progress.end(part.ID())
	return f.run(ctx)
}
