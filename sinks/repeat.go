package sinks

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"go.uber.org/zap"
)

// Repeater is a Sink whose receiver takes an incident for over when it hears
// nothing of it for a while: its outbox sends the last committed event of each
// open incident again at this interval.
type Repeater interface {
	Sink
	RepeatEvery() time.Duration
}

// repeats returns a channel that says when to repeat; it never does for a sink
// that is no Repeater.
func (o *Outbox) repeats() (due <-chan time.Time, stop func()) {
	if o.open == nil {
		return nil, func() {}
	}
	tick := time.NewTicker(o.sink.(Repeater).RepeatEvery())
	return tick.C, tick.Stop
}

// openNow returns the last committed event of each open incident that the sink
// wants, by uid. ok is false when something is queued: that may be older than
// what is open now, and goes first.
func (o *Outbox) openNow() (open []detect.Finding, ok bool) {
	for _, f := range o.open() {
		if f.Seq > 0 && o.Accepts(f) {
			open = append(open, *f)
		}
	}
	slices.SortFunc(open, func(a, b detect.Finding) int { return cmp.Compare(a.UID, b.UID) })
	o.mu.Lock()
	defer o.mu.Unlock()
	return open, o.queue.len() == 0
}

// repeat sends open incidents once. What fails is not tried again before the
// next time; what is queued meanwhile is newer and follows.
func (o *Outbox) repeat(ctx, life context.Context, open []detect.Finding) {
	alone := 0 // so many go one by one: a batch with them was refused
	for len(open) > 0 && ctx.Err() == nil {
		n := min(o.cfg.Batch, len(open))
		if alone > 0 || o.circuit.open() {
			n = 1
		}
		err := o.send(life, open[:n])
		left := len(Left(err, n))
		o.metrics.repeated.Add(float64(n - left))
		switch {
		case err == nil:
			o.recovered()
		case IsPermanent(err) && n > 1:
			o.answered()
			alone = n
			continue
		case IsPermanent(err):
			o.answered()
			o.metrics.permanent.Inc()
			o.log.Warn("sink refuses to be reminded of an open incident",
				zap.String("uid", open[0].UID), zap.Int("seq", open[0].Seq), zap.Error(err))
		case life.Err() != nil:
			return
		default:
			o.failed(left, err)
			return
		}
		open = open[n:]
		alone = max(0, alone-n)
	}
}
