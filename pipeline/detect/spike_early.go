package detect

import "slices"

// Early opens an incident for every interface that is so far above what is
// expected that no second pane is needed, with P < alpha, or that is a candidate
// already in two panes in a row. The baseline is that of the panes closed so far.
func (s *Spike) Early(open *Open) []Finding {
	s.found = s.found[:0]
	for i := range open.Panes {
		pane := &open.Panes[i]
		for j := range pane.Loads {
			load := &pane.Loads[j]
			in := s.interfaces[load.Key]
			if in == nil || pane.Start <= in.covered || pane.Start-in.covered > forgetAfter {
				continue
			}
			if in.incident != nil && in.incident.Closed == 0 {
				continue
			}
			s.foresee(in, load, pane)
		}
	}
	sortFindings(s.found)
	return s.found
}

func (s *Spike) foresee(in *ingress, load *Load, open *OpenPane) {
	t := s.hold(in, countsOf(load), open.Start)
	s.confirmed(&t, in, load, open)
	t.weighSources()
	hits := t.hits()
	if len(hits) == 0 {
		return
	}
	st := s.finding(in, load, &Pane{Start: open.Start, End: open.End}, &t, hits)
	st.Confidence, st.ConfidenceScore = Provisional, provisionalScore
	if in.incident != nil && in.incident.reopens(st.crossed, s.pane) {
		st.Count, st.Records = 0, 0 // the pane is counted when it has closed
	}
	s.strike(in, st)
	in.incident.Provisional = true
	s.note(in)
}

// provisionalScore is the confidence_score of what may not be confirmed.
const provisionalScore = 70

// confirmed makes hits of the candidates that were candidates in the pane before,
// be it closed or open.
func (s *Spike) confirmed(t *tested, in *ingress, load *Load, open *OpenPane) {
	if !slices.Contains(t.cand[:], true) {
		return
	}
	var before [NumMeasures]pairable
	switch {
	case in.tested == open.Start-s.pane:
		for m := range NumMeasures {
			before[m] = pairOf(&in.measures[m])
		}
	case open.Before != nil:
		if l, ok := open.Before(load); ok {
			b := s.hold(in, countsOf(&l), open.Start-s.pane)
			for m := range NumMeasures {
				before[m] = pairable{b.cand[m], b.beyond[m].z}
			}
		}
	}
	for m := range NumMeasures {
		t.confirm(m, before[m])
	}
}

// settle holds a provisional incident against a pane that has closed. One
// before the pane that it rests on may confirm it, and that one decides.
func (s *Spike) settle(in *ingress, load *Load, pane *Pane, t *tested) {
	i := in.incident
	if hits := t.hits(); len(hits) > 0 {
		in.incidentChanged = true
		s.found = append(s.found, i.confirm(s.finding(in, load, pane, t, hits)))
		return
	}
	if pane.Start >= i.Opened {
		in.incidentChanged = true
		s.found = append(s.found, i.refute(pane.End))
	}
}
