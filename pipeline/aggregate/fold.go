package aggregate

import (
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
	"github.com/flowwatch/flowwatch/pipeline/sketch"
)

// Folder folds the records of one partition into a partial, one after the
// other. It allocates only when it meets a key that the partial does not hold.
// Not for concurrent use.
type Folder struct {
	Partial *Partial
	plan    *Plan
	key     []byte // scratch
	place   []byte // scratch: account and VPC, the beginning of iface
	iface   []byte // scratch: the interface's key
	start   int64  // of pane, when not nil
	pane    *Pane  // the pane of the record before: mostly the next one's too
}

// NewFolder returns a folder with an empty partial.
func NewFolder(plan *Plan) *Folder {
	return &Folder{Partial: NewPartial(plan), plan: plan}
}

// Reset starts the next slice.
func (f *Folder) Reset() {
	f.Partial.Reset()
	f.pane = nil
}

// Add folds one record that is not late: its bytes and packets into every pane
// it covers, in proportion to the overlap with [start, end+1), all else into
// the pane of its start.
func (f *Folder) Add(flow *enrich.Flow) {
	c := f.cover(flow)
	f.place = appendPlace(f.iface[:0], flow)
	f.iface = appendInterface(f.place, flow)
	ok := flow.Status() == flowlog.OK
	for i := range c.panes {
		pane := f.at(c.first + int64(i)*f.plan.Pane)
		bytes, packets := c.share(c.bytes, i), c.share(c.packets, i)
		f.load(pane, flow, i == 0, bytes, packets)
		if !ok {
			continue
		}
		if i == 0 {
			f.views(pane, flow, bytes, packets)
			f.contact(pane, flow)
		} else if bytes > 0 || packets > 0 {
			f.volumes(pane, flow, bytes, packets)
		}
	}
}

// AddUntimed counts a record that belongs to no pane, late or without a time,
// in the totals.
func (f *Folder) AddUntimed(flow *enrich.Flow) {
	if flow.Status() == flowlog.OK {
		f.views(f.Partial.untimed, flow, flow.IntOr(flowlog.Bytes, 0), flow.IntOr(flowlog.Packets, 0))
	}
}

func (f *Folder) cover(flow *enrich.Flow) cover {
	start := flow.IntOr(flowlog.Start, 0)
	end := max(start, flow.IntOr(flowlog.End, start))
	c := cover{
		start: start, end: end + 1, first: f.start, pane: f.plan.Pane, panes: 1,
		bytes: flow.IntOr(flowlog.Bytes, 0), packets: flow.IntOr(flowlog.Packets, 0),
	}
	if f.pane == nil || start < f.start || end >= f.start+f.plan.Pane { // seldom, and three divisions
		c.first = PaneOf(start, f.plan.Pane)
		c.panes = int((PaneOf(end, f.plan.Pane)-c.first)/f.plan.Pane) + 1
	}
	return c
}

func (f *Folder) at(start int64) *Pane {
	if f.pane == nil || f.start != start {
		f.pane, f.start = f.Partial.Pane(start), start
	}
	return f.pane
}

// views counts a record in every view, with what belongs to this pane of its
// bytes and packets.
func (f *Folder) views(pane *Pane, flow *enrich.Flow, bytes, packets int64) {
	for i, v := range f.plan.views {
		if v.derived != nil || !v.keeps(flow) {
			continue
		}
		f.key = v.appendKey(f.key[:0], flow)
		t := pane.views[i]
		row, _ := t.Row(f.key)
		values := t.Values(row)
		values[0]++
		for j, m := range v.measures {
			switch m.op {
			case opBytes:
				values[j+1] = Add(values[j+1], bytes)
			case opPackets:
				values[j+1] = Add(values[j+1], packets)
			default:
				values[j+1] = Add(values[j+1], m.of(flow))
			}
		}
		if v.distinct && flow.Source.IsValid() {
			t.Distinct(row).Insert(sourceHash(flow))
		}
	}
}

// volumes counts what the views of a later pane get of a record: bytes and
// packets only.
func (f *Folder) volumes(pane *Pane, flow *enrich.Flow, bytes, packets int64) {
	for i, v := range f.plan.views {
		if v.derived != nil || (v.bytes == 0 && v.packets == 0) || !v.keeps(flow) {
			continue
		}
		f.key = v.appendKey(f.key[:0], flow)
		t := pane.views[i]
		row, _ := t.Row(f.key)
		values := t.Values(row)
		if v.bytes > 0 {
			values[v.bytes] = Add(values[v.bytes], bytes)
		}
		if v.packets > 0 {
			values[v.packets] = Add(values[v.packets], packets)
		}
	}
}

// attack reports whether a record can be part of an attack's ingress. Replies to
// our own connections can't, and neither can what a host of our own sends out
// through this interface, as through a NAT gateway's.
func attack(flow *enrich.Flow) bool {
	return flow.Direction == flowlog.Ingress && !flow.Reply && (flow.TargetInternal || !flow.SourceInternal)
}

// load marks the interface as covered in a pane, and counts ingress for the
// spike rule: all of a record in the first of its panes, in the others what
// belongs there of its bytes and packets.
func (f *Folder) load(pane *Pane, flow *enrich.Flow, first bool, bytes, packets int64) {
	counts := flow.Status() == flowlog.OK && attack(flow) && (first || bytes > 0 || packets > 0)
	covers := !flow.TransitGateway && (flow.Has(flowlog.InterfaceID) || flow.Has(flowlog.ResourceID))
	if !counts && !covers {
		return
	}
	row := pane.loads.row(f.iface, flow)
	if covers {
		pane.loads.cover(row, flow)
	}
	if !counts {
		return
	}
	if first {
		pane.loads.add(row, flow, sourceHash(flow))
	}
	pane.loads.addVolume(row, bytes, packets)
}

func (f *Folder) contact(pane *Pane, flow *enrich.Flow) {
	if !flow.TransitGateway {
		f.key = pane.contacts.add(f.key, f.place, flow)
		f.key = pane.logins.add(f.key, f.place, flow)
	}
}

// sourceHash is what distinct sources are counted by.
func sourceHash(flow *enrich.Flow) uint64 { return sketch.HashAddr(flow.Source) }
