package pipeline

import (
	"time"

	"go.uber.org/zap"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// crowdedEvery is how often the log says that sources are evicted.
const crowdedEvery = time.Minute

// limitSources drops outside sources when open panes hold more entries than the
// limit: half of them, so that it is seldom done.
func (b *back) limitSources() {
	if b.crowdedOut() {
		b.evictSources()
	}
}

// crowdedOut reports whether there are too many entries. What is of the own
// networks stays, and when that alone is more than the limit, only what has come
// since the last time makes this look again.
func (b *back) crowdedOut() bool {
	n, limit := b.entries(), b.p.sources
	return limit > 0 && n > max(limit, b.crowd+limit/2)
}

// evictBeforeCommit keeps a commit small while sources are being evicted: what
// would go soon after need not be made durable.
func (b *back) evictBeforeCommit() {
	n := b.entries()
	switch {
	case b.crowd == 0:
	case n <= b.p.sources/sourcesKept:
		b.crowd = 0 // the flood is over
	case n > b.crowd:
		b.evictSources()
	}
}

// sourcesKept is the part of the limit that an eviction leaves, one in so many.
const sourcesKept = 2

// evict lets sources go and returns how many.
func (b *back) evict() int {
	n := aggregate.Evict(b.p.sources/sourcesKept, b.p.enricher, b.open, b.pending)
	b.crowd = b.entries()
	return n
}

func (b *back) evictSources() {
	evicted := b.evict()
	if evicted == 0 {
		return
	}
	if now := b.p.clock(); now.Sub(b.crowded) >= crowdedEvery {
		b.crowded = now
		b.p.log.Warn("more sources than the limit: those with the fewest targets and records were dropped",
			zap.Int("limit", b.p.sources), zap.Int("evicted", evicted), zap.Int("held", b.crowd))
	}
	b.counters.Evicted["sources"] += int64(evicted)
}

// entries counts what open panes hold of sources.
func (b *back) entries() int { return b.open.Entries() + b.pending.Entries() }
