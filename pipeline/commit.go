package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// Waits between tries of a commit that fails.
const (
	commitRetryLeast = 250 * time.Millisecond
	commitRetryMost  = 15 * time.Second
)

// commitEarliest is the least time between two commits that somebody asked
// for.
const commitEarliest = time.Second

// prepared is a commit on its way to the disk, and what follows once it is
// there.
type prepared struct {
	delta     *checkpoint.Delta
	published *Published
	readers   map[Partition]Position
	parcels   []parcel
	empty     bool // nothing to be made durable
}

// commit makes everything merged so far durable, then lets out what waited for
// that: acknowledgements, findings, metrics. A commit that fails is tried
// again until it succeeds or ctx ends; meanwhile nothing is merged.
func (p *Pipeline) commit(ctx context.Context) error {
	select {
	case p.committing <- struct{}{}:
		defer func() { <-p.committing }()
	case <-ctx.Done():
		return fmt.Errorf("commit: %w", ctx.Err())
	}
	if p.unsaved != nil { // ctx ended while it failed
		if err := p.finish(ctx, p.unsaved); err != nil {
			return err
		}
	}
	p.back.mu.Lock()
	c := p.back.prepare()
	p.back.mu.Unlock()
	return p.finish(ctx, c)
}

// finish saves a prepared commit and lets out what waited for it.
func (p *Pipeline) finish(ctx context.Context, c *prepared) error {
	began := time.Now()
	p.unsaved = c
	if p.store != nil && !c.empty {
		if err := p.save(ctx, c.delta); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	p.unsaved = nil
	p.published.Store(c.published)
	for reader, position := range c.readers {
		if position != "" {
			reader.Committed(position)
		}
	}
	hand(c.parcels)
	p.metrics.committed(began, time.Now())
	return nil
}

// save appends a delta, again and again while that fails.
func (p *Pipeline) save(ctx context.Context, d *checkpoint.Delta) error {
	wait := commitRetryLeast
	for {
		err := p.store.Append(ctx, d)
		if err == nil {
			p.back.fail(nil)
			return nil
		}
		if ctx.Err() != nil {
			return err // interrupted: that is no failure of the store
		}
		p.metrics.commitFailed()
		if slices.ContainsFunc([]error{checkpoint.ErrDamaged, checkpoint.ErrClosed, checkpoint.ErrInUse}, func(last error) bool { return errors.Is(err, last) }) {
			return err // no try can help
		}
		p.back.fail(err)
		p.log.Error("commit fails; reading has stopped until it succeeds", zap.Error(err), zap.Duration("next_try", wait))
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
		wait = min(2*wait, commitRetryMost)
	}
}

// fail takes note of what a commit failed with, or that it no longer does.
func (b *back) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failing = err
	b.signal()
}

// prepare encodes what changed since the last commit, and moves what is
// pending to the committed panes. mu is held; the disk is not waited for.
func (b *back) prepare() *prepared {
	b.commits++
	d := &checkpoint.Delta{DeletePrefixes: b.stale, Deletes: b.gone}
	b.stale, b.gone = nil, nil
	c := &prepared{delta: d, readers: b.readers()}
	b.evictBeforeCommit()
	if b.p.store != nil {
		b.paneChanges(d)
	}
	b.settle()
	for _, f := range b.raised {
		b.counters.Outbox++
		b.outlets.put(b.counters.Outbox, &f)
		b.incident(d, &f)
	}
	b.raised = nil
	b.counters.Watermark, b.counters.LastPane = b.marks.global, b.lastPane
	if b.p.store != nil {
		b.changes(d)
	}
	c.parcels = b.outlets.changes(d)
	c.empty = len(d.Puts) == 0 && len(d.Deletes) == 0 && len(d.DeletePrefixes) == 0
	if !c.empty && b.p.store != nil {
		b.counters.Commits = b.commits
		put(d, keyCounters, mustJSON(b.counters))
	}
	c.published = b.publish()
	return c
}

func put(d *checkpoint.Delta, key string, value []byte) {
	d.Puts = append(d.Puts, checkpoint.Entry{Key: []byte(key), Value: value})
}

// paneChanges writes what open panes got, and forgets the panes that closed.
func (b *back) paneChanges(d *checkpoint.Delta) {
	for _, start := range b.closed {
		d.DeletePrefixes = append(d.DeletePrefixes, paneKey(start, 0))
	}
	for _, start := range b.pending.Starts() {
		d.Puts = append(d.Puts, checkpoint.Entry{
			Key: paneKey(start, b.commits), Value: b.pending.Pane(start).AppendBinary(nil),
		})
	}
}

// settle counts what is pending in the totals and moves it to the open panes.
func (b *back) settle() {
	b.closed = nil
	b.counters.count(&b.pending.Counts)
	maps.DeleteFunc(b.late, func(start, _ int64) bool { return start+b.p.plan.Pane <= b.marks.global })
	for start, n := range b.pending.Counts.LatePanes {
		if start+b.p.plan.Pane > b.marks.global {
			b.late[start] += n
		}
	}
	b.addTotals(b.pending.Untimed(), aggregate.Never)
	for _, start := range b.pending.Starts() {
		fresh := b.pending.Take(start)
		b.addTotals(fresh, start)
		b.pending.Recycle(b.open.Put(start, fresh))
	}
	b.pending.Reset()
	for _, t := range b.totals {
		if t != nil {
			b.counters.Folded[t.view.Name] = t.folded
		}
	}
}

// incident keeps the last event of each open incident: for the gauge, and for
// sinks that are told again and again what is open.
func (b *back) incident(d *checkpoint.Delta, f *detect.Finding) {
	key := keyIncident + f.UID
	if f.Activity == detect.Close {
		delete(b.incidents, f.UID)
		d.Puts = slices.DeleteFunc(d.Puts, func(e checkpoint.Entry) bool { return string(e.Key) == key })
		d.Deletes = append(d.Deletes, []byte(key))
		return
	}
	b.incidents[f.UID] = f
	d.Puts = slices.DeleteFunc(d.Puts, func(e checkpoint.Entry) bool { return string(e.Key) == key })
	put(d, key, mustJSON(f))
}

// changes writes the small states: partitions, totals, gauges, incidents, the
// detectors' own.
func (b *back) changes(d *checkpoint.Delta) {
	for _, id := range b.partitionIDs() {
		if p := b.marks.partitions[id]; p.changed {
			put(d, keyPartition+id, p.encode())
			p.changed = false
		}
	}
	if b.commits == 1 {
		put(d, keyVersion, []byte(stateVersion))
	}
	if !b.windowsSaved {
		put(d, keyWindows, windowsOf(b.p.plan))
		b.windowsSaved = true
	}
	b.suppressor.changes(d)
	for i := range b.totals {
		b.viewChanges(d, i)
	}
	for _, r := range b.rules {
		if !r.saved {
			put(d, keyRule+r.Name(), []byte(r.Version()))
			r.saved = true
		}
		r.Changes(func(key, value []byte) {
			k := append([]byte(r.prefix()), key...)
			if value == nil {
				d.Deletes = append(d.Deletes, k)
				return
			}
			d.Puts = append(d.Puts, checkpoint.Entry{Key: k, Value: append([]byte(nil), value...)})
		})
	}
}

func (b *back) viewChanges(d *checkpoint.Delta, i int) {
	if t := b.totals[i]; t != nil {
		t.changes(b.marks.global, func(key string, value []byte) {
			k := t.prefix() + key
			if value == nil {
				d.Deletes = append(d.Deletes, []byte(k))
				return
			}
			put(d, k, value)
		})
	}
	if g := b.gauges[i]; g != nil && g.changed {
		put(d, keyGauges+g.id, mustJSON(g.rows))
		g.changed = false
	}
}

func (t *totals) prefix() string { return keyTotal + t.id + "/" }

// commitLoop commits at the set interval, and sooner when asked to.
func (p *Pipeline) commitLoop(ctx context.Context) error {
	tick := time.NewTicker(p.commitEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-p.back.urgent:
			if wait := commitEarliest - time.Since(p.metrics.lastCommit()); wait > 0 {
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(wait):
				}
			}
		}
		if err := p.commit(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}
