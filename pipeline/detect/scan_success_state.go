package detect

import (
	"maps"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// scannerEntry is the kind of a source's entry of state.
const scannerEntry = 'c'

// Changes puts the incidents and sources that changed.
func (r *ScanSuccess) Changes(put func(key, value []byte)) {
	r.ledger.changes(put)
	putChanged(r.sources, scannerEntry, put)
}

func (s *scanner) encode() []byte {
	var e encoder
	e.bool(s.internal)
	e.int(s.since)
	e.int(s.seen)
	met := slices.SortedFunc(maps.Keys(s.targets), compareTargets)
	e.uint(uint64(len(met)))
	for _, t := range met {
		f := s.targets[t]
		e.target(t)
		e.int(f.pane)
		e.int(f.waits)
		e.bool(f.answered)
		e.bool(f.own)
	}
	for _, set := range []map[aggregate.Target]bool{s.hosts, s.known, s.open} {
		targets := slices.SortedFunc(maps.Keys(set), compareTargets)
		e.uint(uint64(len(targets)))
		for _, t := range targets {
			e.target(t)
		}
	}
	return e
}

// Restore takes the state of an earlier run with the same Version.
func (r *ScanSuccess) Restore(next func() (key, value []byte, ok bool)) error {
	return restoreEach(r.Name(), next, r.restore)
}

func (r *ScanSuccess) restore(key, value []byte) error {
	switch key[0] {
	case incidentEntry:
		return r.ledger.restore(key, value)
	case scannerEntry:
		at, err := decodeAddrKey(key)
		if err != nil {
			return err
		}
		r.sources[at], err = decodeScanner(value)
		return err
	}
	return unknownEntry(key)
}

func decodeScanner(b []byte) (*scanner, error) {
	d := decoder{rest: b}
	s := newScanner(d.bool())
	s.since, s.seen, s.stored = d.int(), d.int(), true
	for range d.number(successTargets + 1) {
		t := d.target()
		s.targets[t] = fate{pane: d.int(), waits: d.int(), answered: d.bool(), own: d.bool()}
	}
	for _, set := range []map[aggregate.Target]bool{s.hosts, s.known, s.open} {
		for range d.number(2*successHosts + 1) {
			t := d.target()
			set[t] = true
		}
	}
	return s, d.end("source")
}
