package detect

import (
	"maps"
	"slices"
)

// ledger keeps the incidents of a rule, by the place and key that they are
// about: it opens, updates and closes them. A rule says only what strikes in a
// pane and what goes on.
type ledger struct {
	pane    int64 // seconds
	quiet   int   // panes in a row without what was found, until an incident closes
	entries map[string]*ledgerEntry
	deleted []string
}

type ledgerEntry struct {
	*incident
	changed, stored bool
}

func (e *ledgerEntry) place() place { return place{e.Finding.Account, e.Finding.Scope} }

func newLedger(pane int64, quiet int) ledger {
	return ledger{pane: pane, quiet: quiet, entries: make(map[string]*ledgerEntry)}
}

// ledgerKey names an incident's place and key.
func ledgerKey(account, scope, key string) string { return account + "\x00" + scope + "\x00" + key }

func (s *strike) ledgerKey() string { return ledgerKey(s.Account, s.Scope, s.Key) }

// open reports whether an incident about a key is open.
func (l *ledger) open(key string) bool {
	e := l.entries[key]
	return e != nil && e.Closed == 0
}

// strike takes what was found in a pane, and appends the event that follows.
func (l *ledger) strike(found []Finding, s *strike) []Finding {
	key := s.ledgerKey()
	e := l.entries[key]
	switch {
	case e != nil && e.Closed == 0:
		e.Quiet, e.Covered = 0, s.crossed
		more := e.gather(s)
		e.changed = true
		if more || e.due(s.Time) {
			found = append(found, e.update(s.Time))
		}
		return found
	case e != nil && e.reopens(s.crossed, l.pane):
		e.Covered, e.changed = s.crossed, true
		return append(found, e.reopen(s))
	}
	i, f := openIncident(s)
	stored := e != nil && e.stored
	l.entries[key] = &ledgerEntry{incident: i, changed: true, stored: stored}
	return append(found, f)
}

// closeUncovered closes the incidents at places of which twelve panes had no
// record. It goes before the pane's strikes: what strikes after that is another
// incident, or the same again.
func (l *ledger) closeUncovered(found []Finding, pane *Pane) []Finding {
	for _, key := range slices.Sorted(maps.Keys(l.entries)) {
		e := l.entries[key]
		if e.Closed != 0 {
			continue
		}
		next := pane.End // unless it is there, this pane is missing too
		if pane.covers(e.place()) {
			next = pane.Start
		}
		if time, gone := e.missed(next, l.pane); gone {
			e.changed = true
			found = append(found, e.close(time, NoCoverage))
		}
	}
	return found
}

// pass moves every incident that did not strike in a pane on: it is one pane
// quieter, unless goesOn says otherwise, closes, or is forgotten. A pane without
// any record of an incident's place tells nothing.
func (l *ledger) pass(found []Finding, pane *Pane, goesOn func(key string) bool) []Finding {
	for _, key := range slices.Sorted(maps.Keys(l.entries)) {
		e := l.entries[key]
		switch {
		case e.Closed != 0:
			if !e.reopens(pane.Start, l.pane) {
				l.forget(key)
			}
			continue
		case e.Covered == pane.Start:
			continue // it struck in this pane
		case !pane.covers(e.place()):
			continue
		}
		e.changed = true
		e.Covered = pane.Start
		e.Quiet++
		if goesOn != nil && goesOn(key) {
			e.Quiet = 0
		}
		if e.Quiet >= l.quiet {
			found = append(found, e.close(pane.End, Quiet))
		} else if e.due(pane.End) && e.Quiet == 0 {
			found = append(found, e.update(pane.End))
		}
	}
	return found
}

func (l *ledger) forget(key string) {
	if l.entries[key].stored {
		l.deleted = append(l.deleted, key)
	}
	delete(l.entries, key)
}

// changes puts the incidents that changed, under their entry's kind.
func (l *ledger) changes(put func(key, value []byte)) {
	for _, key := range l.deleted {
		if l.entries[key] == nil {
			put(append([]byte{incidentEntry}, key...), nil)
		}
	}
	l.deleted = l.deleted[:0]
	for _, key := range sortedKeys(l.entries, func(_ string, e *ledgerEntry) bool { return e.changed }) {
		e := l.entries[key]
		put(append([]byte{incidentEntry}, key...), e.encode())
		e.changed, e.stored = false, true
	}
}

// restore takes an entry of changes.
func (l *ledger) restore(key, value []byte) error {
	i, err := decodeIncident(value)
	if err != nil {
		return err
	}
	l.entries[string(key[1:])] = &ledgerEntry{incident: i, stored: true}
	return nil
}

// restoreAll restores a rule whose state is incidents and nothing else.
func (l *ledger) restoreAll(rule string, next func() (key, value []byte, ok bool)) error {
	return restoreEach(rule, next, func(key, value []byte) error {
		if key[0] != incidentEntry {
			return unknownEntry(key)
		}
		return l.restore(key, value)
	})
}
