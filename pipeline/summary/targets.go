package summary

import "github.com/flowwatch/flowwatch/pipeline/sketch"

// fewTargets are the hashes of a source's targets: a cache line, since it is
// where they lie, and not how many there are, that costs the time. A source
// has none while its targets lie in its entry, and what it has more than these
// goes into a set.
type fewTargets struct {
	hashes [7]uint64 // 0 is free
	many   int       // number of the set that holds all of them, counted from 1; 0 for none
}

// addTarget puts a target into those of a source.
func (s *Summary) addTarget(t *totals, hash uint64) {
	if t.few() > 0 {
		s.addFew(s.few.at(t.few()-1), hash)
		return
	}
	if !put(t.targets[:], hash) {
		s.addFew(s.makeFew(t), hash)
	}
}

// put puts a hash into the first free place of a list that does not hold it, and
// reports whether it is there now.
func put(hashes []uint64, hash uint64) bool {
	for i, h := range hashes {
		switch h {
		case hash:
			return true
		case 0:
			hashes[i] = hash
			return true
		}
	}
	return false
}

// held is how many places of a list are taken.
func held(hashes []uint64) int64 {
	n := int64(0)
	for _, h := range hashes {
		if h != 0 {
			n++
		}
	}
	return n
}

func (s *Summary) addFew(few *fewTargets, hash uint64) {
	if few.many > 0 {
		s.many[few.many-1].Insert(hash)
		return
	}
	if !put(few.hashes[:], hash) {
		s.makeMany(few).Insert(hash)
	}
}

// makeFew gives an entry room for more targets than its own.
func (s *Summary) makeFew(t *totals) *fewTargets {
	few := s.few.push()
	copy(few.hashes[:], t.targets[:])
	t.setFew(s.few.n)
	return few
}

// makeMany gives a source a set, if it has none.
func (s *Summary) makeMany(few *fewTargets) *sketch.Distinct {
	if few.many > 0 {
		return s.many[few.many-1]
	}
	set := new(sketch.Distinct)
	for _, h := range few.hashes {
		if h != 0 {
			set.Insert(h)
		}
	}
	s.many = append(s.many, set)
	few.many = len(s.many)
	return set
}

// targets returns how many distinct targets an entry has.
func (s *Summary) targets(t *totals) int64 {
	if t.few() == 0 {
		return held(t.targets[:])
	}
	few := s.few.at(t.few() - 1)
	if few.many > 0 {
		return int64(s.many[few.many-1].Count())
	}
	return held(few.hashes[:])
}

// mergeTargets adds the targets of an entry of o.
func (s *Summary) mergeTargets(t *totals, o *Summary, from *totals) {
	for _, h := range from.targets {
		if h != 0 {
			s.addTarget(t, h)
		}
	}
	if from.few() == 0 {
		return
	}
	few := o.few.at(from.few() - 1)
	if few.many > 0 {
		if t.few() == 0 {
			s.makeFew(t)
		}
		s.makeMany(s.few.at(t.few() - 1)).Merge(o.many[few.many-1])
		return
	}
	for _, h := range few.hashes {
		if h != 0 {
			s.addTarget(t, h)
		}
	}
}

func targetHash(f *Flow) uint64 {
	h := sketch.Mix(sketch.HashAddr(f.Target), uint64(f.DstPort)<<8^uint64(f.Protocol))
	return max(h, 1) // 0 says: no target
}
