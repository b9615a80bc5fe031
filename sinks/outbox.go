package sinks

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"go.uber.org/zap"
)

// Entry is a finding on its way to one sink. The pipeline gives it its ID,
// which rises, and persists it with the commit that made it; it persists it
// until a commit after TakeDone returned the ID.
type Entry struct {
	ID      uint64
	Finding detect.Finding
}

// Outbox sends committed findings to one sink: it queues them within bounds,
// tries again with exponential backoff and jitter, and remembers which are
// done. A sink that is down or slow holds up nothing but its own outbox.
//
// Delivery is at least once: what was not reported by TakeDone, or was
// reported but not yet committed, is offered again after a restart, with the
// same uid and seq. The events of one incident are sent in the order in which
// they were offered.
//
// Offer, TakeDone and Len may be called by any goroutine, Run by one.
type Outbox struct {
	sink    Sink
	cfg     OutboxConfig
	log     *zap.Logger
	metrics tally
	wake    chan struct{} // holds one token when there may be something to send

	mu       sync.Mutex
	queue    *queue
	done     []uint64
	overflow bool // findings were dropped since the last delivery

	// Of Run alone, but for the length of sending, which mu guards.
	sending []Entry
	circuit circuit
	open    func() []*detect.Finding // nil: nothing is repeated
}

// OutboxDeps is what an outbox needs from its process. A nil field is allowed.
type OutboxDeps struct {
	Logger  *zap.Logger
	Metrics *Metrics
	// Open returns the last committed event of each open incident, in no order.
	// It may be called at any time after Run has begun.
	Open func() []*detect.Finding
}

// NewOutbox returns an empty outbox for sink. The caller has validated cfg.
func NewOutbox(sink Sink, cfg OutboxConfig, deps OutboxDeps) *Outbox {
	cfg = cfg.withDefaults()
	if deps.Logger == nil {
		deps.Logger = zap.NewNop()
	}
	if deps.Metrics == nil {
		deps.Metrics, _ = NewMetrics(nil) // cannot fail
	}
	o := &Outbox{
		sink:    sink,
		cfg:     cfg,
		log:     deps.Logger.With(zap.String("sink", sink.Name())),
		metrics: deps.Metrics.tally(sink.Name()),
		wake:    make(chan struct{}, 1),
		queue:   newQueue(cfg.Capacity),
	}
	if _, ok := sink.(Repeater); ok {
		o.open = deps.Open
	}
	return o
}

// Name is the name of the sink.
func (o *Outbox) Name() string { return o.sink.Name() }

// Accepts reports whether the sink wants a finding: of the least severity or
// above, and of the rules that are configured. It is a function of the finding
// alone. Only what is accepted should be offered.
func (o *Outbox) Accepts(f *detect.Finding) bool {
	return f.Severity >= o.cfg.MinSeverity &&
		(len(o.cfg.Rules) == 0 || slices.Contains(o.cfg.Rules, f.Rule))
}

// Offer takes over findings whose commit is durable. It never blocks. When the
// queue is full a newer event of an incident replaces the last one of that
// incident that no Send has taken up; when there is none, the oldest finding
// is dropped. Both are counted, and both are done.
func (o *Outbox) Offer(entries []Entry) {
	if len(entries) == 0 {
		return
	}
	o.mu.Lock()
	dropped := 0
	for _, e := range entries {
		gone, outcome := o.queue.push(e)
		switch outcome {
		case replacing:
			o.metrics.replaced.Inc()
			o.done = append(o.done, gone.ID)
		case dropping:
			o.metrics.dropped.Inc()
			o.done = append(o.done, gone.ID)
			dropped++
		}
	}
	first := dropped > 0 && !o.overflow
	o.overflow = o.overflow || first
	o.countLocked()
	o.mu.Unlock()
	if first {
		o.log.Error("outbox is full, findings are dropped until the sink takes some again",
			zap.Int("capacity", o.cfg.Capacity), zap.Int("dropped", dropped))
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// TakeDone returns the IDs of entries that were delivered, refused, replaced
// or dropped since the last call, ascending: the next commit forgets them.
func (o *Outbox) TakeDone() []uint64 {
	o.mu.Lock()
	done := o.done
	o.done = nil
	o.mu.Unlock()
	slices.Sort(done)
	return done
}

// Len returns how many findings are still to be delivered.
func (o *Outbox) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lenLocked()
}

func (o *Outbox) lenLocked() int { return o.queue.len() + len(o.sending) }

func (o *Outbox) countLocked() { o.metrics.findings.Set(float64(o.lenLocked())) }

// Run delivers until ctx ends, then tries what is queued for the grace time at
// most, and returns nil. It also returns then when a Send hangs: that Send is
// left behind with its context cancelled. What remains undelivered is not
// done, so that a later start sends it.
func (o *Outbox) Run(ctx context.Context) error {
	life, end := withGrace(ctx, o.cfg.Grace)
	defer end()
	repeat, stop := o.repeats()
	defer stop()
	due := o.open != nil // whoever started anew doesn't know when it last was
	for life.Err() == nil {
		if o.take() {
			o.deliver(ctx, life)
			continue
		}
		if due && ctx.Err() == nil {
			if open, ok := o.openNow(); ok {
				due = false
				o.repeat(ctx, life, open)
			}
			continue
		}
		select {
		case <-o.wake:
		case <-repeat:
			due = true
		case <-ctx.Done():
			if o.Len() == 0 {
				return nil
			}
		}
	}
	if n := o.Len(); n > 0 {
		o.log.Warn("ending with findings that are not delivered, the next start sends them", zap.Int("findings", n))
	}
	return nil
}

// withGrace returns a context that ends a grace time after ctx does.
func withGrace(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-life.Done():
		}
	})
	return life, func() { stop(); cancel() }
}

// take moves a batch from the queue to sending, unless one is there.
func (o *Outbox) take() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.sending) < o.cfg.Batch && o.queue.len() > 0 {
		o.sending = append(o.sending, o.queue.pop())
	}
	return len(o.sending) > 0
}
