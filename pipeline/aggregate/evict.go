package aggregate

import (
	"math/rand/v2"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// Entries counts the entries that grow with the number of sources: initiators
// of contacts, logins and keys of ranked views.
func (p *Partial) Entries() int {
	n := p.untimed.entries()
	for _, pane := range p.panes {
		n += pane.entries()
	}
	return n
}

func (p *Pane) entries() int {
	n := p.contacts.Len() + p.logins.Len()
	for i, t := range p.views {
		if p.ranked(i) {
			n += t.Len()
		}
	}
	return n
}

// ranked reports whether a view shows its first keys and no totals, and has
// them from records: one that is made from another has few.
func (p *Pane) ranked(view int) bool {
	v := p.plan.views[view]
	return v.Top > 0 && v.Limit == 0 && v.derived == nil
}

// Evict drops entries of outside sources until all the partials together hold
// at most room of them, and returns how many went. The fullest tables are cut, to one
// size, so that a flood in one pane takes nothing from the others. In each the
// entries with the greatest weight stay: initiators by distinct targets, then
// records, all others by records. Of equal ones those with the least hash of
// the key stay, and so it is the same sources that are followed through a
// flood of which all are equal. Own addresses always stay, and count for
// nothing. What goes of a view still counts in those that are made from it, of
// which each keeps its mostDerived keys.
//
// An initiator that went starts again at its next record: what is counted of
// it is never more than the truth. It goes only while at least as many others
// as its table keeps have as many targets.
func Evict(room int, who *enrich.Enricher, of ...*Partial) int {
	var shelves []*shelf
	for _, p := range of {
		shelves = p.untimed.shelve(shelves, who)
		for _, start := range p.Starts() {
			shelves = p.panes[start].shelve(shelves, who)
		}
	}
	level := levelOf(shelves, room)
	evicted := 0
	var scratch []looseRow
	for _, s := range shelves {
		if s.loose > level {
			evicted += s.loose - level
			scratch = s.cut(level, scratch)
		}
	}
	for _, p := range of {
		for _, pane := range p.panes {
			evicted += pane.evictDerived(mostDerived)
		}
		evicted += p.untimed.evictDerived(mostDerived)
	}
	return evicted
}

// mostDerived is how many keys of a view that is made from another an eviction
// leaves: many times what a view shows. A flood from everywhere has sources in
// 80,000 autonomous systems, and each of them a set of its sources.
const mostDerived = 4096

// evictDerived keeps the keys with the most records.
func (p *Pane) evictDerived(most int) (evicted int) {
	for i, t := range p.views {
		if p.plan.views[i].derived == nil || t.Len() <= most {
			continue
		}
		evicted += t.Len() - most
		s := &shelf{table: t, weight: recordsOf(t), loose: t.Len(), stays: func(int) bool { return false }, moved: func([]int) {}}
		s.cut(most, nil)
	}
	return evicted
}

// shelf is one table out of which entries may go.
type shelf struct {
	table  *Table
	weight func(row int) uint64
	stays  func(row int) bool
	leaves func(row int)    // before a row goes; may be nil
	moved  func(rows []int) // after the table kept these
	loose  int              // rows that may go
}

type looseRow struct {
	weight, hash uint64
	row          int32
}

func (p *Pane) shelve(to []*shelf, who *enrich.Enricher) []*shelf {
	for i, t := range p.views {
		if p.ranked(i) && t.Len() > 0 {
			s := &shelf{
				table: t, weight: recordsOf(t), loose: t.Len(),
				stays: func(int) bool { return false }, moved: func([]int) {},
			}
			if p.feeds(i) {
				s.leaves = (&deriver{pane: p, view: i, places: who.Places()}).add
			}
			to = append(to, s)
		}
	}
	if c := p.contacts; c.Len() > 0 {
		r := contactReader{of: c}
		s := &shelf{
			table: c.table, weight: c.weight, moved: c.retained,
			stays: func(row int) bool { r.locate(row); return who.Internal(r.Source) },
		}
		to = append(to, s.count())
	}
	if t := p.logins.table; t.Len() > 0 {
		s := &shelf{
			table: t, weight: recordsOf(t), moved: func([]int) {},
			stays: func(row int) bool { return who.Internal(loginSource(t.Key(row))) },
		}
		to = append(to, s.count())
	}
	return to
}

func (s *shelf) count() *shelf {
	for row := range s.table.Len() {
		if !s.stays(row) {
			s.loose++
		}
	}
	return s
}

// recordsOf weighs rows by column 0.
func recordsOf(t *Table) func(row int) uint64 {
	return func(row int) uint64 { return uint64(t.Values(row)[0]) }
}

// weight is an initiator's distinct targets, or those of its sample, then its
// records.
func (c *Contacts) weight(row int) uint64 {
	const most = 1<<48 - 1
	records := uint64(min(c.table.Values(row)[contactRecords], most))
	n := uint64(c.targets[row].held())
	if !c.targets[row].AllExact() {
		n = exactTargets + 1
	}
	return n<<48 | records
}

// retained moves what goes with the rows that the table kept.
func (c *Contacts) retained(rows []int) {
	samples := make(map[int]*Samples, len(c.samples))
	for at, row := range rows {
		c.targets[at], c.targets[row] = c.targets[row], c.targets[at]
		if s := c.samples[row]; s != nil {
			samples[at] = s
		}
	}
	for i := len(rows); i < len(c.targets); i++ {
		c.targets[i].Reset()
	}
	c.targets, c.samples = c.targets[:len(rows)], samples
}

// levelOf returns the size that the fullest shelves are cut to for all together
// to hold no more than room loose rows.
func levelOf(shelves []*shelf, room int) int {
	sizes := make([]int, len(shelves))
	for i, s := range shelves {
		sizes[i] = s.loose
	}
	slices.Sort(sizes)
	for i, n := range sizes {
		left := len(sizes) - i
		if n*left > room {
			return max(0, room/left)
		}
		room -= n
	}
	return maxLevel
}

const maxLevel = int(^uint(0) >> 1)

// cut drops all loose rows but the first so many; scratch is overwritten and
// returned.
func (s *shelf) cut(level int, scratch []looseRow) []looseRow {
	rows, loose := make([]int, 0, s.table.Len()-s.loose+level), slices.Grow(scratch[:0], s.loose)
	for row := range s.table.Len() {
		if s.stays(row) {
			rows = append(rows, row)
		} else {
			loose = append(loose, looseRow{s.weight(row), s.table.hashes[row], int32(row)})
		}
	}
	first(loose, level)
	for _, l := range loose[:level] {
		rows = append(rows, int(l.row))
	}
	if s.leaves != nil {
		for _, l := range loose[level:] {
			s.leaves(int(l.row))
		}
	}
	slices.Sort(rows)
	s.table.retain(rows)
	s.moved(rows)
	return loose
}

// before reports whether a row stays rather than another. No two are equal.
func (a *looseRow) before(b *looseRow) bool {
	switch {
	case a.weight != b.weight:
		return a.weight > b.weight
	case a.hash != b.hash:
		return a.hash < b.hash
	}
	return a.row < b.row
}

// first moves those n rows to the front that stay before all others, in no
// particular order, by Hoare's selection (1961): a flood must not be sorted to be
// cut. The pivot is drawn, so that no order of records makes it slow.
func first(rows []looseRow, n int) {
	drawn := rand.New(rand.NewPCG(uint64(len(rows)), uint64(n)))
	for len(rows) > 1 && n > 0 && n < len(rows) {
		pivot := rows[drawn.IntN(len(rows))]
		i, j := 0, len(rows)-1
		for i <= j {
			for rows[i].before(&pivot) {
				i++
			}
			for pivot.before(&rows[j]) {
				j--
			}
			if i <= j {
				rows[i], rows[j] = rows[j], rows[i]
				i, j = i+1, j-1
			}
		}
		switch { // what lies between j and i is the pivot
		case n <= j:
			rows = rows[:j+1]
		case n > i:
			rows, n = rows[i:], n-i
		default:
			return
		}
	}
}
