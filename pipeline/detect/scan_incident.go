package detect

import (
	"math"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// strike opens a source's incident, opens it again, or tells it more. time is
// the end of the deciding pane.
func (s *Scan) strike(src *source, j *judgement, time int64, pane *Pane) {
	st := s.finding(src, j, time, pane)
	src.incidentChanged = true
	i := src.incident
	switch {
	case i != nil && i.Provisional:
		s.found = append(s.found, i.confirm(st))
	case i != nil && i.Closed == 0:
		st.Count, st.Records = 0, 0 // each pane's are added once, in moveOn
		if i.gather(st) {
			s.found = append(s.found, i.update(time))
		}
		return
	case i != nil && i.reopens(j.crossed, s.pane):
		i.Covered = j.crossed
		s.found = append(s.found, i.reopen(st))
	default:
		opened, f := openIncident(st)
		src.incident = opened
		s.incidents[src.key] = src
		s.found = append(s.found, f)
	}
	src.counted = j.crossed
}

// moveOn counts quiet panes, closes what is over, sends updates, and lets go
// of incidents that no longer matter.
func (s *Scan) moveOn(pane *Pane) {
	for _, src := range s.incidents {
		i := src.incident
		if i.Closed != 0 {
			s.letGo(src, pane.Start)
			continue
		}
		if i.Provisional {
			if s.last >= i.Opened { // its pane has been judged in full
				src.incidentChanged = true
				s.found = append(s.found, i.refute(pane.End))
			}
			continue
		}
		if src.at(pane.Start) == nil && !pane.covers(src.key.place()) {
			continue // a pane without records tells nothing
		}
		src.incidentChanged = true
		i.Covered = pane.Start
		i.Quiet++
		if v := src.at(pane.Start); v != nil && s.goesOn(src, v) {
			i.Quiet = 0
			src.countRecords(v)
		}
		switch {
		case i.Quiet >= quietPanes:
			s.found = append(s.found, i.close(pane.End, Quiet))
		case i.due(pane.End):
			s.found = append(s.found, i.update(pane.End))
		}
	}
}

// goesOn reports whether a source still fails at targets, in a window that
// still has as many as the rule asks for.
func (s *Scan) goesOn(src *source, v *visit) bool {
	sweep := src.incident.Finding.Scan.Sweep
	if v.failed+v.pending == 0 && !(sweep && v.unknown > 0) {
		return false
	}
	for i, test := range s.rule.tests {
		visits := src.between(v.start-s.panes(test.seconds)*s.pane, v.start)
		if possible(visits, test.failed, sweep && i == len(s.rule.tests)-1, s.rule.sweep) {
			return true
		}
	}
	return false
}

// countRecords adds the records of a pane to the incident, once.
func (src *source) countRecords(v *visit) {
	if src.counted == v.start {
		return
	}
	src.counted = v.start
	f := &src.incident.Finding
	f.Count += v.records
	f.Records += v.records
	f.FirstSeen, f.LastSeen = min(f.FirstSeen, v.first), max(f.LastSeen, v.last)
}

// letGo forgets an incident when no window reaches back before its end.
func (s *Scan) letGo(src *source, start int64) {
	if start-src.incident.Closed < s.window {
		return
	}
	src.incident = nil
	delete(s.incidents, src.key)
	s.unsaveIncident(src)
	if len(src.visits) == 0 {
		delete(s.sources, src.key)
	}
}

// closeUncovered closes the incidents in VPCs of which twelve panes had no
// record.
func (s *Scan) closeUncovered(pane *Pane) {
	for _, src := range s.incidents {
		i := src.incident
		if i.Closed != 0 {
			continue
		}
		next := pane.End // unless it is there, this pane is missing too
		if pane.covers(src.key.place()) || src.at(pane.Start) != nil {
			next = pane.Start
		}
		if time, gone := i.missed(next, s.pane); gone {
			src.incidentChanged = true
			s.found = append(s.found, i.close(time, NoCoverage))
		}
	}
}

// countWaiting counts the targets of a visit that waited for an answer.
func (s *Scan) countWaiting(v *visit, answers *visit) {
	if !v.waiting {
		return
	}
	v.waiting = false
	if v.pending == 0 {
		return
	}
	answered, unknown := 0, 0
	if answers != nil {
		answered, unknown = s.answeredLater(v, answers)
	}
	s.outcomes.Answered += int64(answered)
	s.outcomes.Unknown += int64(unknown)
	s.outcomes.Failed += int64(max(0, int(v.pending)-answered-unknown))
}

// answeredLater counts the waiting targets of a visit that turned out not to
// have failed.
func (s *Scan) answeredLater(v, answers *visit) (answered, unknown int) {
	targets, exact := s.settle(&v.targets, answers)
	n := 0
	for _, t := range targets {
		switch {
		case !t.waited:
		case t.outcome == aggregate.Answered:
			answered++
		case t.outcome == aggregate.Unknown:
			unknown++
		}
		if t.waited {
			n++
		}
	}
	if !exact && n > 0 {
		scale := float64(v.pending) / float64(n)
		answered = int(math.Round(float64(answered) * scale))
		unknown = int(math.Round(float64(unknown) * scale))
	}
	return answered, unknown
}
