package sketch

import "fmt"

const (
	// ExactLimit is how many distinct hashes a Distinct holds one by one.
	ExactLimit = 128
	// DefaultPrecision is that of a Distinct's HLL: 4 KiB, standard error
	// 1.6 %.
	DefaultPrecision = 12

	estimated = ExactLimit + 1 // the value of n that says: ask the HLL
)

// Distinct counts distinct 64-bit hashes: exactly up to ExactLimit, then by an
// HLL. What it holds depends only on the set of hashes: Merge is associative,
// commutative and idempotent, and equal sets give equal bytes. The zero value
// is empty, ready, and of DefaultPrecision. Up to two hashes need no memory
// of their own. A Distinct must not be copied once in use, and is not safe for
// concurrent use.
//
// The hash 0 stands for "no entry" inside and counts as the hash 1.
type Distinct struct {
	n         uint16 // hashes held one by one, or estimated
	precision uint8  // 0: DefaultPrecision
	few       [2]uint64
	many      *many // holds all the hashes once few is full; kept by Reset
}

// many is an open-addressing table of at most half load, and what follows it.
type many struct {
	slots []uint64 // a power of two; 0 is free
	hll   *HLL     // holds what n = estimated stands for
}

const (
	firstSlots = 8
	lastSlots  = 2 * ExactLimit
)

// NewDistinct returns an empty Distinct whose HLL has the given precision. It
// panics unless MinPrecision <= precision <= MaxPrecision.
func NewDistinct(precision int) Distinct {
	if precision < MinPrecision || precision > MaxPrecision {
		panic(fmt.Sprintf("sketch: Distinct precision %d, accepted are %d to %d", precision, MinPrecision, MaxPrecision))
	}
	return Distinct{precision: uint8(precision)}
}

// Precision returns the precision of the HLL.
func (d *Distinct) Precision() int {
	if d.precision == 0 {
		return DefaultPrecision
	}
	return int(d.precision)
}

// Exact reports whether Count is exact: no more than ExactLimit distinct
// hashes were ever inserted or merged.
func (d *Distinct) Exact() bool { return d.n <= ExactLimit }

// Count returns the number of distinct hashes, estimated above ExactLimit (and
// then never below ExactLimit+1, which is known for sure).
func (d *Distinct) Count() uint64 {
	if d.Exact() {
		return uint64(d.n)
	}
	return max(d.many.hll.Count(), ExactLimit+1)
}

// Insert adds a hash, which must be well distributed over all 64 bits.
func (d *Distinct) Insert(hash uint64) {
	if hash == 0 {
		hash = 1
	}
	switch {
	case d.n == estimated:
		d.many.hll.Insert(hash)
	case int(d.n) <= len(d.few):
		d.insertFew(hash)
	default:
		d.insertMany(hash)
	}
}

// insertFew is Insert while few holds all.
func (d *Distinct) insertFew(hash uint64) {
	for _, h := range d.few[:d.n] {
		if h == hash {
			return
		}
	}
	if int(d.n) < len(d.few) {
		d.few[d.n] = hash
		d.n++
		return
	}
	if d.many == nil {
		d.many = new(many)
	}
	if d.many.slots == nil {
		d.many.slots = make([]uint64, firstSlots)
	}
	clear(d.many.slots)
	for _, h := range d.few {
		d.many.add(h)
	}
	d.many.add(hash)
	d.n++
}

// insertMany is Insert while the table holds all.
func (d *Distinct) insertMany(hash uint64) {
	m := d.many
	mask := uint64(len(m.slots) - 1)
	i := hash & mask
	for ; m.slots[i] != 0; i = (i + 1) & mask {
		if m.slots[i] == hash {
			return
		}
	}
	switch {
	case d.n == ExactLimit:
		d.estimate()
		m.hll.Insert(hash)
		return
	case int(d.n) < len(m.slots)/2:
		m.slots[i] = hash
	default:
		m.grow()
		m.add(hash)
	}
	d.n++
}

// add puts a hash that is not there into the table, which has room.
func (m *many) add(hash uint64) {
	mask := uint64(len(m.slots) - 1)
	i := hash & mask
	for m.slots[i] != 0 {
		i = (i + 1) & mask
	}
	m.slots[i] = hash
}

func (m *many) grow() {
	old := m.slots
	m.slots = make([]uint64, min(4*len(old), lastSlots))
	for _, h := range old {
		if h != 0 {
			m.add(h)
		}
	}
}

// estimate hands the hashes held one by one over to an empty HLL.
func (d *Distinct) estimate() {
	if d.many == nil {
		d.many = new(many)
	}
	m := d.many
	if m.hll == nil || m.hll.Precision() != d.Precision() {
		m.hll = NewHLL(d.Precision())
	} else {
		m.hll.Reset()
	}
	d.each(m.hll.Insert)
	d.n = estimated
}

// each visits the hashes held one by one, in no particular order.
func (d *Distinct) each(visit func(hash uint64)) {
	switch {
	case d.n == estimated:
	case int(d.n) <= len(d.few):
		for _, h := range d.few[:d.n] {
			visit(h)
		}
	default:
		for _, h := range d.many.slots {
			if h != 0 {
				visit(h)
			}
		}
	}
}

// Merge adds all that o holds; o is not changed. When the precisions differ
// the result has the lower one, as if all had been counted at it.
func (d *Distinct) Merge(o *Distinct) {
	if d == o {
		return
	}
	d.lower(o.Precision())
	if o.Exact() {
		o.each(d.Insert)
		return
	}
	if d.Exact() {
		d.estimate()
	}
	theirs := o.many.hll
	if theirs.Precision() > d.Precision() {
		theirs = theirs.folded(d.Precision())
	}
	if err := d.many.hll.Merge(theirs); err != nil {
		panic("sketch: " + err.Error()) // both have d's precision by now
	}
}

// lower brings the precision down to p, if it is above.
func (d *Distinct) lower(p int) {
	if d.Precision() <= p {
		return
	}
	d.precision = uint8(p)
	if !d.Exact() {
		d.many.hll = d.many.hll.folded(p)
	}
}

// Reset empties d and keeps its memory and precision.
func (d *Distinct) Reset() { d.n = 0 }
