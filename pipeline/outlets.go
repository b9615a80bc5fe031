package pipeline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// Outlet takes committed findings on their way to one sink. It keeps what it
// was offered until it is done with it; the pipeline keeps the same in its
// committed state until TakeDone says so, so a finding survives a crash and is
// sent at least once.
type Outlet interface {
	Name() string // unique and constant over restarts
	// Accepts reports whether the sink wants such a finding: a pure function.
	Accepts(f *detect.Finding) bool
	// Offer hands over a committed finding and must not block. IDs rise.
	Offer(id uint64, f *detect.Finding)
	// TakeDone returns the IDs that were delivered or given up since the last
	// call.
	TakeDone() []uint64
}

// outlets is the outbox as the back half keeps it: which finding is still to
// be sent where.
type outlets struct {
	all   []Outlet
	fresh []parcel // not committed
}

// parcel is one finding for one outlet.
type parcel struct {
	id      uint64
	outlet  Outlet
	finding *detect.Finding
}

func newOutlets(all []Outlet) *outlets { return &outlets{all: all} }

// put addresses a finding to every outlet that wants it.
func (o *outlets) put(id uint64, f *detect.Finding) {
	for _, outlet := range o.all {
		if outlet.Accepts(f) {
			o.fresh = append(o.fresh, parcel{id, outlet, f})
		}
	}
}

// changes writes what is new and what is done into a commit, and returns the
// parcels to hand over once it is durable.
func (o *outlets) changes(d *checkpoint.Delta) []parcel {
	for _, outlet := range o.all {
		for _, id := range outlet.TakeDone() {
			d.Deletes = append(d.Deletes, outboxKey(id, outlet.Name()))
		}
	}
	var value []byte
	for i, p := range o.fresh {
		if i == 0 || o.fresh[i-1].id != p.id { // one finding lies side by side
			value = mustJSON(p.finding)
		}
		d.Puts = append(d.Puts, checkpoint.Entry{Key: outboxKey(p.id, p.outlet.Name()), Value: value})
	}
	ready := o.fresh
	o.fresh = nil
	return ready
}

// restore puts back a committed finding; it goes out again when ready is
// called. known is false when no sink has that name any more.
func (o *outlets) restore(id uint64, sink string, value []byte) (known bool, err error) {
	i := slices.IndexFunc(o.all, func(x Outlet) bool { return x.Name() == sink })
	if i < 0 {
		return false, nil
	}
	f := new(detect.Finding)
	if err := json.Unmarshal(value, f); err != nil {
		return true, fmt.Errorf("committed finding %d for sink %s: %w", id, sink, err)
	}
	o.all[i].Offer(id, f)
	return true, nil
}

// hand gives parcels to their outlets, in the order of their ids.
func hand(parcels []parcel) {
	slices.SortStableFunc(parcels, func(a, b parcel) int { return cmp.Compare(a.id, b.id) })
	for _, p := range parcels {
		p.outlet.Offer(p.id, p.finding)
	}
}
