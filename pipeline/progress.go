package pipeline

import (
	"cmp"
	"fmt"
	"sync"
	"time"
)

// stalledAfter is how long a partition may read without getting anywhere though
// its payloads wait. A source's own retries and iterator renewals take less.
const stalledAfter = 5 * time.Minute

// progress is how far the readers of all partitions get, on the real clock. It
// tells a reader that hangs from one that is held back on purpose.
type progress struct {
	mu      sync.Mutex
	readers map[string]*reader
}

type reader struct {
	progressed time.Time     // when it last got payloads, proved that there are none, or was let go
	known      string        // what the reads since then tell
	held       time.Time     // since when the back half keeps it from reading; zero: it reads
	lag        time.Duration // of the last read
}

func newProgress() *progress { return &progress{readers: map[string]*reader{}} }

func (p *progress) begin(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readers[id] = &reader{progressed: time.Now()}
}

func (p *progress) end(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.readers, id)
}

// read takes in what a read returned: payloads, or the proof that none wait, are
// progress; an empty read behind the tip is none.
func (p *progress) read(id string, b *Batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.readers[id]
	if r == nil {
		return
	}
	r.lag = b.Lag
	switch {
	case len(b.Payloads) > 0 || b.Idle || b.Lag <= 0 && b.Unread == "":
		r.progressed, r.known = time.Now(), ""
	default:
		r.known = cmp.Or(b.Unread, "records wait")
	}
}

// lag is how far the last read was behind; reading is false when nobody reads.
func (p *progress) lag(id string) (lag time.Duration, reading bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.readers[id]
	if r == nil {
		return 0, false
	}
	return r.lag, true
}

// hold says that the back half has the reader from now on: it merges, waits for
// commits or for slower partitions.
func (p *progress) hold(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.readers[id]; r != nil {
		r.held = time.Now()
	}
}

// release gives a held reader its time back: what it was held does not count
// against it.
func (p *progress) release(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.readers[id]; r != nil && !r.held.IsZero() {
		r.progressed = r.progressed.Add(time.Since(r.held))
		r.held = time.Time{}
	}
}

// stalled is the partition that has gone longest without progress, and for how
// long, and what is known of why; empty when none has for stalledAfter.
func (p *progress) stalled() (id string, since time.Duration, known string) {
	id, since = p.longest(func(r *reader) time.Duration {
		if !r.held.IsZero() {
			return 0
		}
		return time.Since(r.progressed)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.readers[id]; r != nil {
		known = cmp.Or(r.known, "its reader hangs")
	}
	return id, since, known
}

// heldBack is the same of the partitions that are held back.
func (p *progress) heldBack() (id string, since time.Duration) {
	return p.longest(func(r *reader) time.Duration {
		if r.held.IsZero() {
			return 0
		}
		return time.Since(r.held)
	})
}

func (p *progress) longest(of func(*reader) time.Duration) (id string, since time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for reader, r := range p.readers {
		if d := of(r); d > stalledAfter && (d > since || d == since && reader < id) {
			id, since = reader, d
		}
	}
	return id, since
}

// Health reports, as an error, a partition whose reader has been stuck for five
// minutes: no payload, no proof that none waits, and nothing that holds it back.
// It says what is known: records wait, or the service does not answer (then
// whether they do is not known).
// A restart may help it, which of commits that fail can't be said; Ready tells
// of those.
func (p *Pipeline) Health() error {
	if id, since, known := p.progress.stalled(); id != "" {
		return fmt.Errorf("partition %s: nothing read for %s: %s", id, since.Round(time.Second), known)
	}
	return nil
}
