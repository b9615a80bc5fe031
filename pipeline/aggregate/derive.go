package aggregate

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
	"github.com/flowwatch/flowwatch/pipeline/sketch"
)

// A ranked view by country or system that stands beside one of the same records
// by source is made from that one when a pane closes. So where a source belongs
// is asked once a pane and not for each record, and the way of the records stays
// as short as without such views. What comes out is the same.

// derivation says how a view is made from another.
type derivation struct {
	from    int   // the view by source, by its place in the plan
	columns []int // of that view, by column of this one
}

// derive finds for each view one that it can be made from.
func (p *Plan) derive() {
	for _, c := range p.views {
		if !c.derivable() {
			continue
		}
		for i, s := range p.views {
			if columns, ok := c.columnsOf(s); ok {
				c.derived = &derivation{i, columns}
				break
			}
		}
	}
}

// derivable reports whether the view's keys depend on the source alone and are
// few, and whether nothing asks for them before the pane closes.
func (c *compiled) derivable() bool {
	for _, k := range c.by {
		if k.kind != kindCountry && k.kind != kindASN && k.kind != kindASName {
			return false
		}
	}
	// Of ingress the remote end is the source.
	return c.Top > 0 && slices.Equal(c.Where[fieldDirection], Values{directions[flowlog.Ingress]})
}

// columnsOf returns where a view by source has the columns of this view.
func (c *compiled) columnsOf(s *compiled) (columns []int, ok bool) {
	if s.Top == 0 || len(s.by) != 1 || s.by[0].kind != kindSource || !maps.EqualFunc(s.Where, c.Where, slices.Equal) {
		return nil, false
	}
	columns = append(columns, 0)
	for _, m := range c.measures {
		at := slices.Index(s.measures, m)
		if at < 0 {
			return nil, false
		}
		columns = append(columns, at+1)
	}
	return columns, true
}

// Derive makes the views that are made from others. It is called once, when the
// pane has all its records.
func (p *Pane) Derive(places *enrich.Places) {
	for i := range p.views {
		if p.feeds(i) {
			d := deriver{pane: p, view: i, places: places}
			for row := range p.views[i].Len() {
				d.add(row)
			}
		}
	}
}

// feeds reports whether other views are made from view i.
func (p *Pane) feeds(i int) bool {
	return slices.ContainsFunc(p.plan.views, func(c *compiled) bool { return c.derived != nil && c.derived.from == i })
}

// deriver adds rows of one view to those that are made from it.
type deriver struct {
	pane   *Pane
	view   int
	places *enrich.Places
	key    []byte // scratch
}

func (d *deriver) add(row int) {
	from := d.pane.views[d.view]
	source := sourceOf(from.Key(row))
	place := d.places.Lookup(source)
	for i, c := range d.pane.plan.views {
		if c.derived == nil || c.derived.from != d.view {
			continue
		}
		t := d.pane.views[i]
		d.key = c.appendPlaceKey(d.key[:0], &place)
		to, _ := t.Row(d.key)
		values, sums := t.Values(to), from.Values(row)
		for column, at := range c.derived.columns {
			values[column] = Add(values[column], sums[at])
		}
		// Without records of its own the row has what others left for this pane.
		if c.distinct && source.IsValid() && sums[0] > 0 {
			t.Distinct(to).Insert(sketch.HashAddr(source))
		}
	}
}

func (c *compiled) appendPlaceKey(key []byte, p *enrich.Place) []byte {
	for i := range c.by {
		key = c.by[i].appendPlace(key, p)
	}
	return key
}

// appendPlace appends a part that tells where an address belongs.
func (k *keyField) appendPlace(key []byte, p *enrich.Place) []byte {
	switch k.kind {
	case kindCountry:
		return appendPart(key, p.Country)
	case kindASN:
		return appendNumber(key, p.ASN)
	case kindASName:
		return appendPart(key, p.ASName)
	}
	return appendPart(key, p.Service)
}

// sourceOf reads a key of a view by source.
func sourceOf(key []byte) netip.Addr {
	part, _, _ := nextPart(key)
	return addrPart(part)
}
