package sketch

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// The precisions that an HLL may have: 2^p registers of one byte each, and a
// standard error of 1.04/sqrt(2^p).
const (
	MinPrecision = 4
	MaxPrecision = 16
)

// HLL is a dense HyperLogLog: it estimates the number of distinct hashes that
// were inserted. What it holds depends only on the set of hashes, never on
// their order or on how parts were merged. It is not safe for concurrent use.
type HLL struct {
	registers []byte // 2^p: the greatest rank seen, 0 when none
	precision uint8
}

// NewHLL returns an empty HLL of 2^precision bytes. It panics unless
// MinPrecision <= precision <= MaxPrecision.
func NewHLL(precision int) *HLL {
	if precision < MinPrecision || precision > MaxPrecision {
		panic(fmt.Sprintf("sketch: HLL precision %d, accepted are %d to %d", precision, MinPrecision, MaxPrecision))
	}
	return &HLL{registers: make([]byte, 1<<precision), precision: uint8(precision)}
}

// Precision returns p: there are 2^p registers.
func (h *HLL) Precision() int { return int(h.precision) }

// Insert adds a hash, which must be well distributed over all 64 bits: the
// upper p bits choose a register, the zeros that follow them are its rank.
func (h *HLL) Insert(hash uint64) {
	i := hash >> (64 - h.precision)
	rank := byte(bits.LeadingZeros64(hash<<h.precision|1<<(h.precision-1))) + 1
	if r := &h.registers[i]; rank > *r {
		*r = rank
	}
}

// Merge adds all that o holds; o is not changed. It is an error when the
// precisions differ: then h is not changed either.
func (h *HLL) Merge(o *HLL) error {
	if h.precision != o.precision {
		return fmt.Errorf("merge HLL of precision %d into one of precision %d: they must be equal", o.precision, h.precision)
	}
	// Eight registers at a time. Ranks are below 128, so a borrow never
	// crosses a byte: the top bit of each byte says that x >= y there.
	const top = 0x8080808080808080
	a, b := h.registers, o.registers
	for len(a) >= 8 && len(b) >= 8 {
		x, y := binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b)
		greater := ((x | top) - y) & top
		mask := greater | (greater - greater>>7)
		binary.LittleEndian.PutUint64(a, x&mask|y&^mask)
		a, b = a[8:], b[8:]
	}
	return nil
}

// Reset empties h and keeps its memory.
func (h *HLL) Reset() { clear(h.registers) }

// maxRank is the rank of a hash whose bits after the register's index are all
// zero.
func (h *HLL) maxRank() byte { return 64 - h.precision + 1 }

// folded returns an HLL of a lower precision that is equal to the one that
// the same hashes would have given.
func (h *HLL) folded(precision int) *HLL {
	f := NewHLL(precision)
	dropped := int(h.precision) - precision
	for i, rank := range h.registers {
		if rank == 0 {
			continue
		}
		// The index bits that are dropped become the first bits of the rank.
		if low := uint(i) & (1<<dropped - 1); low != 0 {
			rank = byte(dropped-bits.Len(low)) + 1
		} else {
			rank += byte(dropped)
		}
		if r := &f.registers[i>>dropped]; rank > *r {
			*r = rank
		}
	}
	return f
}
