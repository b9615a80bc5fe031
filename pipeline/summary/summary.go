// Package summary keeps the exact totals of one analysis: records, bytes and
// packets by direction, every distinct source, the top sources and ports.
//
// Counts, sums and distinct sources are exact and do not depend on the order of
// records, files or merges. The price is memory that grows with the number of
// sources, about 75 bytes for an IPv4 source, 85 for an IPv6 one, and 64 more for
// those with more than three targets: good for analysing what lies in files, not
// for a service that runs for ever.
package summary

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
	"github.com/flowwatch/flowwatch/pipeline/sketch"
)

// Null stands for a number that the record does not have: the format lacks the
// column, or the value is "-". So does any other negative number.
const Null = -1

// Flow is one OK record, with what has been decided about it.
type Flow struct {
	Direction      int        // flowlog.Ingress, flowlog.Egress, or 0: unknown
	Source, Target netip.Addr // the zero Addr is null
	DstPort        int64
	Protocol       int64
	Packets, Bytes int64
	Action         int   // flowlog.Accept, flowlog.Reject, or 0: null
	Start, End     int64 // Unix seconds
}

// has says which columns any record had: what none had is null in the report,
// not zero.
type has uint8

const (
	hasBytes has = 1 << iota
	hasPackets
	hasAction
	hasSource
	hasTarget
)

// directions are unknown, flowlog.Ingress and flowlog.Egress.
const directions = 3

// direction is the totals of the records of one direction.
type direction struct {
	records, bytes, packets, accepted, rejected int64
}

// Summary is the totals of some records. It is not safe for concurrent use:
// every goroutine that reads has its own, and in the end they are merged. The
// zero value is empty.
//
// Sums stop at the greatest int64, and stay there: adding and merging keep
// being associative and commutative.
type Summary struct {
	ok, noData, skipData, late int64
	malformed                  map[string]int64

	has        has
	directions [directions]direction
	first      int64 // least start, when timed
	last       int64 // greatest end, when timed
	timed      bool
	timeline   timeline

	v4    table[uint32]
	v6    table[[16]byte]
	ports ports             // ingress, by destination
	few   pages[fewTargets] // by the number in totals
	batch []sighting        // of IPv4 sources, not counted yet
	many  []*sketch.Distinct
}

// AddNoData counts records of status NODATA.
func (s *Summary) AddNoData(n int64) { s.noData = add(s.noData, n) }

// AddSkipData counts records of status SKIPDATA.
func (s *Summary) AddSkipData(n int64) { s.skipData = add(s.skipData, n) }

// AddLate counts records that came after their pane was closed. They have been
// added like any other, too.
func (s *Summary) AddLate(n int64) { s.late = add(s.late, n) }

// AddMalformed counts lines that are no records.
func (s *Summary) AddMalformed(reason string, n int64) {
	if s.malformed == nil {
		s.malformed = make(map[string]int64)
	}
	s.malformed[reason] = add(s.malformed[reason], n)
}

// Add counts an OK record. It allocates only while tables grow.
func (s *Summary) Add(f *Flow) {
	s.ok = add(s.ok, 1)
	d := &s.directions[f.Direction]
	d.records = add(d.records, 1)
	if f.Bytes >= 0 {
		s.has |= hasBytes
		d.bytes = add(d.bytes, f.Bytes)
	}
	if f.Packets >= 0 {
		s.has |= hasPackets
		d.packets = add(d.packets, f.Packets)
	}
	switch f.Action {
	case flowlog.Accept:
		s.has |= hasAction
		d.accepted = add(d.accepted, 1)
	case flowlog.Reject:
		s.has |= hasAction
		d.rejected = add(d.rejected, 1)
	}
	if f.Start >= 0 && f.End >= 0 {
		s.span(f.Start, f.End)
		s.timeline.add(f)
	}
	if f.Source.IsValid() {
		s.has |= hasSource
		s.see(f)
	}
	if f.Direction == flowlog.Ingress && f.DstPort >= 0 && f.Protocol >= 0 {
		s.ports.add(uint8(f.Protocol), uint16(f.DstPort), 1)
	}
}

func (s *Summary) span(first, last int64) {
	if !s.timed {
		s.first, s.last, s.timed = first, last, true
		return
	}
	s.first, s.last = min(s.first, first), max(s.last, last)
}

// hash32 and hash128 need not be kept: they only place keys in a table.
func hash32(key uint32) uint32 {
	hi, lo := bits.Mul64(uint64(key)^0xa0761d6478bd642f, 0xe7037ed1a0b428db)
	return uint32(hi ^ lo)
}

func hash128(key [16]byte) uint32 {
	a, b := binary.LittleEndian.Uint64(key[:8]), binary.LittleEndian.Uint64(key[8:])
	hi, lo := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return hash32(uint32(hi^lo)) ^ uint32((hi^lo)>>32)
}

// add is a sum of two numbers that are not negative, at most the greatest
// int64.
func add(a, b int64) int64 {
	if sum := a + b; sum >= 0 {
		return sum
	}
	return math.MaxInt64
}
