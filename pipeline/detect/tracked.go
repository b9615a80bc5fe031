package detect

import (
	"fmt"
	"slices"
)

// tracked says how what a rule remembers of an address differs from the entry
// that Changes put of it.
type tracked struct{ changed, stored, gone bool }

func (t *tracked) track() *tracked { return t }

// putChanged puts the entries of a rule's addresses that changed, by ascending
// key, and deletes those that are gone, from all as well.
func putChanged[S interface {
	track() *tracked
	encode() []byte
}](all map[addrKey]S, kind byte, put func(key, value []byte)) {
	var keys []addrKey
	for key, s := range all {
		if t := s.track(); t.changed || t.gone {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, addrKey.compare)
	for _, key := range keys {
		s := all[key]
		t := s.track()
		if t.gone {
			put(key.entry(kind), nil)
			delete(all, key)
			continue
		}
		put(key.entry(kind), s.encode())
		t.changed, t.stored = false, true
	}
}

// sortedKeys returns the keys of the entries that are chosen, ascending. Few have
// changed since the last commit.
func sortedKeys[V any](all map[string]V, chosen func(key string, v V) bool) []string {
	var keys []string
	for key, v := range all {
		if chosen(key, v) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// restoreEach gives a rule's saved entries to restore, which must copy what it
// keeps.
func restoreEach(rule string, next func() (key, value []byte, ok bool), restore func(key, value []byte) error) error {
	for key, value, ok := next(); ok; key, value, ok = next() {
		if len(key) == 0 {
			return fmt.Errorf("restore %s: entry without a key: %w", rule, errState)
		}
		if err := restore(key, value); err != nil {
			return fmt.Errorf("restore %s: %w", rule, err)
		}
	}
	return nil
}

// unknownEntry is the error of an entry that the rule has no kind for.
func unknownEntry(key []byte) error { return fmt.Errorf("entry %q: %w", key, errState) }
