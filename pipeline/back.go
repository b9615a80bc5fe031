package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// holdBack is how far of event time a partition that can wait may be ahead of
// the others.
const holdBack = 3600

// back is the back half: it merges slices into open panes, closes panes by the
// global watermark, runs the detectors and keeps everything that is durable.
// All of it is owned by whoever holds mu; only the disk is waited for without.
type back struct {
	p  *Pipeline
	mu sync.Mutex
	// moved is closed and replaced whenever something changes that somebody
	// may wait for: the global watermark, a commit's success, a registration.
	moved chan struct{}

	places       *enrich.Places // nil: nothing is known
	marks        *watermarks
	awaited      map[string]bool    // sources that have not registered yet
	open         *aggregate.Partial // committed parts of the panes that are not closed
	pending      *aggregate.Partial // what was merged since the last commit
	totals       []*totals          // by view; nil for a view without counters
	gauges       []*gauges          // by view; nil for a view that shows no pane
	counters     *counters
	rules        []*rule
	levels       []detect.Level  // of the last pane; nil: to be computed
	closed       []int64         // panes closed since the last commit
	lastPane     int64           // start of the pane closed last, Never when none
	late         map[int64]int64 // late records of open panes, best effort: not kept over a restart
	raised       []detect.Finding
	recent       []*detect.Finding // the last that were committed, oldest first
	suppressor   *suppressor
	outlets      *outlets
	incidents    map[string]*detect.Finding // the last event of each that is open, by uid
	commits      uint64                     // number of the last commit
	windowsSaved bool
	stale        [][]byte               // prefixes of committed state that the next commit forgets
	gone         [][]byte               // and single keys
	crowd        int                    // entries of sources that the last eviction left
	crowded      time.Time              // when the log last said so
	failing      error                  // what the commit in progress failed with last
	retired      map[Partition]Position // readers that have ended since the last commit
	urgent       chan struct{}
	glances      glances // at the pane that is closing
}

func newBack(p *Pipeline) *back {
	b := &back{
		p: p, places: p.enricher.Places(), moved: make(chan struct{}), marks: newWatermarks(), awaited: make(map[string]bool),
		open: aggregate.NewPartial(p.plan), pending: aggregate.NewPartial(p.plan),
		counters: newCounters(), late: make(map[int64]int64), retired: make(map[Partition]Position), incidents: make(map[string]*detect.Finding), lastPane: aggregate.Never, urgent: make(chan struct{}, 1),
	}
	for i, v := range p.plan.Views() {
		b.totals = append(b.totals, newTotals(p.plan, i, v))
		b.gauges = append(b.gauges, newGauges(p.plan, i, v))
	}
	for _, d := range p.detectors {
		b.rules = append(b.rules, &rule{Detector: d})
	}
	b.suppressor = newSuppressor(p.suppress)
	b.outlets = newOutlets(p.outlets)
	return b
}

// signal wakes all who wait for moved. mu is held.
func (b *back) signal() {
	close(b.moved)
	b.moved = make(chan struct{})
}

// await waits, with mu held, until ready says so or ctx ends.
func (b *back) await(ctx context.Context, ready func() bool) error {
	for !ready() {
		moved := b.moved
		b.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
		}
		b.mu.Lock()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// merge takes a slice over: exactly once, in the order of its partition. It
// waits while commits fail, so that nothing piles up behind a full disk.
func (b *back) merge(ctx context.Context, s *slice) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.await(ctx, func() bool { return b.failing == nil && len(b.awaited) == 0 }); err != nil {
		return err
	}
	for _, start := range s.partial.Starts() {
		if start+b.p.plan.Pane <= b.marks.global {
			return fmt.Errorf("slice %d of partition %s reaches into pane %d, which the watermark %d has closed",
				s.n, s.partition, start, b.marks.global)
		}
	}
	if err := b.marks.merged(s); err != nil {
		return err
	}
	b.early(s.partial)
	b.pending.Absorb(s.partial)
	b.limitSources()
	b.advance()
	b.signal() // the one that was behind may no longer hold the others back
	return nil
}

// openStarts returns the starts of all panes that are not closed, ascending.
func (b *back) openStarts() []int64 {
	starts := append(b.open.Starts(), b.pending.Starts()...)
	slices.Sort(starts)
	return slices.Compact(starts)
}

// advance closes the panes that the watermark has passed. It does nothing until
// every source has announced its roots: one that is about to would find its
// oldest panes closed.
func (b *back) advance() {
	if len(b.awaited) > 0 || !b.marks.advance() {
		return
	}
	b.p.metrics.watermark(b.marks.global)
	for _, start := range b.openStarts() {
		if start+b.p.plan.Pane <= b.marks.global {
			b.closePane(start)
		}
	}
	if b.marks.global == aggregate.Forever && b.lastPane != aggregate.Never && !b.counters.Settled {
		b.counters.Settled = true
		b.lastLevels() // as of the last real pane
		// What waits one more pane for an answer has waited long enough.
		b.detect(&detect.Pane{
			Start: b.lastPane + b.p.plan.Pane, End: b.lastPane + 2*b.p.plan.Pane,
			Contacts: func(func(detect.Contact) bool) {},
		})
	}
	b.signal()
}

// closePane takes a pane off the open ones and shows it to the detectors and
// the gauges.
func (b *back) closePane(start int64) {
	began := time.Now()
	pane := b.takePane(start)
	pane.Derive(b.places)
	for i, g := range b.gauges {
		if g != nil {
			b.counters.LeftOut[g.view.Name] = g.show(pane.View(i))
		}
	}
	shown := b.p.paneOf(start, pane, &b.glances)
	shown.Late = b.late[start] + b.pending.Counts.LatePanes[start]
	delete(b.late, start)
	b.detect(shown)
	b.pending.Recycle(pane) // for the slices that are to come
	b.closed = append(b.closed, start)
	b.lastPane = start
	b.counters.PanesClosed++
	b.counters.Settled = false
	b.levels = nil
	b.p.metrics.paneClosed(time.Since(began))
}

// takePane takes both parts of an open pane: what is committed of it and what
// is not.
func (b *back) takePane(start int64) *aggregate.Pane {
	pane, fresh := b.open.Take(start), b.pending.Take(start)
	if fresh != nil {
		b.addTotals(fresh, start)
	}
	switch {
	case pane == nil:
		return fresh
	case fresh != nil:
		pane.Merge(fresh)
		b.pending.Recycle(fresh)
	}
	return pane
}

// addTotals counts what the pane that starts at start, or Never for none, got
// since the last commit.
func (b *back) addTotals(pane *aggregate.Pane, start int64) {
	for i, t := range b.totals {
		if t != nil {
			t.add(pane.View(i), start)
		}
	}
}

// detect runs every rule over a pane. Findings wait for the commit.
func (b *back) detect(pane *detect.Pane) {
	for _, r := range b.rules {
		for _, f := range r.Detect(pane) {
			b.raise(f)
		}
		b.counters.take(r.Detector)
	}
	b.suppressor.expire(pane.End)
	if len(b.raised) > 0 {
		b.hurry()
	}
}

// hurry asks for a commit at once: somebody waits for it.
func (b *back) hurry() {
	select {
	case b.urgent <- struct{}{}:
	default:
	}
}

// hold keeps a partition that can wait from running ahead of the others: those
// that are still being read. One that has ended holds the global watermark
// until its children have entered, but can't be waited for: of a merge, the
// other parent has to end first.
func (b *back) hold(ctx context.Context, id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.marks.partitions[id]
	if !p.Pull || p.Watermark == aggregate.Never {
		return nil
	}
	return b.await(ctx, func() bool {
		// While some partition has shown nothing at all, the distance is
		// taken from where this one began.
		return p.Watermark-max(b.marks.slowest(), p.first) <= holdBack
	})
}

// register adds partitions and commits that before it returns.
func (b *back) register(ctx context.Context, source string, starts []Start) error {
	b.mu.Lock()
	for _, s := range starts {
		b.marks.register(source, s)
	}
	b.announced(source)
	b.mu.Unlock()
	return b.p.commit(ctx)
}

// announced takes note that a source has named all its roots, or has none.
func (b *back) announced(source string) {
	delete(b.awaited, source)
	b.advance()
	b.signal()
}

// expect makes ready for the sources that will be read: each is waited for
// until it has announced its roots, and the partitions of all others, which an
// earlier configuration had, no longer hold event time back. Their positions
// stay.
func (b *back) expect(inputs []Input) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, in := range inputs {
		b.awaited[in.Source.Name()] = true
	}
	for _, id := range b.partitionIDs() {
		if p := b.marks.partitions[id]; !b.awaited[p.Source] && !p.left {
			p.left = true
			b.p.log.Warn("partition is of a source that the configuration no longer has; its position is kept",
				zap.String("partition", id), zap.String("source", p.Source))
		}
	}
}

// resume returns what is known of a source's partitions.
func (b *back) resume(source string) map[string]Resumed {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := make(map[string]Resumed)
	for id, p := range b.marks.partitions {
		if p.Source == source {
			known[id] = Resumed{Position: p.Position, Ended: p.Ended, Children: slices.Clone(p.Children)}
		}
	}
	return known
}

// begin hands a partition to the front half that will read it.
func (b *back) begin(part Partition) (partition, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.marks.partitions[part.ID()]
	switch {
	case p == nil:
		return partition{}, fmt.Errorf("partition %s was never registered", part.ID())
	case p.Ended:
		return partition{}, fmt.Errorf("partition %s has ended", part.ID())
	case p.reader != nil:
		return partition{}, fmt.Errorf("partition %s is being read already", part.ID())
	}
	p.reader = part
	// A source that reads has announced its roots, if there was any to announce.
	b.announced(p.Source)
	return *p, nil
}

// end takes note that a partition is read no further. Its reader still is told
// of the commit that covers the last position.
func (b *back) end(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.marks.partitions[id]
	b.retired[p.reader] = p.Position
	p.reader = nil
}

// readers returns the partitions being read, and those that were since the
// last commit, with how far each has come.
func (b *back) readers() map[Partition]Position {
	at := b.retired
	b.retired = make(map[Partition]Position)
	for _, p := range b.marks.partitions {
		if p.reader != nil {
			at[p.reader] = p.Position
		}
	}
	return at
}

// partitionIDs returns the known partitions in order.
func (b *back) partitionIDs() []string { return slices.Sorted(maps.Keys(b.marks.partitions)) }
