package aggregate

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/netip"
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
	kept  []contact // all of them, or the sample
	large *largeSet // nil while exact
}

// contact is one target with its evidence; it holds no pointer.
type contact struct {
	hash     uint64
	addr     [16]byte
	port     uint16
	evidence Evidence
	protocol uint8
}

type largeSet struct {
	targets, hosts, ports *sketch.HLL
	greatest              int // index in kept of the greatest hash
}

// Outcomes counts distinct targets by outcome.
type Outcomes struct {
	Failed, Answered, Pending, Unknown int
	Rejected                           int // of Failed: with a REJECT
	SynOnly                            int // Pending: nothing but a SYN was seen
	Hosts, Ports                       int // distinct, among all targets
	Exact                              bool
}

func newContact(t Target, e Evidence) contact {
	c := contact{addr: t.Addr.As16(), port: t.Port, protocol: t.Protocol, evidence: e}
	var b [19]byte
	copy(b[:], c.addr[:])
	binary.BigEndian.PutUint16(b[16:], c.port)
	b[18] = c.protocol
	c.hash = sketch.Hash64(b[:])
	return c
}

func (c *contact) same(o *contact) bool {
	return c.hash == o.hash && c.addr == o.addr && c.port == o.port && c.protocol == o.protocol
}

// target returns the contact's target; IPv4 addresses come back as such.
func (c *contact) target() Target {
	return Target{netip.AddrFrom16(c.addr).Unmap(), c.port, c.protocol}
}

// Add puts evidence for one target into the set and reports whether the
// target is a new one, as far as the set can tell.
func (s *Targets) Add(t Target, e Evidence) bool {
	c := newContact(t, e)
	return s.add(&c)
}

func (s *Targets) add(c *contact) bool {
	for i := range s.kept {
		if s.kept[i].hash == c.hash && s.kept[i].same(c) {
			s.kept[i].evidence |= c.evidence
			return false
		}
	}
	if s.large == nil {
		s.kept = append(s.kept, *c)
		if len(s.kept) > exactTargets {
			s.promote()
		}
		return true
	}
	s.large.count(c)
	g := &s.kept[s.large.greatest]
	if c.hash >= g.hash {
		return false
	}
	*g = *c
	s.findGreatest()
	return true
}

// promote turns 129 exact targets into counters and a sample of 128.
func (s *Targets) promote() {
	s.large = &largeSet{
		targets: sketch.NewHLL(targetPrecision),
		hosts:   sketch.NewHLL(targetPrecision),
		ports:   sketch.NewHLL(targetPrecision),
	}
	for i := range s.kept {
		s.large.count(&s.kept[i])
	}
	s.findGreatest()
	g := s.large.greatest
	s.kept[g] = s.kept[exactTargets]
	s.kept = s.kept[:exactTargets]
	s.findGreatest()
}

func (l *largeSet) count(c *contact) {
	l.targets.Insert(c.hash)
	l.hosts.Insert(sketch.Hash64(c.addr[:]))
	var b [3]byte
	binary.BigEndian.PutUint16(b[:], c.port)
	b[2] = c.protocol
	l.ports.Insert(sketch.Hash64(b[:]))
}

func (s *Targets) findGreatest() {
	g := 0
	for i := range s.kept {
		if s.kept[i].hash > s.kept[g].hash {
			g = i
		}
	}
	s.large.greatest = g
}

// Merge adds all that o holds; o is not changed.
func (s *Targets) Merge(o *Targets) {
	if o.large != nil && s.large == nil {
		s.promoteEmpty()
	}
	if o.large != nil {
		s.large.merge(o.large)
	}
	for i := range o.kept {
		s.take(&o.kept[i])
	}
}

// take is add for a target that the counters may have from their merge already:
// counting it again changes nothing, since counting is idempotent.
func (s *Targets) take(c *contact) {
	if s.large != nil && len(s.kept) < exactTargets {
		s.large.count(c)
		for i := range s.kept {
			if s.kept[i].same(c) {
				s.kept[i].evidence |= c.evidence
				return
			}
		}
		s.kept = append(s.kept, *c)
		s.findGreatest()
		return
	}
	s.add(c)
}

// promoteEmpty makes a set large before it holds more than 128 targets, to
// receive one that does.
func (s *Targets) promoteEmpty() {
	s.large = &largeSet{
		targets: sketch.NewHLL(targetPrecision),
		hosts:   sketch.NewHLL(targetPrecision),
		ports:   sketch.NewHLL(targetPrecision),
	}
	for i := range s.kept {
		s.large.count(&s.kept[i])
	}
	if len(s.kept) > 0 {
		s.findGreatest()
	}
}

func (l *largeSet) merge(o *largeSet) {
	// The precisions are one constant, so a mismatch can't happen.
	for _, pair := range [][2]*sketch.HLL{{l.targets, o.targets}, {l.hosts, o.hosts}, {l.ports, o.ports}} {
		if err := pair[0].Merge(pair[1]); err != nil {
			panic(fmt.Sprintf("aggregate: merge target counters: %v", err))
		}
	}
}

// Reset empties the set and keeps the memory of its exact part.
func (s *Targets) Reset() { s.kept, s.large = s.kept[:0], nil }

// Len returns the number of distinct targets (estimated above 128).
func (s *Targets) Len() int {
	if s.large == nil {
		return len(s.kept)
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
	for i := range s.kept {
		visit(s.kept[i].target(), s.kept[i].evidence)
	}
}

// AllExact reports whether Each and Exact go over all the targets.
func (s *Targets) AllExact() bool { return s.large == nil }

func (s *Targets) sorted() []contact {
	if len(s.kept) < 2 {
		return s.kept
	}
	kept := slices.Clone(s.kept)
	slices.SortFunc(kept, func(a, b contact) int {
		return cmp.Or(bytes.Compare(a.addr[:], b.addr[:]), cmp.Compare(a.port, b.port), cmp.Compare(a.protocol, b.protocol))
	})
	return kept
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
	for i := range s.kept {
		c := &s.kept[i]
		outcome := c.evidence.Outcome(c.protocol)
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
	for i := range s.kept {
		c := &s.kept[i]
		newHost, newPort := true, true
		for j := range s.kept[:i] {
			newHost = newHost && s.kept[j].addr != c.addr
			newPort = newPort && (s.kept[j].port != c.port || s.kept[j].protocol != c.protocol)
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

// AppendBinary appends the set's canonical form: equal sets give equal bytes.
func (s *Targets) AppendBinary(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.kept)))
	for _, c := range s.sorted() {
		b = append(b, c.addr[:]...)
		b = binary.BigEndian.AppendUint16(b, c.port)
		b = append(b, c.protocol)
		b = binary.BigEndian.AppendUint16(b, uint16(c.evidence))
	}
	if s.large == nil {
		return append(b, 0)
	}
	b = append(b, 1)
	for _, h := range []*sketch.HLL{s.large.targets, s.large.hosts, s.large.ports} {
		part := h.AppendBinary(nil)
		b = appendPart(b, part)
	}
	return b
}

var errTargets = errors.New("broken set of targets")

// DecodeTargets reads what AppendBinary wrote and returns the rest of b.
func DecodeTargets(b []byte) (*Targets, []byte, error) {
	const size = 16 + 2 + 1 + 2
	n, used := binary.Uvarint(b)
	if used <= 0 || n > exactTargets || uint64(len(b)-used) < n*size+1 {
		return nil, nil, errTargets
	}
	b = b[used:]
	s := &Targets{kept: make([]contact, 0, n)}
	for range n {
		t := Target{netip.AddrFrom16([16]byte(b[:16])).Unmap(), binary.BigEndian.Uint16(b[16:]), b[18]}
		s.kept = append(s.kept, newContact(t, Evidence(binary.BigEndian.Uint16(b[19:]))))
		b = b[size:]
	}
	large := b[0]
	b = b[1:]
	if large == 0 {
		return s, b, nil
	}
	s.large = &largeSet{}
	for _, h := range []**sketch.HLL{&s.large.targets, &s.large.hosts, &s.large.ports} {
		part, rest, ok := nextPart(b)
		if !ok {
			return nil, nil, errTargets
		}
		*h, b = sketch.NewHLL(targetPrecision), rest
		if left, err := (*h).DecodeBinary(part); err != nil || len(left) > 0 || (*h).Precision() != targetPrecision {
			return nil, nil, errors.Join(errTargets, err)
		}
	}
	if len(s.kept) == 0 {
		return nil, nil, errTargets
	}
	s.findGreatest()
	return s, b, nil
}
