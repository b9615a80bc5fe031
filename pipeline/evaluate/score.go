package evaluate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// Incident is what became of one uid: its last state, with what is judged.
type Incident struct {
	First    detect.Finding // as it was raised
	Last     detect.Finding
	Severity detect.Severity // the highest it had
	Opened   int64           // Unix seconds of event time: the end of the pane that opened it
	Raised   time.Time       // by the clock of arrivals; zero when that is not known
}

// Incidents gathers findings by uid, in the order in which they opened.
type Incidents struct {
	byUID map[string]*Incident
	order []string
}

// Add takes one finding, raised at a time of arrival that may be zero.
func (s *Incidents) Add(f *detect.Finding, raised time.Time) {
	if s.byUID == nil {
		s.byUID = make(map[string]*Incident)
	}
	i := s.byUID[f.UID]
	if i == nil {
		i = &Incident{First: *f, Opened: f.Time, Raised: raised}
		s.byUID[f.UID] = i
		s.order = append(s.order, f.UID)
	}
	i.Last, i.Severity = *f, max(i.Severity, f.Severity)
}

// All returns the incidents. Those that were not confirmed are among them.
func (s *Incidents) All() []Incident {
	all := make([]Incident, 0, len(s.order))
	for _, uid := range s.order {
		all = append(all, *s.byUID[uid])
	}
	return all
}

// Run is one run over labelled traffic.
type Run struct {
	Seed       uint64
	Captured   bool // from real records, so that there is no seed
	Truth      []simulate.Truth
	Incidents  []Incident
	Interfaces int
	From, To   time.Time     // of the traffic
	Learn      time.Duration // from the start on, in which nothing counts as false
	Pane       time.Duration
	Records    int64
	// Needed returns when the last record arrived that an early finding of this
	// truth needs; zero when none did or that is not known. The same holds for
	// findings that did not come early: their delay counts all the more.
	Needed func(t *simulate.Truth, i *Incident) time.Time
	// Why tells why a truth may have been missed; nil where nobody knows.
	Why func(t *simulate.Truth) string
}

// Before and after the time of a scenario in which a finding still is about it:
// records spread a little, and a window of an hour goes on afterwards.
const (
	before = 10 * time.Minute
	after  = time.Hour
)

// placed reports whether an incident is where a truth is, whatever its rule and
// time.
func placed(t *simulate.Truth, f *detect.Finding) bool {
	if t.Account != "" && f.Account != t.Account && f.Account != "-" || t.VPC != "" && f.Scope != t.VPC && f.Scope != "-" {
		return false
	}
	return f.Key == t.Key || slices.Contains(t.Keys, f.Key) || f.Scope == t.Key || mainSource(f) == t.Key
}

// mainSource is where most of a spike came from, "" when the finding tells none:
// labels of captures name who attacked, and not what.
func mainSource(f *detect.Finding) string {
	if f.Spike == nil || len(f.Spike.TopSources) == 0 {
		return ""
	}
	return f.Spike.TopSources[0].Addr.String()
}

// about reports whether an incident opened where a truth is and when it was, or
// not long afterwards, whatever its rule.
func about(t *simulate.Truth, i *Incident) bool {
	opened := time.Unix(i.Opened, 0)
	return placed(t, &i.Last) && !opened.Before(t.Start.Add(-before)) && !opened.After(t.End.Add(after))
}

// fits reports whether an incident is of the rule that a truth expects, and
// severe enough.
func fits(t *simulate.Truth, i *Incident) bool {
	if t.Rule == "" && !strings.HasPrefix(i.Last.Rule, "scan.") || t.Rule != "" && i.Last.Rule != t.Rule || i.Last.CloseReason == detect.NotConfirmed {
		return false
	}
	least, err := detect.ParseSeverity(t.Severity)
	return err != nil || i.Severity >= least
}

// opens reports whether a truth is what an incident opened for: one that was
// going on then, and when none was, the one that had ended last. So a scan too
// small to be found is not found by the incident of a larger one that the same
// source makes within the hour.
func (run *Run) opens(t *simulate.Truth, i *Incident) bool {
	if !attack(t) || !fits(t, i) || !about(t, i) {
		return false
	}
	opened := time.Unix(i.Opened, 0)
	if !opened.After(t.End.Add(before)) {
		return true
	}
	for j := range run.Truth {
		u := &run.Truth[j]
		if attack(u) && u.End.After(t.End) && fits(u, i) && about(u, i) {
			return false
		}
	}
	return true
}

// continues reports whether a truth lies in an incident that was open already
// and had rightly been opened for another one: it goes on with that incident, and
// nobody would want a second.
func (run *Run) continues(t *simulate.Truth, i *Incident) bool {
	if !fits(t, i) || !placed(t, &i.Last) || !time.Unix(i.Opened, 0).Before(t.Start) || i.Last.LastSeen < t.Start.Unix() {
		return false
	}
	return run.explained(i)
}

// attack reports whether a truth is an attack: one to be found, or one of which
// nobody asks that because it is below the floors of its rule or does not show in
// its format. A finding of the latter is right all the same. What is counted and no
// attack, such as a sweep of the whole Internet, is of severity Info.
func attack(t *simulate.Truth) bool {
	if t.Expect == simulate.ExpectMetric {
		severity, err := detect.ParseSeverity(t.Severity)
		return err == nil && severity > detect.Info
	}
	return t.Expect == simulate.ExpectFinding
}

// explains reports whether an incident is no false one because of a truth.
func explains(t *simulate.Truth, i *Incident) bool {
	switch {
	case !about(t, i):
		return false
	case attack(t):
		return t.Rule == "" || i.Last.Rule == t.Rule || slices.Contains(t.Also, i.Last.Rule)
	case t.Expect == simulate.ExpectMetric:
		return i.Last.Rule == t.Rule && i.Severity == detect.Info
	}
	return false
}

// Of returns the report over some runs.
func Of(runs []Run) *Report {
	r := &Report{ByRule: map[string]int{}, False: map[string]*Rate{}}
	for s := detect.Info; s <= detect.Critical; s++ {
		r.False[s.String()] = &Rate{ByRule: map[string]int{}}
	}
	groups := map[string]*Group{}
	right, all := 0, 0
	for i := range runs {
		run := &runs[i]
		if !run.Captured {
			r.Seeds = append(r.Seeds, run.Seed)
		}
		r.Records += run.Records
		r.LearnHours = max(r.LearnHours, run.Learn.Hours())
		r.InterfaceDays += float64(run.Interfaces) * max(0, run.To.Sub(run.From)-run.Learn).Hours() / 24
		for j := range run.Truth {
			run.judge(&run.Truth[j], groups)
		}
		a, b := run.falseOnes(r)
		right, all = right+a, all+b
	}
	if all > 0 {
		share := float64(right) / float64(all)
		r.Precision = &share
	}
	var seconds []float64
	for _, g := range groups {
		if g.urgent {
			seconds = append(seconds, g.seconds...)
		}
		g.finish()
		r.Scenarios = append(r.Scenarios, *g)
	}
	r.Urgent = quantiles(seconds)
	slices.SortFunc(r.Scenarios, func(a, b Group) int {
		return cmp.Or(strings.Compare(a.Expect, b.Expect), strings.Compare(a.Scenario, b.Scenario))
	})
	for _, rate := range r.False {
		rate.finish(r.InterfaceDays)
	}
	return r
}

// judge counts one truth into the group of its kind.
func (run *Run) judge(t *simulate.Truth, groups map[string]*Group) {
	name := string(t.Scenario)
	if t.Factor > 0 {
		name += fmt.Sprintf(" x%g", t.Factor)
	}
	if t.Bursty {
		name += " (bursty)"
	}
	small := attack(t) && t.Expect == simulate.ExpectMetric
	key := fmt.Sprint(t.Expect, small, name)
	g := groups[key]
	if g == nil {
		g = &Group{Scenario: name, Expect: t.Expect, Attack: small, Rule: t.Rule, urgent: urgent(t)}
		groups[key] = g
	}
	g.Instances++
	if attack(t) {
		run.seek(t, g)
		return
	}
	for k := range run.Incidents {
		i := &run.Incidents[k]
		learned := !time.Unix(i.Opened, 0).Before(run.From.Add(run.Learn))
		if learned && about(t, i) && i.Severity >= detect.Low && !run.explained(i) {
			g.Reported++
			g.say(run, t, i.Last.UID)
			return
		}
	}
}

// seek looks for the incident of a truth that is to be found.
func (run *Run) seek(t *simulate.Truth, g *Group) {
	for k := range run.Incidents {
		if i := &run.Incidents[k]; run.opens(t, i) {
			g.Reported++
			run.time(t, i, g)
			return
		}
	}
	for k := range run.Incidents {
		if run.continues(t, &run.Incidents[k]) {
			g.Reported++
			g.Continued++
			return
		}
	}
	if t.Expect == simulate.ExpectFinding {
		g.say(run, t, "")
	}
}

// time notes how long after a truth's first pane, and after the last record
// needed, its incident opened.
func (run *Run) time(t *simulate.Truth, i *Incident, g *Group) {
	pane := int64(run.Pane / time.Second)
	first := t.Start.Unix() - t.Start.Unix()%pane + pane
	g.delays = append(g.delays, float64(max(0, i.Opened-first))/float64(pane))
	if run.Needed == nil || i.Raised.IsZero() {
		return
	}
	if needed := run.Needed(t, i); !needed.IsZero() {
		g.seconds = append(g.seconds, i.Raised.Sub(needed).Seconds())
	}
}

// explained reports whether any truth explains an incident.
func (run *Run) explained(i *Incident) bool {
	for j := range run.Truth {
		if explains(&run.Truth[j], i) {
			return true
		}
	}
	return false
}

// falseOnes counts the incidents that nothing explains.
func (run *Run) falseOnes(r *Report) (right, all int) {
	for k := range run.Incidents {
		i := &run.Incidents[k]
		if time.Unix(i.Opened, 0).Before(run.From.Add(run.Learn)) {
			continue
		}
		r.ByRule[i.Last.Rule]++
		explained := run.explained(i)
		if i.Severity >= detect.Low {
			all++
			if explained {
				right++
			}
		}
		if explained || i.Last.CloseReason == detect.NotConfirmed && i.Severity < detect.Low {
			continue
		}
		rate := r.False[i.Severity.String()]
		rate.Findings++
		rate.ByRule[i.Last.Rule]++
		if len(rate.Examples) < examples {
			rate.Examples = append(rate.Examples, run.name()+i.Last.Message)
		}
	}
	return right, all
}

// urgent reports whether a truth is what early findings are for: a scan within
// minutes, or a flood of ten times and more.
func urgent(t *simulate.Truth) bool {
	switch t.Rule {
	case "scan.internal", "scan.external":
		return true
	case "spike":
		return t.Scenario != "ramp" && (t.Factor == 0 || t.Factor >= 10)
	}
	return false
}
