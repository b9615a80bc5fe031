package detect

import "slices"

// advance moves an interface's incident on by one pane.
func (s *Spike) advance(in *ingress, load *Load, pane *Pane, t *tested) {
	i := in.incident
	if i != nil && i.Provisional {
		s.settle(in, load, pane, t)
		return
	}
	if i == nil || i.Closed != 0 {
		if hits := t.hits(); len(hits) > 0 {
			s.strike(in, s.finding(in, load, pane, t, hits))
		}
		return
	}
	i.Covered = pane.Start
	in.incidentChanged = true
	more := false
	if above := s.above(i, t); len(above) > 0 {
		i.Quiet = 0
		more = i.gather(s.finding(in, load, pane, t, above))
	} else {
		i.Quiet++
	}
	switch {
	case i.Quiet >= quietPanes:
		s.found = append(s.found, i.close(pane.End, Quiet))
	case pane.End-i.Opened >= newBaseline:
		s.found = append(s.found, i.close(pane.End, NewBaseline))
		in.shift(pane.End)
	case more || i.due(pane.End):
		s.found = append(s.found, i.update(pane.End))
	}
}

// strike opens an incident, or the one of a short time ago again.
func (s *Spike) strike(in *ingress, st *strike) {
	in.incidentChanged = true
	if old := in.incident; old != nil && old.reopens(st.crossed, s.pane) {
		old.Covered = st.crossed
		s.found = append(s.found, old.reopen(st))
		return
	}
	if in.incident == nil {
		s.open = append(s.open, in)
	}
	opened, f := openIncident(st)
	in.incident = opened
	s.found = append(s.found, f)
}

// above returns the measures that keep an incident open: what strikes now, and
// what struck before and is not back at its level.
func (s *Spike) above(i *incident, t *tested) []Measure {
	var out []Measure
	for m := range NumMeasures {
		mu := t.expected[m].mu
		high := float64(t.counts[m]) >= max(1.5*mu, mu+s.cfg.floor(m)/2)
		if t.hit[m] || high && slices.Contains(i.Finding.Types, m.String()) {
			out = append(out, m)
		}
	}
	return out
}

// shift takes the level that an incident held for so long as the normal one. Until
// the seasons have seen it too, peaks do not limit it and there is no drift test.
func (in *ingress) shift(now int64) {
	for m := range in.measures {
		in.measures[m].relevel()
		in.measures[m].cand = false
		in.measures[m].trend.score, in.measures[m].trend.run = 0, 0
		in.measures[m].tail.meet(0, 0, false, false)
	}
	in.seasonFrom = now + seasonOutFor
}

// closeUncovered closes what had no records for twelve panes before this one,
// and lets go of incidents that can't reopen.
func (s *Spike) closeUncovered(pane *Pane) {
	s.open = slices.DeleteFunc(s.open, func(in *ingress) bool {
		i := in.incident
		if i.Closed != 0 {
			if i.reopens(pane.Start, s.pane) {
				return false
			}
			in.incident = nil
			in.incidentChanged = true
			s.note(in)
			return true
		}
		next := pane.End // unless it is there, this pane is missing too
		if covers(pane, in.Key) {
			next = pane.Start
		}
		if time, gone := i.missed(next, s.pane); gone {
			s.found = append(s.found, i.close(time, NoCoverage))
			in.incidentChanged = true
			s.note(in)
		}
		return false
	})
}

func covers(pane *Pane, key Key) bool {
	_, ok := slices.BinarySearchFunc(pane.Loads, key, func(l Load, k Key) int { return compareKeys(l.Key, k) })
	return ok
}
