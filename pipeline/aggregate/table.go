package aggregate

import (
	"bytes"
	"math"
	"sort"

	"github.com/cespare/xxhash/v2"

	"github.com/flowwatch/flowwatch/pipeline/sketch"
)

// merge says how the values of one column combine.
type merge uint8

const (
	sum   merge = iota
	least       // the smaller of the two, 0 meaning none
	most        // the greater of the two
)

// Schema describes the rows of a Table: how each column merges, and whether a
// row also holds a set of distinct values.
type Schema struct {
	columns  []merge
	distinct bool
}

// Table groups by a key: rows of integers found by a byte string. It is what
// every view, every interface's load and every initiator's summary is kept in.
// Rows are numbered from 0 in order of arrival; Sorted gives an order that
// depends on the keys alone. Keys lie in one arena and rows in one slice, so a
// table has no pointers per row for the collector to follow, and Reset keeps
// its memory.
type Table struct {
	schema Schema
	slots  []uint32 // open addressing: row+1, 0 empty; a power of two
	hashes []uint64 // by row
	ends   []uint32 // by row: where its key ends in arena
	arena  []byte
	values []int64 // row-major, len(schema.columns) a row
	sets   []sketch.Distinct
	last   int // the row found last: consecutive records often share it
}

// NewTable returns an empty table.
func NewTable(schema Schema) *Table { return &Table{schema: schema, last: -1} }

// Len returns the number of rows.
func (t *Table) Len() int { return len(t.hashes) }

// room is how many rows there is memory for.
func (t *Table) room() int { return cap(t.hashes) }

// Key returns the key of a row, valid until Reset and not to be changed.
func (t *Table) Key(row int) []byte {
	from := uint32(0)
	if row > 0 {
		from = t.ends[row-1]
	}
	return t.arena[from:t.ends[row]]
}

// Values returns the row's columns, valid until the next insertion.
func (t *Table) Values(row int) []int64 {
	w := len(t.schema.columns)
	return t.values[row*w : row*w+w : row*w+w]
}

// Distinct returns the row's set, valid until the next insertion, or nil.
func (t *Table) Distinct(row int) *sketch.Distinct {
	if !t.schema.distinct {
		return nil
	}
	return &t.sets[row]
}

// Find returns the row of a key, or -1.
func (t *Table) Find(key []byte) int {
	if t.last >= 0 && bytes.Equal(t.Key(t.last), key) {
		return t.last
	}
	if len(t.slots) == 0 {
		return -1
	}
	row, _ := t.probe(key, xxhash.Sum64(key))
	return row
}

// findHashed is Find for a key whose hash is known. It leaves the row found
// last alone, so a table may be read while others read it.
func (t *Table) findHashed(key []byte, h uint64) int {
	if len(t.slots) == 0 {
		return -1
	}
	row, _ := t.probe(key, h)
	return row
}

// Row returns the row of a key, inserting a row of zeros when there is none.
func (t *Table) Row(key []byte) (row int, inserted bool) {
	if t.last >= 0 && bytes.Equal(t.Key(t.last), key) {
		return t.last, false
	}
	return t.hashed(key, xxhash.Sum64(key))
}

// hashed is Row for a key whose hash is known.
func (t *Table) hashed(key []byte, h uint64) (row int, inserted bool) {
	if len(t.hashes)*4 >= len(t.slots)*3 {
		t.grow()
	}
	row, slot := t.probe(key, h)
	if row >= 0 {
		t.last = row
		return row, false
	}
	row = len(t.hashes)
	t.slots[slot] = uint32(row + 1)
	t.hashes = append(t.hashes, h)
	t.arena = append(t.arena, key...)
	t.ends = append(t.ends, uint32(len(t.arena)))
	for range t.schema.columns {
		t.values = append(t.values, 0)
	}
	if t.schema.distinct {
		t.growSets()
	}
	t.last = row
	return row, true
}

// growSets adds a set for a new row, reusing one that Reset emptied.
func (t *Table) growSets() {
	if n := len(t.sets); n < cap(t.sets) {
		t.sets = t.sets[:n+1]
		return
	}
	t.sets = append(t.sets, sketch.Distinct{})
}

func (t *Table) probe(key []byte, h uint64) (row, slot int) {
	mask := uint64(len(t.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s == 0 {
			return -1, int(i)
		}
		if r := int(s - 1); t.hashes[r] == h && bytes.Equal(t.Key(r), key) {
			return r, int(i)
		}
	}
}

func (t *Table) grow() {
	n := max(16, len(t.slots)*2)
	t.slots = make([]uint32, n)
	t.fill()
}

// fill puts all rows into the slots, which are empty.
func (t *Table) fill() {
	mask := uint64(len(t.slots) - 1)
	for r, h := range t.hashes {
		i := h & mask
		for t.slots[i] != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = uint32(r + 1)
	}
}

// Reset empties the table and keeps its memory for the next rows.
func (t *Table) Reset() {
	clear(t.slots)
	for i := range t.sets {
		t.sets[i].Reset()
	}
	t.hashes, t.ends, t.arena = t.hashes[:0], t.ends[:0], t.arena[:0]
	t.values, t.sets = t.values[:0], t.sets[:0]
	t.last = -1
}

// Merge adds all rows of o, which must have the same schema and is not
// changed. into, when given, is called with each pair of rows.
func (t *Table) Merge(o *Table, into func(row, from int)) {
	for r, h := range o.hashes {
		row, _ := t.hashed(o.Key(r), h)
		t.mergeValues(t.Values(row), o.Values(r))
		if t.schema.distinct {
			t.sets[row].Merge(&o.sets[r])
		}
		if into != nil {
			into(row, r)
		}
	}
}

func (t *Table) mergeValues(to, from []int64) {
	for i, how := range t.schema.columns {
		to[i] = how.of(to[i], from[i])
	}
}

// Add returns the sum of two counts, or the greatest int64 when that is less:
// one hostile record must not turn a counter negative. It stays associative.
func Add(a, b int64) int64 {
	if s := a + b; s >= a {
		return s
	}
	return math.MaxInt64
}

// of combines two values.
func (m merge) of(a, b int64) int64 {
	switch m {
	case sum:
		return Add(a, b)
	case least:
		if a == 0 || (b != 0 && b < a) {
			return b
		}
		return a
	default:
		return max(a, b)
	}
}

// Sorted returns the row numbers by ascending key.
func (t *Table) Sorted() []int {
	rows := make([]int, t.Len())
	for i := range rows {
		rows[i] = i
	}
	sort.Slice(rows, func(i, j int) bool { return bytes.Compare(t.Key(rows[i]), t.Key(rows[j])) < 0 })
	return rows
}

// Ranked returns at most n row numbers, by column 0 descending, then key: the
// fixed order in which every cap acts.
func (t *Table) Ranked(n int) []int {
	rows := make([]int, t.Len())
	for i := range rows {
		rows[i] = i
	}
	w := len(t.schema.columns)
	sort.Slice(rows, func(i, j int) bool {
		a, b := t.values[rows[i]*w], t.values[rows[j]*w]
		if a != b {
			return a > b
		}
		return bytes.Compare(t.Key(rows[i]), t.Key(rows[j])) < 0
	})
	return rows[:min(n, len(rows))]
}

// retain keeps the given rows, which ascend, in their order and drops the others.
// It takes no memory but for the slots, and gives none back: what comes next
// fills it.
func (t *Table) retain(rows []int) {
	w, end := len(t.schema.columns), 0
	for at, row := range rows {
		key := t.Key(row) // starts at or behind end, so it is whole
		end += copy(t.arena[end:], key)
		t.ends[at], t.hashes[at] = uint32(end), t.hashes[row]
		copy(t.values[at*w:at*w+w], t.values[row*w:row*w+w])
		if t.schema.distinct && at != row {
			t.sets[at], t.sets[row] = t.sets[row], t.sets[at]
		}
	}
	n := len(rows)
	t.hashes, t.ends, t.arena, t.values = t.hashes[:n], t.ends[:n], t.arena[:end], t.values[:n*w]
	if t.schema.distinct {
		for i := n; i < len(t.sets); i++ {
			t.sets[i].Reset()
		}
		t.sets = t.sets[:n]
	}
	t.last = -1
	clear(t.slots)
	t.fill()
}
