package detect

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

const scanVersion = "1"

// Scan is the rules scan.internal and scan.external: a threshold random walk
// over the outcomes of a source's first contacts (Jung, Paxson, Berger and
// Balakrishnan, 2004). A scanner does not know what is there, so most of what
// it tries fails; anyone else mostly gets answers. Each distinct target moves
// the walk once, by its outcome over the window.
//
// A contact of which only SYNs were seen is undecided until the next pane has
// closed: its answer may be recorded there. It then counts in its own pane.
// Unanswered UDP and ICMP wait the same way. So each window is judged twice:
// with what has surely failed when its last pane closes, and in full one pane
// later.
type Scan struct {
	rule    *scanRule
	pane    int64 // seconds
	window  int64 // seconds of the longest window
	least   int   // outcomes that a visit must have, unless its source is held
	last    int64 // start of the last pane
	sources map[addrKey]*source
	buckets []bucket // by ascending start
	size    int      // of all visits
	held    int      // sources with visits
	// incidents holds the sources with an incident, open or closed lately.
	incidents map[addrKey]*source

	evictions
	outcomes  ScanOutcomes
	ceiling   float64 // times the limits at which even the middle of a pane evicts
	unsaved   []*visit
	deleted   [][]byte // keys of persisted entries
	lastSaved int64
	own       func(netip.Addr) bool                   // of the last pane
	next      map[aggregate.Target]aggregate.Evidence // scratch of settle
	settled   []settled                               // scratch of settle
	sieve     sieve                                   // of sources, as the pane began
	found     []Finding
}

// ScanOutcomes counts distinct targets of closed panes by outcome; a target
// contacted by two sources, or in two panes, counts twice. Targets of allowed
// sources are not counted.
type ScanOutcomes struct{ Failed, Answered, Unknown int64 }

func newScan(rule *scanRule, pane time.Duration) *Scan {
	s := &Scan{
		rule: rule, pane: int64(pane / time.Second), last: math.MinInt64, lastSaved: math.MinInt64,
		sources: make(map[addrKey]*source), incidents: make(map[addrKey]*source),
		next: make(map[aggregate.Target]aggregate.Evidence),
	}
	for _, t := range rule.tests {
		s.window = max(s.window, s.panes(t.seconds)*s.pane)
	}
	s.least = s.leastOutcomes()
	return s
}

// panes returns how many panes make up a window: at least one.
func (s *Scan) panes(seconds int64) int64 { return max(1, seconds/s.pane) }

// Name returns "scan.internal" or "scan.external".
func (s *Scan) Name() string { return s.rule.name }

// Version tells apart states that can't be read as one another's.
func (s *Scan) Version() string {
	return fmt.Sprintf("%s pane=%d tests=%v sweep=%d alpha=%g sources=%d",
		scanVersion, s.pane, s.rule.tests, s.rule.sweep, s.rule.alpha, s.rule.sources)
}

// TakeOutcomes returns what was counted since the last call. Targets that wait
// for an answer are counted one pane later.
func (s *Scan) TakeOutcomes() ScanOutcomes {
	o := s.outcomes
	s.outcomes = ScanOutcomes{}
	return o
}

// Detect judges every source of the pane and of the pane before. A pane
// without loads and contacts is allowed: it decides what has waited.
func (s *Scan) Detect(pane *Pane) []Finding {
	s.found = s.found[:0]
	s.own = pane.own
	s.expire()
	s.visit(pane)
	s.decide(pane)
	s.closeUncovered(pane)
	for _, v := range s.visitsAt(pane.Start) {
		if j, ok := s.judge(v, nil, false); ok {
			s.strike(v.source, j, pane.End, pane)
		}
	}
	s.moveOn(pane)
	s.last = pane.Start
	s.evict()
	s.unsaved = slices.DeleteFunc(s.unsaved, func(v *visit) bool { return v.gone })
	sortFindings(s.found)
	return s.found
}

// visit takes the pane's contacts. They come in no particular order, and all
// that follows goes by key.
func (s *Scan) visit(pane *Pane) {
	s.buckets = append(s.buckets, bucket{start: pane.Start})
	s.ceiling = s.nextCeiling()
	fill(&s.sieve, s.sources)
	for c := range pane.Where(s.wants) {
		s.take(&c, pane.Start)
		if s.over(s.ceiling) {
			s.evict() // a flood of sources must not wait for the end of the pane
		}
	}
	taken := &s.buckets[len(s.buckets)-1]
	slices.SortFunc(taken.visits, func(a, b *visit) int { return a.source.key.compare(b.source.key) })
	s.unsaved = append(s.unsaved, taken.visits...)
}

// decide judges the last pane's sources in full, now that it is known what has
// been answered in the pane after it. When that one had no records, nothing
// was: the time of the decision is its end all the same.
func (s *Scan) decide(pane *Pane) {
	if s.last == math.MinInt64 {
		return
	}
	decided := s.last + 2*s.pane
	for _, v := range s.visitsAt(s.last) {
		var answers *visit
		if now := v.source.newest(); now.start == s.last+s.pane {
			answers = now
		}
		s.countWaiting(v, answers)
		if v.pending == 0 && (s.rule.sweep == 0 || v.unknown == 0) {
			continue // judged when its pane closed
		}
		if j, ok := s.judge(v, answers, true); ok {
			s.strike(v.source, j, decided, pane)
		}
	}
}
