package pipeline

import (
	"fmt"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// watermarks keeps which partitions there are and how far event time has come
// over all of them.
//
// A partition holds the global watermark from the moment it is registered. An
// ended one holds it until all its children have entered, and they enter with
// the least watermark of their parents; so the global watermark never has to
// fall, and what is not late in its partition always finds its pane open.
type watermarks struct {
	partitions map[string]*partition
	global     int64
}

func newWatermarks() *watermarks {
	return &watermarks{partitions: make(map[string]*partition), global: aggregate.Never}
}

// register adds a partition that is not known yet.
func (w *watermarks) register(source string, s Start) {
	if w.partitions[s.ID] != nil {
		return
	}
	p := &partition{Source: source, Position: s.At, Watermark: aggregate.Never, first: aggregate.Never, Pull: s.Pull, changed: true}
	if !s.Watermark.IsZero() {
		p.Watermark = s.Watermark.Unix()
	}
	if len(s.Parents) > 0 {
		least := int64(aggregate.Forever)
		for _, id := range s.Parents {
			if parent := w.partitions[id]; parent != nil {
				least = min(least, parent.Watermark)
			}
		}
		if least != aggregate.Forever {
			p.Watermark = max(p.Watermark, least)
		}
	}
	// One that turns up after event time has moved on, without parents that
	// held it back, can't reopen panes: what is older is late in it.
	p.Watermark = max(p.Watermark, w.global)
	w.partitions[s.ID] = p
	w.leave()
}

// leave lets ended partitions go whose children have all entered.
func (w *watermarks) leave() {
	for _, p := range w.partitions {
		if !p.Ended || p.left {
			continue
		}
		p.left = true
		for _, child := range p.Children {
			if w.partitions[child.ID] == nil {
				p.left = false
			}
		}
	}
}

// advance recomputes the global watermark and reports whether it rose.
func (w *watermarks) advance() bool {
	least := int64(aggregate.Forever)
	for _, p := range w.partitions {
		if !p.left {
			least = min(least, p.Watermark)
		}
	}
	if len(w.partitions) == 0 || least <= w.global {
		return false
	}
	w.global = least
	return true
}

// slowest returns the least watermark of the partitions that are still to be
// read to their end.
func (w *watermarks) slowest() int64 {
	least := int64(aggregate.Forever)
	for _, p := range w.partitions {
		if !p.Ended && !p.left {
			least = min(least, p.Watermark)
		}
	}
	return least
}

// merged takes note of a slice that was merged.
func (w *watermarks) merged(s *slice) error {
	p := w.partitions[s.partition]
	switch {
	case p == nil:
		return fmt.Errorf("slice %d of partition %s, which was never registered", s.n, s.partition)
	case s.n != p.Slice+1:
		return fmt.Errorf("slice %d of partition %s after slice %d", s.n, s.partition, p.Slice)
	case s.watermark < p.Watermark:
		return fmt.Errorf("watermark of partition %s fell from %d to %d", s.partition, p.Watermark, s.watermark)
	}
	if p.first == aggregate.Never {
		p.first = s.watermark
	}
	p.Slice, p.Watermark, p.Beyond, p.Header = s.n, s.watermark, s.beyond, s.header
	if s.position != "" {
		p.Position = s.position
	}
	p.Ended, p.Children, p.changed = s.ended, s.children, true
	if p.Ended {
		w.leave()
	}
	return nil
}
