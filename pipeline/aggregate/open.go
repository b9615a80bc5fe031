package aggregate

import (
	"iter"
	"maps"
	"net/netip"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/flowwatch/flowwatch/pipeline/sketch"
)

// Open reads panes that have not closed, each of which several partials hold
// together. It shows what came so far of the interfaces and initiators that the
// first partial, the newest slice, has something of: all else is as it was when
// it was last looked at. It changes none of the partials and is valid while
// they are.
type Open struct {
	slice *Partial
	parts []*Partial // the slice first
}

// NewOpen reads the slice's keys over the slice and the rest.
func NewOpen(slice *Partial, rest ...*Partial) *Open {
	return &Open{slice: slice, parts: append([]*Partial{slice}, rest...)}
}

// Starts returns the starts of the panes that the slice has something of,
// ascending.
func (o *Open) Starts() []int64 { return o.slice.Starts() }

// Loads yields the interfaces with ingress in one pane of the slice, with all
// that came for them in that pane, in no particular order. Samples are the
// slice's own.
func (o *Open) Loads(start int64) iter.Seq[Load] {
	return func(yield func(Load) bool) {
		pane := o.slice.panes[start]
		if pane == nil {
			return
		}
		l := pane.loads
		var values []int64
		var sources sketch.Distinct
		for row, hash := range l.table.hashes {
			if l.table.Values(row)[loadRecords] == 0 {
				continue
			}
			values = append(values[:0], l.table.Values(row)...)
			sources.Reset()
			sources.Merge(l.table.Distinct(row))
			for _, p := range o.parts[1:] {
				other := p.panes[start]
				if other == nil {
					continue
				}
				if at := other.loads.table.findHashed(l.table.Key(row), hash); at >= 0 {
					l.table.mergeValues(values, other.loads.table.Values(at))
					sources.Merge(other.loads.table.Distinct(at))
				}
			}
			if !yield(loadOf(l.table.Key(row), values, &sources, &l.samples[row])) {
				return
			}
		}
	}
}

// Load returns all that came for the interface of a load in the pane that starts
// then, and false when nothing has in any open pane of that start. Samples are
// those of one part.
func (o *Open) Load(start int64, of *Load) (Load, bool) {
	key := appendPart(appendPart(appendPart(nil, undashed(of.Account)), undashed(of.VPC)), undashed(of.Interface))
	var values []int64
	var sources sketch.Distinct
	var samples *Samples
	for _, p := range o.parts {
		pane := p.panes[start]
		if pane == nil {
			continue
		}
		l := pane.loads
		at := l.table.findHashed(key, xxhash.Sum64(key))
		switch {
		case at < 0:
			continue
		case values == nil:
			values, samples = append(values, l.table.Values(at)...), &l.samples[at]
		default:
			l.table.mergeValues(values, l.table.Values(at))
		}
		sources.Merge(l.table.Distinct(at))
	}
	if values == nil {
		return Load{}, false
	}
	return loadOf(key, values, &sources, samples), true
}

// undashed is the part of a key that orDash shows.
func undashed(s string) []byte {
	if s == "-" {
		return nil
	}
	return []byte(s)
}

// OpenContact is what one initiator did in all the panes that are open.
// Records, First, Last and Samples are the slice's own.
type OpenContact struct {
	Contact
	Panes []OpenTargets // ascending
}

// OpenTargets is one pane's part of an OpenContact.
type OpenTargets struct {
	Start       int64
	Records     int64
	First, Last int64
	Targets     *Targets
}

// Contacts yields the initiators that the slice has something of in one of the
// panes that start then, once each, in no particular order: those that are wanted
// and have at least so many targets in the open panes, one counted in each pane
// that has it.
func (o *Open) Contacts(of []int64, least int, wanted func(source netip.Addr) bool) iter.Seq[*OpenContact] {
	return func(yield func(*OpenContact) bool) {
		starts := o.allStarts()
		seen := make(map[string]struct{})
		var found []contactRow
		for _, start := range of {
			pane := o.slice.panes[start]
			if pane == nil {
				continue
			}
			c := pane.contacts
			r := contactReader{of: c}
			for row := range c.Len() {
				if r.locate(row); !wanted(r.Source) {
					continue
				}
				found = o.rows(found[:0], c, row, starts)
				if sizeOf(found) < least {
					continue
				}
				key := string(c.table.Key(row))
				if _, again := seen[key]; again {
					continue
				}
				seen[key] = struct{}{}
				if !yield(&OpenContact{Contact: *r.read(row), Panes: mergeRows(found)}) {
					return
				}
			}
		}
	}
}

// contactRow is one row of an initiator.
type contactRow struct {
	start int64
	of    *Contacts
	row   int
}

// rows appends where every part of every open pane has an initiator.
func (o *Open) rows(found []contactRow, c *Contacts, row int, starts []int64) []contactRow {
	key, hash := c.table.Key(row), c.table.hashes[row]
	for _, start := range starts {
		for _, p := range o.parts {
			pane := p.panes[start]
			if pane == nil {
				continue
			}
			if at := pane.contacts.table.findHashed(key, hash); at >= 0 {
				found = append(found, contactRow{start, pane.contacts, at})
			}
		}
	}
	return found
}

func sizeOf(rows []contactRow) int {
	n := 0
	for _, r := range rows {
		n += r.of.targets[r.row].Len()
	}
	return n
}

// mergeRows puts the rows of each pane together.
func mergeRows(rows []contactRow) []OpenTargets {
	var panes []OpenTargets
	for _, r := range rows {
		if n := len(panes); n == 0 || panes[n-1].Start != r.start {
			panes = append(panes, OpenTargets{Start: r.start, Targets: &Targets{}})
		}
		p := &panes[len(panes)-1]
		v := r.of.table.Values(r.row)
		p.Records += v[contactRecords]
		p.First, p.Last = least.of(p.First, v[contactFirst]), most.of(p.Last, v[contactLast])
		p.Targets.Merge(&r.of.targets[r.row])
	}
	return panes
}

func (o *Open) allStarts() []int64 {
	all := make(map[int64]struct{})
	for _, p := range o.parts {
		for start := range p.panes {
			all[start] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(all))
}
