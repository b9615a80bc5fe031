package detect

// Early opens an incident for every source of which, in one of the rule's
// windows, twice as many targets have failed as it asks for, with twice its
// log-likelihood ratio. A SYN without an answer yet counts as failed. The uid is
// that of the first pane in which the plain test is passed.
func (s *Scan) Early(open *Open) []Finding {
	s.found = s.found[:0]
	if open.From == nil {
		return nil
	}
	s.own = (&Pane{Own: open.Own}).own
	for c := range open.From(s.rule.internal) {
		s.foresee(&c)
	}
	sortFindings(s.found)
	return s.found
}

func (s *Scan) foresee(c *OpenContact) {
	key := c.key()
	src := s.sources[key]
	switch {
	case src == nil:
		src = &source{key: key}
	case src.incident != nil && src.incident.Closed == 0:
		return
	}
	visits := s.soFar(src, c)
	crossed := int64(-1)
	for i, v := range visits {
		if v.start <= s.last {
			continue
		}
		if crossed < 0 {
			if _, ok := s.glance(src, visits[:i+1], 1); ok {
				crossed = v.start
			}
		}
		if crossed < 0 {
			continue
		}
		if j, ok := s.glance(src, visits[:i+1], earlyMargin); ok {
			j.crossed = crossed
			told := c.about()
			for _, v := range visits[:i+1] {
				if v.start > s.last {
					v.tell(told)
				}
			}
			s.raise(src, j, v.start+s.pane)
			return
		}
	}
}

// soFar returns what a source did in the closed panes of the window, and after
// that in the open ones.
func (s *Scan) soFar(src *source, c *OpenContact) []*visit {
	visits := src.visits[:len(src.visits):len(src.visits)]
	for i := range c.Panes {
		p := &c.Panes[i]
		if p.Start <= s.last {
			continue // as this rule has seen it
		}
		v := &visit{source: src, start: p.Start, first: p.First, last: p.Last, records: p.Records}
		v.targets.Merge(p.Targets)
		o := v.targets.Tally()
		v.weigh(&o)
		visits = append(visits, v)
	}
	return visits
}

// glance tests the windows that end with the last of the visits against so many
// times what the rule asks for.
func (s *Scan) glance(src *source, visits []*visit, margin int) (*judgement, bool) {
	end := visits[len(visits)-1].start
	for _, test := range s.rule.tests {
		after := end - s.panes(test.seconds)*s.pane
		if src.incident != nil {
			after = max(after, src.incident.reported()-1)
		}
		from := 0
		for from < len(visits) && visits[from].start <= after {
			from++
		}
		if !possible(visits[from:], margin*test.failed, false, 0) {
			continue
		}
		j := s.weigh(visits[from:], nil, true)
		j.test = test
		if j.failed >= margin*test.failed && j.score >= float64(margin)*s.rule.bound() {
			return j, true
		}
	}
	return nil, false
}

// raise opens the incident of an early finding, or the one of a short time ago
// again.
func (s *Scan) raise(src *source, j *judgement, end int64) {
	st := s.finding(src, j, end, &Pane{Start: end - s.pane, End: end})
	st.Confidence, st.ConfidenceScore = Provisional, provisionalScore
	src.incidentChanged = true
	if i := src.incident; i != nil && i.reopens(j.crossed, s.pane) {
		i.Covered = j.crossed
		st.Count, st.Records = 0, 0 // the pane's are added when it closes
		s.found = append(s.found, i.reopen(st))
	} else {
		opened, f := openIncident(st)
		src.incident = opened
		s.found = append(s.found, f)
	}
	src.incident.Opened = end - s.pane
	src.incident.Provisional = true
	s.sources[src.key], s.incidents[src.key] = src, src
}
