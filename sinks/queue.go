package sinks

import "container/list"

// queue holds the findings of one outbox that no Send has taken up: at most
// capacity of them, in the order in which they came.
type queue struct {
	capacity int
	entries  list.List                // of Entry
	newest   map[string]*list.Element // the last of each incident, by uid
}

func newQueue(capacity int) *queue {
	return &queue{capacity: capacity, newest: map[string]*list.Element{}}
}

func (q *queue) len() int { return q.entries.Len() }

// push adds an entry. When there is no room it takes the place of the last
// queued event of the same incident, which the newer one supersedes; when
// there is none, the oldest entry goes. Order per incident stays either way.
func (q *queue) push(e Entry) (gone Entry, outcome pushed) {
	last, queued := q.newest[e.Finding.UID]
	switch {
	case q.len() < q.capacity:
	case queued:
		gone, last.Value = last.Value.(Entry), e
		return gone, replacing
	default:
		gone, outcome = q.pop(), dropping
	}
	q.newest[e.Finding.UID] = q.entries.PushBack(e)
	return gone, outcome
}

// pushed says what push did for room.
type pushed uint8

const (
	added pushed = iota
	replacing
	dropping
)

// pop takes the oldest entry; there is one.
func (q *queue) pop() Entry {
	front := q.entries.Front()
	e := q.entries.Remove(front).(Entry)
	if q.newest[e.Finding.UID] == front {
		delete(q.newest, e.Finding.UID)
	}
	return e
}
