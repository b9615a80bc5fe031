package detect

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// The sizes that bound memory are counted in targets. A set that is no longer
// exact holds counters beside its sample.
const (
	targetsPerSource = 32
	largeSet         = 288
)

// evict drops the least suspicious sources until the table is within its
// limits: those with the fewest failures, then by address. A source with an
// open incident stays.
func (s *Scan) evict() {
	if !s.over(1) {
		return
	}
	for _, c := range s.leastSuspicious() {
		if !s.over(1) {
			break
		}
		s.evicted++
		for len(c.visits) > 0 {
			v := c.visits[0]
			s.countWaiting(v, nil)
			s.drop(v)
		}
	}
	s.ceiling = s.nextCeiling()
}

// crowdShare is the part of the table that sources of which a pane shows little
// may fill.
const crowdShare = 4

// refuses reports whether a visit of a source that is not held is evicted before
// it is taken: when a part of the table is full, those that would be slight even
// if nothing of theirs was ever answered. In a flood they are nearly all, and
// would be the first to go when the table is full; until then, keeping and
// committing them takes more memory than all else.
func (s *Scan) refuses(o *aggregate.Outcomes) bool {
	return s.held >= s.rule.sources/crowdShare && o.Failed+o.Answered+o.Pending < s.least &&
		(s.rule.sweep == 0 || o.Unknown == 0)
}

// nextCeiling leaves room for half as much again as there is, so that a flood
// is sorted a few times and not at every contact.
func (s *Scan) nextCeiling() float64 {
	limit := float64(s.rule.sources)
	return 1.5 * max(1, float64(s.held)/limit, float64(s.size)/(limit*targetsPerSource))
}

// over reports whether the table is above so many times its limits.
func (s *Scan) over(times float64) bool {
	sources := times * float64(s.rule.sources)
	return float64(s.held) > sources || float64(s.size) > sources*targetsPerSource
}

// candidate is a source that may be evicted, with what it is sorted by: there
// are many, so the address is compared as two numbers.
type candidate struct {
	weight int64
	hi, lo uint64
	*source
}

func (s *Scan) leastSuspicious() []candidate {
	candidates := make([]candidate, 0, len(s.sources))
	for _, src := range s.sources {
		if len(src.visits) == 0 || src.incident != nil && src.incident.Closed == 0 {
			continue
		}
		addr := src.key.addr.As16()
		c := candidate{hi: binary.BigEndian.Uint64(addr[:8]), lo: binary.BigEndian.Uint64(addr[8:]), source: src}
		for _, v := range src.visits {
			c.weight += int64(v.failed) + int64(v.pending)
		}
		candidates = append(candidates, c)
	}
	slices.SortFunc(candidates, func(a, b candidate) int {
		switch {
		case a.weight != b.weight:
			return cmp.Compare(a.weight, b.weight)
		case a.hi != b.hi:
			return cmp.Compare(a.hi, b.hi)
		case a.lo != b.lo:
			return cmp.Compare(a.lo, b.lo)
		}
		return a.key.compare(b.key)
	})
	return candidates
}
