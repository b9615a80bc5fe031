package s3

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/flowwatch/flowwatch/pipeline"
)

const maxChunk = 256 << 10 // bytes of a payload, about

// pacing is how long the messages of a queue stay invisible.
type pacing struct {
	visibility int32         // seconds that a message is invisible, unless extended
	release    int32         // seconds until a message that failed may come again
	extension  time.Duration // between two extensions
}

var defaultPacing = pacing{visibility: 300, release: 60, extension: 90 * time.Second}

// Dependencies of a Source.
type Dependencies struct {
	Log        *zap.Logger           // nil logs nothing
	Registerer prometheus.Registerer // nil registers nothing
	API        API                   // nil is AWS, or Config.Endpoint
}

// Source reads what one queue announces. It implements pipeline.Source.
type Source struct {
	cfg     Config
	api     API
	log     *zap.Logger
	metrics *metrics
	pacing  pacing
	chunk   int
}

// New returns a source for a valid configuration. It makes no call.
func New(cfg Config, deps Dependencies) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, api: deps.API, log: deps.Log, pacing: defaultPacing, chunk: maxChunk}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	s.log = s.log.With(zap.String("queue", cfg.queue()))
	var err error
	if s.api == nil {
		if s.api, err = newClient(cfg, s.pacing.visibility); err != nil {
			return nil, err
		}
	}
	if s.metrics, err = newMetrics(deps.Registerer); err != nil {
		return nil, fmt.Errorf("register the metrics of %s: %w", s.Name(), err)
	}
	return s, nil
}

// Name is "s3:" and the queue's account and name.
func (s *Source) Name() string { return "s3:" + s.cfg.queue() }

// Run reads until ctx ends; then it returns nil.
func (s *Source) Run(ctx context.Context, host pipeline.Host) error {
	p := s.partition(host.Now)
	var err error
	if p.memory, err = objects.Memory(host.Resume(s.Name())[p.id].Position); err != nil {
		return fmt.Errorf("resume %s: %w", s.Name(), err)
	}
	p.committed = p.memory.Seq()
	if err := host.Register(ctx, []pipeline.Start{{ID: p.id, At: p.memory.Place().Position(), Pull: true}}); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("register %s: %w", s.Name(), err)
	}
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return s.receive(running, p) })
	group.Go(func() error { return s.settle(running, p) })
	group.Go(func() error {
		defer func() {
			if p.reading != nil {
				p.reading.close()
			}
		}()
		return host.Work(running, p)
	})
	err = group.Wait()
	s.handBack(context.WithoutCancel(ctx), p)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// handBackTime is how long messages are handed back for; the others come again when
// they have been hidden long enough.
const handBackTime = 2 * time.Second

// handBack shows the messages at hand to whoever reads the queue next. What is
// committed of them is known there.
func (s *Source) handBack(ctx context.Context, p *partition) {
	ctx, cancel := context.WithTimeout(ctx, handBackTime)
	defer cancel()
	p.mu.Lock()
	held := slices.Sorted(maps.Keys(p.held))
	p.mu.Unlock()
	for _, receipt := range held {
		if ctx.Err() != nil {
			return
		}
		s.note(ctx, "hand back", s.api.Hide(ctx, receipt, 0))
	}
}

// partition returns the queue without what is remembered of it.
func (s *Source) partition(now func() time.Time) *partition {
	p := &partition{
		id: s.Name() + "/objects", api: s.api, log: s.log, now: now, metrics: s.metrics, chunk: s.chunk, last: now(),
		incoming: make(chan *delivery), failing: map[uint64]bool{}, held: map[string]bool{}, signal: make(chan struct{}, 1),
	}
	p.answered.Store(time.Now().UnixNano())
	return p
}

// receive hands messages to the partition, one ahead of what it reads.
func (s *Source) receive(ctx context.Context, p *partition) error {
	pause := backoff.NewExponentialBackOff()
	for ctx.Err() == nil {
		messages, err := s.api.Receive(ctx)
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			s.metrics.failures.WithLabelValues("receive").Inc()
			s.log.Warn("receive messages", zap.Error(err))
			select {
			case <-ctx.Done():
			case <-time.After(pause.NextBackOff()):
			}
			continue
		}
		p.answered.Store(time.Now().UnixNano())
		pause.Reset()
		for _, m := range messages {
			d := &delivery{receipt: m.Receipt}
			if d.objects, err = parseNotification(m.Body); err != nil {
				d.failed = true
				s.metrics.failures.WithLabelValues("message").Inc()
				s.log.Warn("a message that can't be read goes back to the queue", zap.Error(err))
			}
			p.mu.Lock()
			p.held[d.receipt] = true
			p.mu.Unlock()
			select {
			case p.incoming <- d:
			case <-ctx.Done():
			}
		}
	}
	return ctx.Err()
}

// settle deletes messages, lets them go back, and extends the invisibility of
// the others.
func (s *Source) settle(ctx context.Context, p *partition) error {
	tick := time.NewTicker(s.pacing.extension)
	defer tick.Stop()
	for {
		extend := false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.signal:
		case <-tick.C:
			extend = true
		}
		p.mu.Lock()
		deletes, releases := p.deletes, p.releases
		p.deletes, p.releases = nil, nil
		for _, receipt := range deletes {
			delete(p.held, receipt)
		}
		held := slices.Collect(maps.Keys(p.held))
		p.mu.Unlock()
		for _, receipt := range deletes {
			s.note(ctx, "delete", s.api.Delete(ctx, receipt)) // it comes again and is known
		}
		for _, receipt := range releases {
			s.note(ctx, "release", s.api.Hide(ctx, receipt, s.pacing.release))
		}
		if extend {
			for _, receipt := range held {
				s.note(ctx, "extend", s.api.Hide(ctx, receipt, s.pacing.visibility))
			}
		}
	}
}

// note counts a call that failed, unless it was cut off because the run ends.
func (s *Source) note(ctx context.Context, call string, err error) {
	if err != nil && ctx.Err() == nil {
		s.metrics.failures.WithLabelValues(call).Inc()
		s.log.Warn("SQS: "+call, zap.Error(err))
	}
}
