package sinks

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"go.uber.org/zap"
)

// deliver sends what is in sending until all of it is settled or life ends.
// When a batch is refused its findings go one by one, so that only those are
// given up that are refused themselves. Of a batch that arrived in part only
// the rest goes again. The end of ctx cuts a pause short.
func (o *Outbox) deliver(ctx, life context.Context) {
	pause := o.backoff()
	stopping := ctx.Done()
	alone := false
	for len(o.sending) > 0 {
		part := o.sending
		if alone || o.circuit.open() {
			part = part[:1]
		}
		err := o.send(life, findingsOf(part))
		n := o.settleArrived(part, err)
		switch {
		case err == nil:
			o.recovered()
			pause.Reset()
		case IsPermanent(err) && n > 1:
			o.answered()
			alone = true
		case IsPermanent(err):
			o.answered()
			o.refused(&o.sending[0].Finding, err)
			o.settle([]Entry{o.sending[0]}, o.metrics.permanent.Add)
		case life.Err() != nil:
			return
		default:
			o.failed(n, err)
			if n < len(part) {
				pause.Reset() // it does take some
			}
			if stopping = o.wait(life, stopping, pause, retryAfter(err)); life.Err() != nil {
				return
			}
		}
	}
}

func findingsOf(entries []Entry) []detect.Finding {
	findings := make([]detect.Finding, len(entries))
	for i := range entries {
		findings[i] = entries[i].Finding
	}
	return findings
}

func (o *Outbox) backoff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff() // from 0.5 s, with 50 % jitter
	b.Multiplier = 2
	b.MaxInterval = o.cfg.MaxBackoff
	b.InitialInterval = min(b.InitialInterval, b.MaxInterval)
	return b
}

// wait sleeps until the next attempt is due, least at the earliest, or life
// ends. When stopping comes first there is little time left: the pause ends and
// pauses grow anew, and what is returned never comes again.
func (o *Outbox) wait(life context.Context, stopping <-chan struct{}, pause *backoff.ExponentialBackOff, least time.Duration) <-chan struct{} {
	next := min(pause.NextBackOff(), o.cfg.MaxBackoff)
	if o.circuit.open() && stopping != nil {
		next = o.cfg.MaxBackoff
	}
	timer := time.NewTimer(max(next, least))
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
func (o *Outbox) send(life context.Context, findings []detect.Finding) error {
	ctx, cancel := context.WithTimeout(life, o.cfg.Timeout)
	defer cancel()
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

// settleArrived settles those of the first entries of sending that have arrived
// according to the result of their Send, and returns how many have not: they
// are the first of sending then.
func (o *Outbox) settleArrived(part []Entry, err error) (left int) {
	arrived := make([]Entry, 0, len(part))
	for i, e := range part {
		if !remains(err, i) {
			arrived = append(arrived, e)
		}
	}
	left = len(part) - len(arrived)
	o.settle(arrived, o.metrics.ok.Add)
	return left
}

// settle ends some entries of sending.
func (o *Outbox) settle(ended []Entry, count func(float64)) {
	if len(ended) == 0 {
		return
	}
	count(float64(len(ended)))
	o.mu.Lock()
	defer o.mu.Unlock()
	is := make(map[uint64]bool, len(ended))
	for _, e := range ended {
		is[e.ID] = true
		o.done = append(o.done, e.ID)
	}
	o.sending = slices.DeleteFunc(o.sending, func(e Entry) bool { return is[e.ID] })
	o.countLocked()
}

// refused logs a finding that is given up.
func (o *Outbox) refused(f *detect.Finding, err error) {
	o.log.Error("sink refuses a finding for good", zap.String("rule", f.Rule),
		zap.String("uid", f.UID), zap.Int("seq", f.Seq), zap.Error(err))
}

// failed takes note of a Send after which n findings are still to be sent.
func (o *Outbox) failed(n int, err error) {
	o.metrics.retry.Add(float64(n))
	opened := o.circuit.fail()
	switch {
	case opened:
		o.metrics.circuit.Set(1)
		o.log.Error("sink fails again and again; one finding is tried at a time until it takes one",
			zap.Int("failures", o.circuit.failures), zap.Duration("every", o.cfg.MaxBackoff), zap.Error(err))
	case o.circuit.failures == 1:
		o.log.Warn("sink fails, trying again", zap.Error(err))
	}
}

// answered takes note that the receiver is there, whatever it said.
func (o *Outbox) answered() {
	o.circuit.reset()
	o.metrics.circuit.Set(0)
}

// recovered logs a delivery after failures or after an overflow.
func (o *Outbox) recovered() {
	o.mu.Lock()
	overflow := o.overflow
	o.overflow = false
	o.mu.Unlock()
	if o.circuit.failures > 0 || overflow {
		o.log.Info("sink takes findings again", zap.Int("failures", o.circuit.failures))
	}
	o.answered()
}
