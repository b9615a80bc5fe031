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
	t := s.glance(in, countsOf(load), open.Start)
	s.confirmed(&t, in, load, open)
	pane := &Pane{Start: open.Start, End: open.End}
	hits := t.hits()
	if len(hits) == 0 {
		return
	}
	st := s.finding(in, load, pane, &t, hits)
	st.Confidence, st.ConfidenceScore = Provisional, provisionalScore
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
	defer t.weighSources()
	var before [NumMeasures]pairable
	switch {
	case in.tested == open.Start-s.pane:
		for m := range NumMeasures {
			before[m] = pairOf(&in.measures[m])
		}
	case open.Before != nil:
		if l, ok := open.Before(load); ok {
			b := s.glance(in, countsOf(&l), open.Start-s.pane)
			for m := range NumMeasures {
				before[m] = pairable{b.cand[m], b.excess[m]}
			}
		}
	}
	for m := range NumMeasures {
		s.confirm(t, m, &in.measures[m], before[m])
	}
}

// glance tests counts without a trace in the state. Only what is strong enough
// to need no second pane is a hit.
func (s *Spike) glance(in *ingress, counts [NumMeasures]int64, start int64) tested {
	t := tested{done: in.seen >= recentPanes, counts: counts}
	if !t.done {
		return t
	}
	s.look(in, &t, start)
	for m := range NumMeasures {
		b := &in.measures[m]
		e := s.expect(in, m, start)
		t.expected[m], t.phi[m] = e, b.phi
		if float64(counts[m]) < leastFrom(&t, m, s.floor(&t, m)) {
			continue
		}
		t.lnP[m] = lnUpperTail(counts[m], e.mu, b.phi)
		s.judge(&t, m, b)
	}
	return t
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
