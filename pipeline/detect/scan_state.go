package detect

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// The entries of the rule's state besides incidents: the visits of a source,
// one entry each since they do not change, and the start of the last pane.
const (
	visitEntry = 'v'
	lastEntry  = 't'
)

const visitFormat = 1

func (v *visit) entry() []byte {
	e := v.source.key.entry(visitEntry)
	e.fixed(v.start)
	return e
}

// unsave notes a visit that is no more.
func (s *Scan) unsave(v *visit) {
	if v.stored {
		s.deleted = append(s.deleted, v.entry())
	}
}

func (s *Scan) unsaveIncident(src *source) {
	if src.incidentStored {
		s.deleted = append(s.deleted, src.key.entry(incidentEntry))
	}
	src.incidentStored, src.incidentChanged = false, false
}

// Changes puts the visits of the panes since the last call, the incidents that
// changed, and the start of the last pane.
func (s *Scan) Changes(put func(key, value []byte)) {
	for _, key := range s.deleted {
		put(key, nil)
	}
	s.deleted = s.deleted[:0]
	for _, v := range s.unsaved {
		put(v.entry(), v.encode())
		v.stored = true
	}
	s.unsaved = s.unsaved[:0]
	for _, src := range s.changedIncidents() {
		put(src.key.entry(incidentEntry), src.incident.encode())
		src.incidentStored, src.incidentChanged = true, false
	}
	if s.lastSaved != s.last {
		var e encoder
		e.fixed(s.last)
		put([]byte{lastEntry}, e)
		s.lastSaved = s.last
	}
}

func (s *Scan) changedIncidents() []*source {
	var changed []*source
	for _, src := range s.incidents {
		if src.incidentChanged {
			changed = append(changed, src)
		}
	}
	slices.SortFunc(changed, func(a, b *source) int { return a.key.compare(b.key) })
	return changed
}

func (v *visit) encode() []byte {
	e := encoder{visitFormat}
	e.int(v.first)
	e.int(v.last)
	e.int(v.records)
	a := v.told()
	e.string(a.region)
	e.string(a.iface)
	e.string(a.instance)
	return v.targets.AppendBinary(e)
}

func decodeVisit(b []byte) (*visit, error) {
	d := decoder{rest: b}
	if d.byte() != visitFormat {
		d.fail()
	}
	v := &visit{first: d.int(), last: d.int(), records: d.int()}
	v.tell(about{region: d.string(), iface: d.string(), instance: d.string()})
	if d.broken {
		return nil, fmt.Errorf("visit: %w", errState)
	}
	targets, rest, err := aggregate.DecodeTargets(d.rest)
	if err != nil {
		return nil, fmt.Errorf("visit: %w", err)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("visit: %w", errState)
	}
	v.targets = *targets
	o := v.targets.Tally()
	v.weigh(&o)
	return v, nil
}

// Restore takes the state of an earlier run with the same Version. After an
// error the rule must not be used.
func (s *Scan) Restore(next func() (key, value []byte, ok bool)) error {
	type restored struct {
		key addrKey
		*visit
	}
	var visits []restored
	err := restoreEach(s.rule.name, next, func(key, value []byte) error {
		k, v, err := s.restore(key, bytes.Clone(value))
		if v != nil {
			visits = append(visits, restored{k, v})
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(visits, func(a, b restored) int {
		return cmp.Or(cmp.Compare(a.start, b.start), a.key.compare(b.key))
	})
	for _, v := range visits {
		if n := len(s.buckets); n == 0 || s.buckets[n-1].start != v.start {
			s.buckets = append(s.buckets, bucket{start: v.start})
		}
		v.stored, v.waiting = true, v.start == s.last
		s.add(v.key, v.visit)
	}
	s.lastSaved = s.last
	return nil
}

// restore reads one entry; visits are returned, to be added in order.
func (s *Scan) restore(key, value []byte) (addrKey, *visit, error) {
	d := decoder{rest: key}
	kind := d.byte()
	if kind == lastEntry {
		v := decoder{rest: value}
		s.last = v.fixed()
		return addrKey{}, nil, v.end("last pane")
	}
	k := d.addrKey()
	switch kind {
	case visitEntry:
		start := d.fixed()
		if err := d.end("key"); err != nil {
			return k, nil, err
		}
		v, err := decodeVisit(value)
		if err != nil {
			return k, nil, err
		}
		v.start = start
		return k, v, nil
	case incidentEntry:
		if err := d.end("key"); err != nil {
			return k, nil, err
		}
		i, err := decodeIncident(value)
		if err != nil {
			return k, nil, err
		}
		if i.Finding.Scan == nil {
			return k, nil, fmt.Errorf("incident: %w", errState)
		}
		src := s.sources[k]
		if src == nil {
			src = &source{key: k}
			s.sources[k] = src
		}
		src.incident, src.incidentStored = i, true
		s.incidents[k] = src
		return k, nil, nil
	}
	return k, nil, unknownEntry(key)
}
