package summary

import (
	"encoding/binary"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// sighting is what one record tells of its source.
type sighting struct {
	source, hash   uint32 // of IPv4
	direction      int
	packets, bytes int64
	target         uint64 // its hash, 0 for none
}

// sightings is how many are counted at a time. Each needs three places in
// tables that are too large for the caches. One after the other that would be
// most of the time; in a row of loads that do not depend on one another, the
// processor waits for many at once.
const sightings = 64

// see notes the source of a record.
func (s *Summary) see(f *Flow) {
	n := sighting{direction: f.Direction}
	if f.Direction == flowlog.Ingress {
		n.packets, n.bytes = max(f.Packets, 0), max(f.Bytes, 0)
		if f.Target.IsValid() {
			s.has |= hasTarget
			n.target = targetHash(f)
		}
	}
	if !f.Source.Is4() {
		key := f.Source.As16()
		s.count(&n, &s.v6.at(key, hash128(key)).totals)
		return
	}
	b := f.Source.As4()
	n.source = binary.BigEndian.Uint32(b[:])
	n.hash = hash32(n.source)
	if s.batch = append(s.batch, n); len(s.batch) == sightings {
		s.flush()
	}
}

// flush counts what see has noted.
func (s *Summary) flush() {
	s.fetch()
	for i := range s.batch {
		n := &s.batch[i]
		s.count(n, &s.v4.at(n.source, n.hash).totals)
	}
	s.batch = s.batch[:0]
}

// fetch brings what flush will need into the caches: the likely slots of the
// index, then the entries, then the targets. Its result has no meaning.
func (s *Summary) fetch() (touched uint64) {
	if s.v4.len() == 0 {
		return 0
	}
	var slots [sightings]uint64
	for i := range s.batch {
		slots[i] = s.v4.slot(s.batch[i].hash)
	}
	var few [sightings]int
	for i, slot := range slots[:len(s.batch)] {
		if slot != 0 {
			few[i] = s.v4.entries.at(int(uint32(slot)) - 1).few()
		}
	}
	for _, n := range few[:len(s.batch)] {
		if n > 0 {
			touched += s.few.at(n - 1).hashes[0]
		}
	}
	return touched
}

// count adds a sighting to its source.
func (s *Summary) count(n *sighting, t *totals) {
	t.state |= 1 << n.direction
	if n.direction != flowlog.Ingress {
		return
	}
	t.records = add(t.records, 1)
	t.bytes = add(t.bytes, n.bytes)
	t.packets = add(t.packets, n.packets)
	if n.target != 0 {
		s.addTarget(t, n.target)
	}
}
