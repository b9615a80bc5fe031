package sketch

import "slices"

// SpaceSaving keeps the heaviest keys of a stream in bounded memory (Metwally
// et al., "Efficient computation of frequent and top-k elements", 2005). A
// key's Count is never below its true weight, and at most Error above it;
// every key whose true weight is above Bound is held. It is deterministic: the
// same calls give the same summary. It is not safe for concurrent use.
type SpaceSaving[K comparable] struct {
	capacity int
	compare  func(a, b K) int
	slots    map[K]int32
	counters []counter[K]
	heap     []int32 // slots, the one to evict first at the root
	floor    int64   // no absent key weighs more, while there still is room
	evicted  int64
}

// Counted is a key of a SpaceSaving: its true weight is within
// [Count-Error, Count].
type Counted[K comparable] struct {
	Key          K
	Count, Error int64
}

type counter[K comparable] struct {
	Counted[K]
	place int32 // in the heap
}

// NewSpaceSaving returns an empty summary of at most capacity keys. The total
// order compare breaks ties: of two keys of the same count the lesser one is
// kept. It panics when capacity is below 1.
func NewSpaceSaving[K comparable](capacity int, compare func(a, b K) int) *SpaceSaving[K] {
	if capacity < 1 {
		panic("sketch: SpaceSaving capacity below 1")
	}
	return &SpaceSaving[K]{capacity: capacity, compare: compare, slots: map[K]int32{}}
}

// Len returns the number of keys held.
func (s *SpaceSaving[K]) Len() int { return len(s.counters) }

// Evicted returns how many times a key was given up for another, by Offer or
// by Merge, here or in a summary merged into this one.
func (s *SpaceSaving[K]) Evicted() int64 { return s.evicted }

// Bound returns the greatest weight that a key which is not held can have; 0
// says that every key seen is held and exact.
func (s *SpaceSaving[K]) Bound() int64 {
	if len(s.counters) < s.capacity {
		return s.floor
	}
	return max(s.floor, s.counters[s.heap[0]].Count)
}

// Offer adds n to the weight of a key; n <= 0 is ignored. When another key had
// to go for it, that key is returned, so that the caller can drop what it
// keeps for it. It costs O(log capacity).
func (s *SpaceSaving[K]) Offer(key K, n int64) (evicted K, wasEvicted bool) {
	if n <= 0 {
		return evicted, false
	}
	if slot, ok := s.slots[key]; ok {
		s.counters[slot].Count += n
		s.sink(s.counters[slot].place)
		return evicted, false
	}
	bound := s.Bound()
	entry := Counted[K]{Key: key, Count: bound + n, Error: bound}
	if len(s.counters) < s.capacity {
		s.push(entry)
		return evicted, false
	}
	slot := s.heap[0]
	evicted = s.counters[slot].Key
	delete(s.slots, evicted)
	s.counters[slot].Counted = entry
	s.slots[key] = slot
	s.sink(0)
	s.evicted++
	return evicted, true
}

// Get returns what is held for a key.
func (s *SpaceSaving[K]) Get(key K) (Counted[K], bool) {
	slot, ok := s.slots[key]
	if !ok {
		return Counted[K]{}, false
	}
	return s.counters[slot].Counted, true
}

// Top returns the keys held, by descending count, then ascending key. The
// caller owns the slice.
func (s *SpaceSaving[K]) Top() []Counted[K] {
	top := make([]Counted[K], len(s.counters))
	for i := range s.counters {
		top[i] = s.counters[i].Counted
	}
	slices.SortFunc(top, s.heavier)
	return top
}

// heavier orders by descending count, then ascending key.
func (s *SpaceSaving[K]) heavier(a, b Counted[K]) int {
	switch {
	case a.Count > b.Count:
		return -1
	case a.Count < b.Count:
		return 1
	}
	return s.compare(a.Key, b.Key)
}

// Merge adds all that o holds; o is not changed. A key that only one of the
// two holds may have weighed up to the other's Bound there, which is added to
// its count and error; then the heaviest stay (Agarwal et al., "Mergeable
// summaries", 2012). It is commutative for summaries of equal capacity, and
// associative as long as nothing is evicted; the bounds hold in any case.
func (s *SpaceSaving[K]) Merge(o *SpaceSaving[K]) {
	mine, theirs := s.Bound(), o.Bound()
	var union []Counted[K]
	for _, c := range s.Top() {
		if other, ok := o.Get(c.Key); ok {
			c.Count, c.Error = c.Count+other.Count, c.Error+other.Error
		} else {
			c.Count, c.Error = c.Count+theirs, c.Error+theirs
		}
		union = append(union, c)
	}
	for _, c := range o.Top() {
		if _, ok := s.Get(c.Key); !ok {
			c.Count, c.Error = c.Count+mine, c.Error+mine
			union = append(union, c)
		}
	}
	slices.SortFunc(union, s.heavier)
	evicted := s.evicted + o.evicted
	if more := len(union) - s.capacity; more > 0 {
		evicted += int64(more)
		union = union[:s.capacity]
	}
	s.Reset()
	s.floor, s.evicted = mine+theirs, evicted
	for _, c := range union {
		s.push(c)
	}
}

// Reset empties the summary and keeps its memory.
func (s *SpaceSaving[K]) Reset() {
	clear(s.slots)
	clear(s.counters) // keys may hold pointers
	s.counters, s.heap = s.counters[:0], s.heap[:0]
	s.floor, s.evicted = 0, 0
}

// push adds a key that is not there; there is room for it.
func (s *SpaceSaving[K]) push(c Counted[K]) {
	slot := int32(len(s.counters))
	s.counters = append(s.counters, counter[K]{c, slot})
	s.heap = append(s.heap, slot)
	s.slots[c.Key] = slot
	s.rise(slot)
}

// less orders the heap: the lightest first, of those the greatest key.
func (s *SpaceSaving[K]) less(a, b int32) bool {
	return s.heavier(s.counters[s.heap[a]].Counted, s.counters[s.heap[b]].Counted) > 0
}

func (s *SpaceSaving[K]) swap(a, b int32) {
	s.heap[a], s.heap[b] = s.heap[b], s.heap[a]
	s.counters[s.heap[a]].place, s.counters[s.heap[b]].place = a, b
}

func (s *SpaceSaving[K]) rise(i int32) {
	for i > 0 {
		parent := (i - 1) / 2
		if !s.less(i, parent) {
			return
		}
		s.swap(i, parent)
		i = parent
	}
}

func (s *SpaceSaving[K]) sink(i int32) {
	for {
		least := i
		for _, child := range [2]int32{2*i + 1, 2*i + 2} {
			if int(child) < len(s.heap) && s.less(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		s.swap(i, least)
		i = least
	}
}
