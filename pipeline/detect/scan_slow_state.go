package detect

import (
	"maps"
	"math"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// slowEntry is the kind of a source's entry of state.
const slowEntry = 's'

// Changes puts the incidents and sources that changed.
func (r *ScanSlow) Changes(put func(key, value []byte)) {
	r.ledger.changes(put)
	putChanged(r.sources, slowEntry, put)
	if r.last != math.MinInt64 {
		var e encoder
		e.fixed(r.last)
		put([]byte{lastEntry}, e)
	}
}

func (s *slowSource) encode() []byte {
	var e encoder
	e.string(s.about.region)
	e.string(s.about.iface)
	e.string(s.about.instance)
	e.int(s.records)
	e.int(s.first)
	e.int(s.last)
	targets := slices.SortedFunc(maps.Keys(s.targets), compareTargets)
	e.uint(uint64(len(targets)))
	for _, t := range targets {
		have := s.targets[t]
		e.target(t)
		e.int(have.at)
		e.int(have.seen)
		e.bool(have.waits)
		e.bool(have.answered)
		e.bool(have.rejected)
	}
	return e
}

// Restore takes the state of an earlier run with the same Version.
func (r *ScanSlow) Restore(next func() (key, value []byte, ok bool)) error {
	return restoreEach(r.Name(), next, r.restore)
}

func (r *ScanSlow) restore(key, value []byte) error {
	d := decoder{rest: value}
	switch key[0] {
	case incidentEntry:
		return r.ledger.restore(key, value)
	case lastEntry:
		r.last = d.fixed()
		return d.end("last pane")
	case slowEntry:
		at, err := decodeAddrKey(key)
		if err != nil {
			return err
		}
		s := &slowSource{tracked: tracked{stored: true}, targets: make(map[aggregate.Target]*slowTarget)}
		s.about = about{region: d.string(), iface: d.string(), instance: d.string()}
		s.records, s.first, s.last = d.int(), d.int(), d.int()
		for range d.number(slowTargets + 1) {
			t := d.target()
			s.targets[t] = &slowTarget{at: d.int(), seen: d.int(), waits: d.bool(), answered: d.bool(), rejected: d.bool()}
			s.fresh = s.fresh || s.targets[t].waits
			if d.broken {
				break
			}
		}
		r.sources[at] = s
		r.size += len(s.targets)
		return d.end("source")
	}
	return unknownEntry(key)
}
