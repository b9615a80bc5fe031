package checkpoint

import (
	"bytes"
	"maps"
	"slices"
	"strings"
)

// overlay is what deltas change of a base. It refers to the memory of the
// segments that were applied.
type overlay struct {
	changed  map[string]change
	prefixes [][]byte // deleted in the base: ascending, none begins with another
}

type change struct {
	value   []byte
	deleted bool
}

func newOverlay() *overlay { return &overlay{changed: map[string]change{}} }

// apply takes the changes of the next segment.
func (o *overlay) apply(raw []byte) error {
	return changes(raw, func(op byte, key, value []byte) error {
		switch op {
		case opPrefix:
			o.deletePrefix(key)
		case opDelete:
			o.changed[string(key)] = change{deleted: true}
		case opPut:
			o.changed[string(key)] = change{value: value}
		}
		return nil
	})
}

func (o *overlay) deletePrefix(prefix []byte) {
	p := string(prefix)
	maps.DeleteFunc(o.changed, func(key string, _ change) bool { return strings.HasPrefix(key, p) })
	if o.hides(prefix) {
		return
	}
	o.prefixes = slices.DeleteFunc(o.prefixes, func(longer []byte) bool { return bytes.HasPrefix(longer, prefix) })
	i, _ := slices.BinarySearchFunc(o.prefixes, prefix, bytes.Compare)
	o.prefixes = slices.Insert(o.prefixes, i, prefix)
}

// hides reports whether a key of the base has been deleted by a prefix. Since
// none of the prefixes begins with another, only the last one that is not
// above the key can be its beginning.
func (o *overlay) hides(key []byte) bool {
	i, found := slices.BinarySearchFunc(o.prefixes, key, bytes.Compare)
	return found || i > 0 && bytes.HasPrefix(key, o.prefixes[i-1])
}

// merge is a base with an overlay, visited in ascending order of keys.
type merge struct {
	*overlay
	keys  []string // of changed, ascending; those that were passed are gone
	visit func(key, value []byte) error
}

func (o *overlay) over(visit func(key, value []byte) error) *merge {
	return &merge{o, slices.Sorted(maps.Keys(o.changed)), visit}
}

// base takes the next entry of the base, after all that come before it.
func (m *merge) base(key, value []byte) error {
	if err := m.until(key); err != nil {
		return err
	}
	if len(m.keys) > 0 && m.keys[0] == string(key) { // until stops at it
		return m.next()
	}
	if m.hides(key) {
		return nil
	}
	return m.visit(key, value)
}

// until visits what was changed below a key; nil stands for the end.
func (m *merge) until(key []byte) error {
	for len(m.keys) > 0 && (key == nil || m.keys[0] < string(key)) {
		if err := m.next(); err != nil {
			return err
		}
	}
	return nil
}

func (m *merge) next() error {
	key := m.keys[0]
	m.keys = m.keys[1:]
	if c := m.changed[key]; !c.deleted {
		return m.visit([]byte(key), c.value)
	}
	return nil
}
