package detect

import (
	"fmt"
	"math"
	"slices"
)

// The entries of the rule's state: one byte, then the interface.
const (
	levelsEntry   = 'l' // levels, dispersions, recent panes
	peaksEntry    = 'p' // hourly peaks, which change less often
	incidentEntry = 'i'
)

const baselineFormat = 3

// Changes puts the entries of the interfaces that had a pane since the last
// call, after the deletions: an interface that was dropped may have come back.
func (s *Spike) Changes(put func(key, value []byte)) {
	slices.SortFunc(s.changed, func(a, b *ingress) int { return compareKeys(a.Key, b.Key) })
	for _, in := range s.changed {
		if in.dropped {
			in.putDeletions(put)
		}
	}
	for _, in := range s.changed {
		if !in.dropped {
			in.putEntries(put)
		}
	}
	s.changed = s.changed[:0]
}

func (in *ingress) putDeletions(put func(key, value []byte)) {
	if in.stored {
		put(in.entry(levelsEntry), nil)
		put(in.entry(peaksEntry), nil)
	}
	if in.incidentStored {
		put(in.entry(incidentEntry), nil)
	}
}

func (in *ingress) putEntries(put func(key, value []byte)) {
	put(in.entry(levelsEntry), in.encodeLevels())
	if in.peaksChanged || !in.stored {
		put(in.entry(peaksEntry), in.encodePeaks())
	}
	switch {
	case in.incident == nil && in.incidentStored:
		put(in.entry(incidentEntry), nil)
		in.incidentStored = false
	case in.incident != nil && in.incidentChanged:
		put(in.entry(incidentEntry), in.incident.encode())
		in.incidentStored = true
	}
	in.stored, in.listed, in.peaksChanged, in.incidentChanged = true, false, false, false
}

func (in *ingress) entry(kind byte) []byte {
	e := encoder{kind}
	e.string(in.Account)
	e.string(in.VPC)
	e.string(in.Interface)
	return e
}

func (in *ingress) encodeLevels() []byte {
	e := encoder{baselineFormat}
	for _, v := range []int64{in.first, in.covered, int64(in.seen), in.tested, in.seasonFrom} {
		e.int(v)
	}
	for m := range in.measures {
		b := &in.measures[m]
		e.float(b.m)
		e.float(b.phi)
		for _, x := range b.recent {
			e.uint(uint64(x))
		}
		e.bool(b.cand)
		e.float(b.trend.sum)
		e.uint(uint64(b.trend.n))
		e.float(b.trend.score)
		e.uint(uint64(b.trend.run))
		for _, v := range b.tail.values() {
			e.float(float64(*v))
		}
	}
	return e
}

func (in *ingress) decodeLevels(value []byte) error {
	d := decoder{rest: value}
	if d.byte() != baselineFormat {
		d.fail()
	}
	in.first, in.covered = d.int(), d.int()
	seen := d.int()
	in.tested, in.seasonFrom = d.int(), d.int()
	if seen < 0 || seen > math.MaxInt32 {
		d.fail()
	}
	in.seen = int(seen)
	for m := range in.measures {
		b := &in.measures[m]
		b.m, b.phi = d.float(), d.float()
		for i := range b.recent {
			b.recent[i] = d.number(math.MaxInt64)
		}
		b.cand = d.bool()
		b.trend.sum, b.trend.n = d.float(), int(d.number(math.MaxInt32))
		b.trend.score, b.trend.run = d.float(), int(d.number(math.MaxInt32))
		for _, v := range b.tail.values() {
			*v = float32(d.float())
		}
		if b.phi > mostPhi {
			d.fail()
		}
	}
	return d.end("levels")
}

func (in *ingress) encodePeaks() []byte {
	e := encoder{baselineFormat}
	e.int(in.hour)
	for m := range in.measures {
		for _, x := range in.measures[m].peaks {
			// Rounded to 24 bits they still are whole numbers.
			e.uint(uint64(int64(x) + 1))
		}
		for _, x := range in.measures[m].trend.means {
			if x == absent {
				e.uint(0)
				continue
			}
			e.uint(uint64(math.Float32bits(x)) + 1)
		}
	}
	return e
}

func (in *ingress) decodePeaks(value []byte) error {
	d := decoder{rest: value}
	if d.byte() != baselineFormat {
		d.fail()
	}
	in.hour = d.int()
	for m := range in.measures {
		peaks := in.measures[m].peaks
		for i := range peaks {
			peaks[i] = float32(d.number(math.MaxInt64) - 1)
		}
		means := in.measures[m].trend.means
		for i := range means {
			v := d.number(math.MaxUint32 + 2)
			if v == 0 {
				means[i] = absent
				continue
			}
			if means[i] = math.Float32frombits(uint32(v - 1)); !(means[i] >= 0 && means[i] <= math.MaxFloat32) {
				d.fail()
			}
		}
	}
	return d.end("peaks")
}

// Restore takes the state of an earlier run with the same Version. After an
// error the rule must not be used.
func (s *Spike) Restore(next func() (key, value []byte, ok bool)) error {
	if err := restoreEach(s.Name(), next, s.restore); err != nil {
		return err
	}
	for _, in := range s.interfaces {
		// Levels and peaks are put together the first time.
		if !in.stored {
			return fmt.Errorf("restore spike: %s has no levels: %w", in.Interface, errState)
		}
		s.last = max(s.last, in.covered)
	}
	return nil
}

func (s *Spike) restore(key, value []byte) error {
	d := decoder{rest: key}
	kind := d.byte()
	k := Key{Account: d.string(), VPC: d.string(), Interface: d.string()}
	if err := d.end("key"); err != nil {
		return err
	}
	in := s.interfaces[k]
	if in == nil {
		in = s.newIngress(k, 0)
	}
	switch kind {
	case levelsEntry:
		in.stored = true
		return in.decodeLevels(value)
	case peaksEntry:
		return in.decodePeaks(value)
	case incidentEntry:
		i, err := decodeIncident(value)
		if err != nil {
			return err
		}
		if i.Finding.Spike == nil {
			return fmt.Errorf("incident: %w", errState)
		}
		if in.incident == nil {
			s.open = append(s.open, in)
		}
		in.incident, in.incidentStored = i, true
		return nil
	}
	return unknownEntry(key)
}
