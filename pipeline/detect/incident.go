package detect

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// The lifecycle of an incident, the same for every rule.
const (
	updateEvery  = 15 * 60 // seconds of event time between updates
	quietPanes   = 3       // panes in a row without what was found, until it closes
	reopenPanes  = 6       // it is the same incident when it comes back within these
	missingPanes = 12      // panes without any record of its place, until it closes
)

// incident is one attack, from the pane that crossed the threshold until it
// closed and can no longer reopen. Between events it gathers what the next
// event will say.
type incident struct {
	Finding  Finding `json:"finding"`  // the last event, with what was gathered since
	Sentence string  `json:"sentence"` // its message without the state of the incident
	Strength float64 `json:"strength"` // of the evidence in Finding: the strongest pane's is kept
	Crossed  int64   `json:"crossed"`  // start of the pane that crossed
	Opened   int64   `json:"opened"`   // start of the pane that opened or reopened it
	Emitted  int64   `json:"emitted"`  // Time of the last event
	Covered  int64   `json:"covered"`  // start of the last pane with records of its place
	Quiet    int     `json:"quiet"`    // quiet panes in a row
	Closed   int64   `json:"closed"`   // Time of the close, 0 while open
	// Provisional says that it rests on a pane that has not closed: the one
	// that starts at Opened.
	Provisional bool `json:"provisional,omitempty"`
	// Reopened is when it had closed before it was opened again, 0 if never.
	Reopened int64 `json:"reopened,omitempty"`
}

// reported is the time before which everything has been told in an event that
// stands: what opens or confirms the incident must have come after it. 0 is
// none.
func (i *incident) reported() int64 {
	switch {
	case i.Closed != 0 && i.Finding.CloseReason != NotConfirmed:
		return i.Closed
	case i.Closed != 0, i.Provisional:
		return i.Reopened
	}
	return 0
}

// strike is what a rule found in one pane: a finding without what only its
// incident knows (uid, sequence, activity, times of creation).
type strike struct {
	Finding
	strength float64
	crossed  int64 // start of the pane that crossed
}

func openIncident(s *strike) (*incident, Finding) {
	i := &incident{Crossed: s.crossed, Opened: s.crossed, Covered: s.crossed}
	i.take(s)
	i.Finding.UID = uidOf(s.Rule, s.Account, s.Scope, s.Key, s.crossed)
	i.Finding.Created = s.Time
	return i, i.emit(Create, s.Time)
}

// reopen goes on with an incident that closed a short time ago.
func (i *incident) reopen(s *strike) Finding {
	i.Reopened = i.reported()
	i.Opened, i.Closed, i.Quiet = s.crossed, 0, 0
	i.Finding.CloseReason = ""
	i.gather(s)
	return i.emit(Update, s.Time)
}

// reopens reports whether a strike in the pane that starts at crossed belongs
// to this closed incident. What became the normal level can't come back.
func (i *incident) reopens(crossed, pane int64) bool {
	return i.Finding.CloseReason != NewBaseline && crossed-i.Closed < reopenPanes*pane
}

// gather takes one more strike and reports whether it made the incident more
// severe.
func (i *incident) gather(s *strike) bool {
	before, count, records := i.Finding, i.Finding.Count, i.Finding.Records
	if s.strength >= i.Strength {
		i.take(s)
		f := &i.Finding
		f.UID, f.Seq, f.Created, f.CloseReason = before.UID, before.Seq, before.Created, before.CloseReason
		f.Severity = max(f.Severity, before.Severity)
	}
	f := &i.Finding
	f.Severity = max(f.Severity, s.Severity)
	f.Confidence, f.ConfidenceScore = s.Confidence, s.ConfidenceScore
	if s.Confidence == before.Confidence {
		f.ConfidenceScore = max(s.ConfidenceScore, before.ConfidenceScore)
	}
	f.FirstSeen, f.LastSeen = min(before.FirstSeen, s.FirstSeen), max(before.LastSeen, s.LastSeen)
	f.Count, f.Records = count+s.Count, records+s.Records
	f.LateRecords = s.LateRecords
	if f.Spike != nil { // a spike goes on listing every measure that it had
		f.Types = union(before.Types, s.Types)
	}
	return f.Severity > before.Severity
}

func union(have, more []string) []string {
	out := slices.Clone(have)
	for _, s := range more {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (i *incident) take(s *strike) {
	i.Finding, i.Sentence, i.Strength = s.Finding, s.Message, s.strength
}

// confirm takes what a closed pane says in the place of what was found while
// it was open.
func (i *incident) confirm(s *strike) Finding {
	before, strength := i.Finding, i.Strength
	i.take(s)
	f := &i.Finding
	f.UID, f.Seq, f.Created = before.UID, before.Seq, before.Created
	f.Severity = max(f.Severity, before.Severity)
	if f.Seq > 1 { // it had been reopened
		f.FirstSeen = min(f.FirstSeen, before.FirstSeen)
		f.Count, f.Records = before.Count+f.Count, before.Records+f.Records
	}
	i.Strength = max(i.Strength, strength)
	i.Provisional, i.Quiet, i.Covered = false, 0, s.crossed
	f.Activity, f.Time = Update, s.Time
	f.Seq++
	f.Message = i.Sentence + "; confirmed when the pane closed"
	i.Emitted = s.Time
	return *f
}

// refute closes what was found early and did not stand.
func (i *incident) refute(time int64) Finding {
	i.Provisional = false
	return i.close(time, NotConfirmed)
}

// due reports whether an update is to be sent at the end of a pane.
func (i *incident) due(end int64) bool { return end-i.Emitted >= updateEvery }

func (i *incident) update(end int64) Finding { return i.emit(Update, end) }

func (i *incident) close(time int64, reason CloseReason) Finding {
	i.Closed = time
	i.Finding.CloseReason = reason
	return i.emit(Close, time)
}

// missed returns when the incident closes for want of records, given the
// start of the next pane that has records of its place; ok is false when it
// does not.
func (i *incident) missed(next, pane int64) (time int64, ok bool) {
	time = i.Covered + (missingPanes+1)*pane
	return time, next >= time
}

func (i *incident) emit(a Activity, time int64) Finding {
	f := &i.Finding
	f.Activity, f.Time = a, time
	f.Seq++
	f.Message = i.Sentence + i.state(a, time)
	i.Emitted = time
	return *f
}

// state is the half sentence that tells how an incident goes on.
func (i *incident) state(a Activity, time int64) string {
	lasted := span(time - i.Crossed)
	switch {
	case a == Create:
		return ""
	case a == Update:
		return "; still going on after " + lasted
	case i.Finding.CloseReason == NewBaseline:
		return "; lasted " + lasted + " and is the normal level from now on"
	case i.Finding.CloseReason == NotConfirmed:
		return "; not confirmed when the pane closed"
	case i.Finding.CloseReason == NoCoverage:
		return fmt.Sprintf("; closed because nothing was recorded there for %d panes", missingPanes)
	}
	return "; over after " + lasted
}

const incidentFormat = 1

func (i *incident) encode() []byte {
	// Every field is a plain value that JSON can hold: the tests round-trip
	// them, and rules never put NaN or an infinity into evidence.
	b, err := json.Marshal(i)
	if err != nil {
		panic(fmt.Sprintf("detect: encode incident %s: %v", i.Finding.UID, err))
	}
	return append([]byte{incidentFormat}, b...)
}

var errState = errors.New("broken state")

func decodeIncident(b []byte) (*incident, error) {
	if len(b) == 0 || b[0] != incidentFormat {
		return nil, fmt.Errorf("incident: %w", errState)
	}
	var i incident
	if err := json.Unmarshal(b[1:], &i); err != nil {
		return nil, fmt.Errorf("incident: %w", err)
	}
	return &i, nil
}
