package aggregate

import (
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/sketch"
)

// exactTargets is how many targets a set holds one by one.
const exactTargets = 128

// targetPrecision is the HyperLogLog precision of a large set: 2 KiB, 2.3 %
// standard error.
const targetPrecision = 11

// Targets is the set of targets that one source contacted, each with its
// evidence: exact up to 128 targets. A larger set counts targets, hosts and
// ports by HyperLogLog and keeps the evidence of the 128 targets with the
// least hashes: a bottom-k sample (Cohen and Kaplan, 2007), whose members are
// in every part of the set that saw them, so that their evidence is complete.
// Outcomes are then the counted total times the sample's shares.
//
// Merge is associative, commutative and idempotent: what a set says depends
// only on what was added, never on the order. The zero value is empty.
type Targets struct {
	// Most sources have one target in a pane: it lies here, without memory of its
	// own, until there is a second.
	first  [1]contact
	single bool      // first is all there is
	kept   []contact // all of them from two on, or the sample
	large  *largeSet // nil while exact
}

// largeSet is what a set has beside its sample.
type largeSet struct {
	targets, hosts, ports *sketch.HLL
	hashes                []uint64 // of kept
	greatest              int      // index of the greatest hash
}

// Outcomes counts distinct targets by outcome.
type Outcomes struct {
	Failed, Answered, Pending, Unknown int
	Rejected                           int // of Failed: with a REJECT
	SynOnly                            int // Pending: nothing but a SYN was seen
	Hosts, Ports                       int // distinct, among all targets
	Exact                              bool
}

// all returns the targets there are, or the sample, to be read or to be given
// more evidence.
func (s *Targets) all() []contact {
	if s.single {
		return s.first[:]
	}
	return s.kept
}

// Add puts evidence for one target into the set and reports whether the
// target is a new one, as far as the set can tell.
func (s *Targets) Add(t Target, e Evidence) bool {
	c := newContact(t, e)
	return s.add(&c)
}

// find adds evidence for a target that the set holds, and reports whether it does.
func (s *Targets) find(c *contact) bool {
	all := s.all()
	for i := range all {
		if all[i].same(c) {
			all[i].evidence |= c.evidence
			return true
		}
	}
	return false
}

func (s *Targets) add(c *contact) bool {
	switch {
	case s.find(c):
		return false
	case s.large == nil:
		s.push(c)
		if len(s.kept) > exactTargets {
			s.promote()
		}
		return true
	}
	h := c.hash()
	s.large.count(c, h)
	g := s.large.greatest
	if h >= s.large.hashes[g] {
		return false
	}
	s.kept[g], s.large.hashes[g] = *c, h
	s.large.findGreatest()
	return true
}

// push puts a target into an exact set that does not hold it.
func (s *Targets) push(c *contact) {
	switch {
	case s.single:
		s.kept = append(s.kept[:0], s.first[0], *c)
		s.single = false
	case len(s.kept) == 0:
		s.first[0], s.single = *c, true
	default:
		s.kept = append(s.kept, *c)
	}
}

// promote turns 129 exact targets into counters and a sample of 128.
func (s *Targets) promote() {
	s.enlarge()
	l := s.large
	s.kept[l.greatest], l.hashes[l.greatest] = s.kept[exactTargets], l.hashes[exactTargets]
	s.kept, l.hashes = s.kept[:exactTargets], l.hashes[:exactTargets]
	l.findGreatest()
}

// enlarge gives a set counters of what it holds.
func (s *Targets) enlarge() {
	s.large = &largeSet{
		targets: sketch.NewHLL(targetPrecision),
		hosts:   sketch.NewHLL(targetPrecision),
		ports:   sketch.NewHLL(targetPrecision),
		hashes:  make([]uint64, 0, exactTargets+1),
	}
	if s.single {
		s.kept = append(s.kept[:0], s.first[0])
		s.single = false
	}
	for i := range s.kept {
		h := s.kept[i].hash()
		s.large.count(&s.kept[i], h)
		s.large.hashes = append(s.large.hashes, h)
	}
	s.large.findGreatest()
}

func (l *largeSet) count(c *contact, hash uint64) {
	l.targets.Insert(hash)
	var b [16]byte
	l.hosts.Insert(sketch.Hash64(c.appendAddr(b[:0])))
	l.ports.Insert(sketch.Hash64(c.appendService(b[:0])))
}

func (l *largeSet) findGreatest() {
	l.greatest = 0
	for i, h := range l.hashes {
		if h > l.hashes[l.greatest] {
			l.greatest = i
		}
	}
}

// Merge adds all that o holds; o is not changed.
func (s *Targets) Merge(o *Targets) {
	if o.large != nil {
		if s.large == nil {
			s.enlarge() // before it holds more than 128 targets
		}
		s.large.merge(o.large)
	}
	theirs := o.all()
	if len(theirs) > 1 && s.held() == 0 {
		s.kept = slices.Grow(s.kept, len(theirs))
	}
	for i := range theirs {
		s.take(&theirs[i])
	}
}

// take is add for a target that the counters may have from their merge already:
// counting it again changes nothing, since counting is idempotent.
func (s *Targets) take(c *contact) {
	if s.large == nil || len(s.kept) == exactTargets {
		s.add(c)
		return
	}
	h := c.hash()
	s.large.count(c, h)
	if s.find(c) {
		return
	}
	s.kept, s.large.hashes = append(s.kept, *c), append(s.large.hashes, h)
	s.large.findGreatest()
}

func (l *largeSet) merge(o *largeSet) {
	// The precisions are one constant, so a mismatch can't happen.
	for _, pair := range [][2]*sketch.HLL{{l.targets, o.targets}, {l.hosts, o.hosts}, {l.ports, o.ports}} {
		if err := pair[0].Merge(pair[1]); err != nil {
			panic(fmt.Sprintf("aggregate: merge target counters: %v", err))
		}
	}
}

// Reset empties the set and keeps the memory of a few targets. More would pile up
// where sets are used again for one source after another: in the end each would
// have room for the widest of them.
func (s *Targets) Reset() {
	s.single, s.kept, s.large = false, s.kept[:0], nil
	if cap(s.kept) > spareTargets {
		s.kept = nil
	}
}

// spareTargets is the room that an emptied set keeps at most.
const spareTargets = 8

// held is how many targets there are one by one.
func (s *Targets) held() int { return len(s.all()) }

// Len returns the number of distinct targets (estimated above 128).
func (s *Targets) Len() int {
	if s.large == nil {
		return s.held()
	}
	return max(exactTargets+1, int(s.large.targets.Count()))
}

// Exact iterates over the targets by ascending (address, port, protocol), and
// reports whether these are all; a large set yields its sample.
func (s *Targets) Exact() (iter.Seq2[Target, Evidence], bool) {
	return func(yield func(Target, Evidence) bool) {
		for _, c := range s.sorted() {
			if !yield(c.target(), c.evidence) {
				return
			}
		}
	}, s.large == nil
}

// Each calls visit for the targets that Exact yields, in no particular order and
// without allocating.
func (s *Targets) Each(visit func(Target, Evidence)) {
	all := s.all()
	for i := range all {
		visit(all[i].target(), all[i].evidence)
	}
}

// AllExact reports whether Each and Exact go over all the targets.
func (s *Targets) AllExact() bool { return s.large == nil }

func (s *Targets) sorted() []contact {
	all := s.all()
	if len(all) < 2 {
		return all
	}
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b contact) int { return a.compare(&b) })
	return all
}

// Outcomes counts the set's targets by outcome: exact up to 128 targets.
func (s *Targets) Outcomes() Outcomes {
	o := s.Tally()
	if s.large == nil {
		o.Hosts, o.Ports = s.spread()
	} else {
		o.Hosts, o.Ports = int(s.large.hosts.Count()), int(s.large.ports.Count())
	}
	return o
}

// Tally is Outcomes without Hosts and Ports, which are most of the work.
func (s *Targets) Tally() Outcomes {
	var n [NoContact + 1]int
	rejected := 0
	all := s.all()
	for i := range all {
		c := &all[i]
		outcome := c.evidence.Outcome(c.protocol())
		n[outcome]++
		if outcome == Failed && c.evidence&Rejected != 0 {
			rejected++
		}
	}
	o := Outcomes{
		Failed: n[Failed], Answered: n[Answered], Pending: n[Pending], Unknown: n[Unknown],
		Rejected: rejected, SynOnly: n[Pending], Exact: s.large == nil,
	}
	if s.large != nil {
		scale := float64(s.Len()) / exactTargets
		for _, n := range []*int{&o.Failed, &o.Answered, &o.Pending, &o.Unknown, &o.Rejected, &o.SynOnly} {
			*n = int(math.Round(float64(*n) * scale))
		}
	}
	return o
}

// spread counts the distinct hosts and (port, protocol) pairs of an exact set.
func (s *Targets) spread() (hosts, ports int) {
	all := s.all()
	for i := range all {
		c := &all[i]
		newHost, newPort := true, true
		for j := range all[:i] {
			newHost = newHost && (all[j].hi != c.hi || all[j].lo != c.lo)
			newPort = newPort && all[j].service != c.service
		}
		if newHost {
			hosts++
		}
		if newPort {
			ports++
		}
	}
	return hosts, ports
}
