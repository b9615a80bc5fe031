// Package status serves a page that shows what flowwatch sees now: how far it
// has read, open incidents with their evidence, and the last hour.
//
// The page reads what the pipeline publishes after each commit (Published) and
// waits for nothing of the pipeline: what it shows is committed, and a browser
// can't slow the reading. It keeps a sample every few seconds of the last hour
// and the last panes; its memory has a bound.
package status

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// Dependencies are what a page shows. None of the functions may block.
type Dependencies struct {
	Published   func() *pipeline.Published // never nil
	Health      func() error               // nil while readers get on
	CommitError func() error               // nil while commits succeed
	Clock       func() time.Time           // "now" of event time
	Pane        time.Duration
	Version     string
	Place       func(netip.Addr) enrich.Place // where an address belongs
	GeoDate     string                        // of the built-in table of places, "" where there is none
	// Local says that the page is served on a loopback address. Then it answers
	// only to names of this machine: a page elsewhere that has its own name
	// point here would else read it through the visitor's browser.
	Local bool
}

// sampleEvery is how often the page looks at what is published. Commits are a
// second apart at least, so it misses none.
const sampleEvery = 500 * time.Millisecond

// Page is the status page of one pipeline.
type Page struct {
	d       Dependencies
	history history // owned by Run
	current atomic.Pointer[view]
}

// New returns a page that shows the state of now; Run keeps it up to date.
func New(d Dependencies) *Page {
	p := &Page{d: d}
	p.look(time.Now())
	return p
}

// Run looks at what is published until ctx ends.
func (p *Page) Run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			p.look(now)
		}
	}
}

// look makes the next view.
func (p *Page) look(now time.Time) {
	published := p.d.Published()
	p.history.take(published, now)
	v := &view{state: p.stateOf(published, now)}
	charts := p.history.charts(published, int64(p.d.Pane/time.Second))
	v.html = sync.OnceValues(func() ([]byte, error) { return render(&p.d, v.state, published, charts) })
	p.current.Store(v)
}

// view is what is shown until the next look. It does not change.
type view struct {
	state *State
	html  func() ([]byte, error) // the page, made when first asked for
}
