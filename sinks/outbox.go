package sinks

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
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
}

// OutboxDeps is what an outbox needs from its process. A nil field is allowed.
type OutboxDeps struct {
	Logger  *zap.Logger
	Metrics *Metrics
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
	return &Outbox{
		sink:    sink,
		cfg:     cfg,
		log:     deps.Logger.With(zap.String("sink", sink.Name())),
		metrics: deps.Metrics.tally(sink.Name()),
		wake:    make(chan struct{}, 1),
		queue:   newQueue(cfg.Capacity),
	}
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
	for life.Err() == nil {
		if o.take() {
			o.deliver(ctx, life)
			continue
		}
		select {
		case <-o.wake:
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

// deliver sends what is in sending until all of it is settled or life ends.
// When a batch is refused its findings go one by one, so that only those are
// given up that are refused themselves. The end of ctx cuts a pause short.
func (o *Outbox) deliver(ctx, life context.Context) {
	pause := o.backoff()
	stopping := ctx.Done()
	size := len(o.sending)
	for attempt := 1; len(o.sending) > 0; attempt++ {
		part := o.sending[:min(size, len(o.sending))]
		err := o.send(life, part)
		switch {
		case err == nil:
			o.settle(len(part), o.metrics.ok.Add)
			o.recovered(attempt)
			pause.Reset()
			attempt = 0
		case IsPermanent(err) && len(part) > 1:
			size, attempt = 1, 0
		case IsPermanent(err):
			f := &part[0].Finding
			o.log.Error("sink refuses a finding for good", zap.String("rule", f.Rule),
				zap.String("uid", f.UID), zap.Int("seq", f.Seq), zap.Error(err))
			o.settle(1, o.metrics.permanent.Add)
			attempt = 0
		case life.Err() != nil:
			return
		default:
			o.metrics.retry.Add(float64(len(part)))
			if attempt == 1 {
				o.log.Warn("sink fails, trying again", zap.Error(err))
			}
			if stopping = o.wait(life, stopping, pause, retryAfter(err)); life.Err() != nil {
				return
			}
		}
	}
}

func (o *Outbox) backoff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff() // from 0.5 s, with 50 % jitter
	b.Multiplier = 2
	b.MaxInterval = o.cfg.MaxBackoff
	b.InitialInterval = min(b.InitialInterval, b.MaxInterval)
	return b
}

// wait sleeps until the next attempt is due, least at the earliest, or life
// ends. When stopping comes first there is little time left: the pause ends and pauses grow anew, and
// what is returned never comes again.
func (o *Outbox) wait(life context.Context, stopping <-chan struct{}, pause *backoff.ExponentialBackOff, least time.Duration) <-chan struct{} {
	timer := time.NewTimer(max(min(pause.NextBackOff(), o.cfg.MaxBackoff), least))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-life.Done():
	case <-stopping:
		pause.Reset()
		return nil
	}
	return stopping
}

// send calls the sink once. When life ends before the sink returns, send does
// without it: shutting down may not depend on a sink that ignores its context.
func (o *Outbox) send(life context.Context, entries []Entry) error {
	ctx, cancel := context.WithTimeout(life, o.cfg.Timeout)
	defer cancel()
	findings := make([]detect.Finding, len(entries))
	for i := range entries {
		findings[i] = entries[i].Finding
	}
	result := make(chan error, 1)
	go func() { result <- o.sink.Send(ctx, findings) }()
	select {
	case err := <-result:
		return err
	case <-life.Done():
	}
	select {
	case err := <-result: // it was there at the same time
		return err
	default:
		return errors.New("ended in mid-send")
	}
}

// settle ends the first n entries of sending.
func (o *Outbox) settle(n int, count func(float64)) {
	count(float64(n))
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.sending[:n] {
		o.done = append(o.done, e.ID)
	}
	o.sending = slices.Delete(o.sending, 0, n)
	o.countLocked()
}

// recovered logs a delivery after failures or after an overflow.
func (o *Outbox) recovered(attempts int) {
	o.mu.Lock()
	overflow := o.overflow
	o.overflow = false
	o.mu.Unlock()
	if attempts > 1 || overflow {
		o.log.Info("sink takes findings again", zap.Int("attempts", attempts))
	}
}
