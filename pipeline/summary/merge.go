package summary

// Merge adds all that o holds; o stays what it is. Merging is associative and
// commutative: the report does not depend on how records were dealt out.
func (s *Summary) Merge(o *Summary) {
	s.flush()
	o.flush()
	s.ok = add(s.ok, o.ok)
	s.noData = add(s.noData, o.noData)
	s.skipData = add(s.skipData, o.skipData)
	s.late = add(s.late, o.late)
	for reason, n := range o.malformed {
		s.AddMalformed(reason, n)
	}
	s.has |= o.has
	for i := range s.directions {
		s.directions[i].merge(&o.directions[i])
	}
	if o.timed {
		s.span(o.first, o.last)
		s.timeline.merge(&o.timeline)
	}
	o.v4.all(func(e *entry[uint32]) {
		into := s.v4.at(e.key, hash32(e.key))
		s.mergeTotals(&into.totals, o, &e.totals)
	})
	o.v6.all(func(e *entry[[16]byte]) {
		into := s.v6.at(e.key, hash128(e.key))
		s.mergeTotals(&into.totals, o, &e.totals)
	})
	o.ports.all(s.ports.add)
}

func (d *direction) merge(o *direction) {
	d.records = add(d.records, o.records)
	d.bytes = add(d.bytes, o.bytes)
	d.packets = add(d.packets, o.packets)
	d.accepted = add(d.accepted, o.accepted)
	d.rejected = add(d.rejected, o.rejected)
}

func (s *Summary) mergeTotals(t *totals, o *Summary, from *totals) {
	t.state |= from.state & directionMask
	t.records = add(t.records, from.records)
	t.bytes = add(t.bytes, from.bytes)
	t.packets = add(t.packets, from.packets)
	s.mergeTargets(t, o, from)
}
