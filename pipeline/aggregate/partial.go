package aggregate

import (
	"maps"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// Partial is the aggregate of one slice of one partition: exact, mergeable in
// whatever order, serialisable. The same partial travels to the back half and
// into a commit.
type Partial struct {
	Counts Counts
	plan   *Plan
	panes  map[int64]*Pane // by start
	// untimed holds what belongs to no pane: late records, and records whose
	// time is unknown. They count in the totals of views only.
	untimed *Pane
	spare   []*Pane // emptied panes, to be used again
	room    int     // rows that the spare panes have room for
	usual   int     // rows of the largest pane that was lately taken out
}

// Counts are the totals of a slice that belong to no view.
type Counts struct {
	SourceRecords int64 // payloads
	SourceBytes   int64
	Flow          [4]int64 // data lines by log-status: flowlog.OK, NoData, SkipData; 0 unused
	Malformed     map[flowlog.Reason]int64
	Late          int64
	LatePanes     map[int64]int64 // late records by the pane they belonged to, best effort
	Controls      int64           // CloudWatch control messages
}

// latePanes is how many panes late records are told apart by: the starts are
// the sender's to choose.
const latePanes = 64

// AddLate counts late records of one pane.
func (c *Counts) AddLate(pane, n int64) {
	if c.LatePanes == nil {
		c.LatePanes = make(map[int64]int64)
	}
	if _, known := c.LatePanes[pane]; known || len(c.LatePanes) < latePanes {
		c.LatePanes[pane] += n
	}
}

// Merge adds all that o counts.
func (c *Counts) Merge(o *Counts) {
	c.SourceRecords += o.SourceRecords
	c.SourceBytes += o.SourceBytes
	for i, n := range o.Flow {
		c.Flow[i] += n
	}
	for reason, n := range o.Malformed {
		if c.Malformed == nil {
			c.Malformed = make(map[flowlog.Reason]int64)
		}
		c.Malformed[reason] += n
	}
	c.Late += o.Late
	for pane, n := range o.LatePanes {
		c.AddLate(pane, n)
	}
	c.Controls += o.Controls
}

// NewPartial returns an empty partial.
func NewPartial(plan *Plan) *Partial {
	return &Partial{plan: plan, panes: make(map[int64]*Pane), untimed: newPane(plan)}
}

// Pane returns the pane that starts then, making it when there is none.
func (p *Partial) Pane(start int64) *Pane {
	pane := p.panes[start]
	if pane != nil {
		return pane
	}
	if pane = p.unspare(); pane == nil {
		pane = newPane(p.plan)
	}
	p.panes[start] = pane
	return pane
}

// Starts returns the starts of the panes there are, ascending.
func (p *Partial) Starts() []int64 { return slices.Sorted(maps.Keys(p.panes)) }

// Untimed returns what belongs to no pane.
func (p *Partial) Untimed() *Pane { return p.untimed }

// Take removes the pane that starts then and hands it over, nil when there is
// none.
func (p *Partial) Take(start int64) *Pane {
	pane := p.panes[start]
	if pane == nil {
		return nil
	}
	delete(p.panes, start)
	p.usual = max(pane.rows(), p.usual-p.usual/8)
	return pane
}

// spareRows is how many rows the panes that are kept for use again have memory
// for at most. One slice of a file can reach over many panes, which are small then.
const spareRows = 1 << 18

// fewRows is the room of a pane that any partial keeps.
const fewRows = 1 << 10

// Recycle gives a pane back whose content is no longer needed, or nil. A partial
// keeps none that is more than twice as large as its own: each of many would
// otherwise come to keep panes that have room for all that they have together.
func (p *Partial) Recycle(pane *Pane) {
	if pane == nil || pane.room() > max(fewRows, 2*p.usual) || p.room+pane.room() > spareRows {
		return
	}
	pane.Reset()
	p.spare = append(p.spare, pane)
	p.room += pane.room()
}

// unspare takes back a pane that Recycle kept, nil when there is none.
func (p *Partial) unspare() *Pane {
	n := len(p.spare) - 1
	if n < 0 {
		return nil
	}
	pane := p.spare[n]
	p.spare = p.spare[:n]
	p.room -= pane.room()
	return pane
}

// Empty reports whether nothing was folded into the partial.
func (p *Partial) Empty() bool {
	c := &p.Counts
	return len(p.panes) == 0 && p.untimed.Empty() && c.SourceRecords == 0 && c.Flow == [4]int64{} && len(c.Malformed) == 0
}

// Merge adds all that o holds; o is not changed. It is associative and
// commutative, samples apart.
func (p *Partial) Merge(o *Partial) {
	p.Counts.Merge(&o.Counts)
	p.untimed.Merge(o.untimed)
	for start, pane := range o.panes {
		p.Pane(start).Merge(pane)
	}
}

// Absorb is Merge for an o that is not needed any more, and is left empty:
// panes that p does not have are moved, not copied.
func (p *Partial) Absorb(o *Partial) {
	p.Counts.Merge(&o.Counts)
	p.untimed.Merge(o.untimed)
	for start := range o.panes {
		o.Recycle(p.Put(start, o.Take(start)))
	}
	o.Reset()
}

// Put merges a pane into the one that starts then; when there is none, it
// becomes that. In exchange there is a pane to recycle for whoever gave it: the
// same, an emptied one, or nil.
func (p *Partial) Put(start int64, pane *Pane) *Pane {
	if have := p.panes[start]; have != nil {
		have.Merge(pane)
		return pane
	}
	p.panes[start] = pane
	return p.unspare()
}

// Reset empties the partial and keeps its memory for the next slice.
func (p *Partial) Reset() {
	p.Counts = Counts{Malformed: p.Counts.Malformed, LatePanes: p.Counts.LatePanes}
	clear(p.Counts.Malformed)
	clear(p.Counts.LatePanes)
	p.untimed.Reset()
	for start := range p.panes {
		p.Recycle(p.Take(start))
	}
}
