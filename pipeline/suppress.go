package pipeline

import (
	"bytes"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// hushed is an incident whose events are held back, as committed. It stays a
// while after its close: an incident that comes back keeps its uid.
type hushed struct {
	Last int64 `json:"last"` // Time of its last event
}

// hushedFor is how long, in event time, an incident that shows no event is
// remembered as hushed. One that is open shows one every 15 minutes.
const hushedFor = 24 * 3600

// suppressor decides which events of the detectors leave. It looks at the
// events alone, in their order, and what it remembers is committed with them:
// a crash changes nothing.
type suppressor struct {
	all     detect.Suppressions
	hushed  map[string]hushed // by uid
	changed map[string]bool   // uids since the last commit
}

func newSuppressor(all detect.Suppressions) *suppressor {
	return &suppressor{all: all, hushed: make(map[string]hushed), changed: make(map[string]bool)}
}

// judge returns what is to be sent in place of an event, and whether anything
// is. shown says whether the receivers know its incident as open.
//
// An incident that opens while it is suppressed is held back whole. One that is
// open when a suppression begins closes with the reason suppressed, at its next
// event. When the suppression is over, the next event of an incident that still
// goes on opens it, under its own uid; one that closed meanwhile is never sent.
func (s *suppressor) judge(f detect.Finding, shown bool) (out detect.Finding, send bool) {
	_, held := s.hushed[f.UID]
	by := s.all.Match(&f)
	switch {
	case by == nil && !held:
		return f, true
	case by == nil && f.Activity != detect.Close:
		s.forget(f.UID)
		return detect.Unhush(f), true
	case by != nil && shown:
		s.hold(&f)
		if f.Activity == detect.Close {
			return f, true // it ends by itself, and says why
		}
		return by.Hush(f), true
	}
	s.hold(&f)
	return f, false
}

func (s *suppressor) hold(f *detect.Finding) {
	s.hushed[f.UID] = hushed{Last: f.Time}
	s.changed[f.UID] = true
}

func (s *suppressor) forget(uid string) {
	delete(s.hushed, uid)
	s.changed[uid] = true
}

// expire forgets what showed no event for long before now, in event time.
func (s *suppressor) expire(now int64) {
	for uid, h := range s.hushed {
		if now-h.Last > hushedFor {
			s.forget(uid)
		}
	}
}

// changes writes what changed since the last commit.
func (s *suppressor) changes(d *checkpoint.Delta) {
	for uid := range s.changed {
		if h, ok := s.hushed[uid]; ok {
			put(d, keyHushed+uid, mustJSON(h))
		} else {
			d.Deletes = append(d.Deletes, []byte(keyHushed+uid))
		}
	}
	clear(s.changed)
}

func (s *suppressor) restore(uid string, value []byte) error {
	var h hushed
	if err := decodeInto(&h, []byte(keyHushed+uid), bytes.Clone(value)); err != nil {
		return err
	}
	s.hushed[uid] = h
	return nil
}

// raise takes one event of a detector; it waits for the commit.
func (b *back) raise(f detect.Finding) {
	out, send := b.suppressor.judge(f, b.shown(f.UID))
	if !send {
		b.counters.Suppressed[f.Rule]++
		return
	}
	if b.places != nil {
		out.Locate(b.places.Lookup)
	}
	b.counters.finding(&out)
	b.raised = append(b.raised, out)
}

// shown reports whether an incident was sent as open, or will be.
func (b *back) shown(uid string) bool {
	if len(b.suppressor.all) == 0 && len(b.suppressor.hushed) == 0 {
		return false // nobody asks
	}
	for _, f := range slices.Backward(b.raised) {
		if f.UID == uid {
			return f.Activity != detect.Close
		}
	}
	_, open := b.incidents[uid]
	return open
}
