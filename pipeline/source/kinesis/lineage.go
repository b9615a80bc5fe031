package kinesis

import (
	"maps"
	"slices"
)

// lineage is the family tree of a stream's shards, and how far each was taken.
// Not safe for concurrent use.
type lineage struct {
	parents map[string][]string // of every shard heard of, by ID
	taken   map[string]state    // the shards registered so far
}

type state int

const (
	reading state = iota + 1
	ended
)

func newLineage() *lineage {
	return &lineage{parents: map[string][]string{}, taken: map[string]state{}}
}

// observe adds what is known of a shard; parents heard of before stay.
func (l *lineage) observe(id string, parents ...string) {
	known := l.parents[id]
	for _, parent := range parents {
		if !slices.Contains(known, parent) {
			known = append(known, parent)
		}
	}
	l.parents[id] = known
}

func (l *lineage) set(id string, s state) { l.taken[id] = s }

// ready are the shards that may be registered now, by ID: not taken yet, and
// nothing remains to be read of their parents.
//
// A shard from which a taken one descends is past: it was closed before the
// time at which reading began, or else its end was read.
func (l *lineage) ready() []string {
	past := l.past()
	var ready []string
	for id, parents := range l.parents {
		if l.taken[id] != 0 || past[id] {
			continue
		}
		waits := slices.ContainsFunc(parents, func(parent string) bool {
			_, heard := l.parents[parent]
			switch l.taken[parent] {
			case ended:
				return false
			case reading:
				return true
			}
			return heard && !past[parent]
		})
		if !waits {
			ready = append(ready, id)
		}
	}
	slices.Sort(ready)
	return ready
}

// past are all ancestors of the shards taken so far.
func (l *lineage) past() map[string]bool {
	past := map[string]bool{}
	next := slices.Collect(maps.Keys(l.taken))
	for len(next) > 0 {
		id := next[len(next)-1]
		next = next[:len(next)-1]
		for _, parent := range l.parents[id] {
			if !past[parent] {
				past[parent] = true
				next = append(next, parent)
			}
		}
	}
	return past
}

// takenParents are the parents that were registered, by ID.
func (l *lineage) takenParents(id string) []string {
	var taken []string
	for _, parent := range l.parents[id] {
		if l.taken[parent] != 0 {
			taken = append(taken, parent)
		}
	}
	slices.Sort(taken)
	return taken
}
