package sketch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// The binary form begins with one byte: the precision and how the rest is
// written. Every content has exactly one form, and decoders refuse others.
//
//	p        dense: 2^p ranks of 6 bits, four in three bytes
//	p|0x40   sparse: uvarint(n), then n times uvarint(gap<<6 | rank), where gap
//	         counts the empty registers before; used where shorter than dense
//	p|0x80   exact: one byte n, then n hashes ascending, 8 bytes big-endian
const (
	formSparse    = 0x40
	formExact     = 0x80
	precisionBits = 0x3f
	rankBits      = 6
)

// errTruncated is wrapped by decoding errors of input that ends too early.
var errTruncated = errors.New("input ends too early")

// AppendBinary appends the canonical form of h: equal contents give equal
// bytes.
func (h *HLL) AppendBinary(b []byte) []byte {
	n, size := h.sparseSize()
	if size >= h.denseSize() {
		return h.appendDense(b)
	}
	b = append(b, h.precision|formSparse)
	b = binary.AppendUvarint(b, uint64(n))
	for gap, rank := range h.used {
		b = binary.AppendUvarint(b, uint64(gap)<<rankBits|uint64(rank))
	}
	return b
}

// used yields every register that is not empty: how many empty ones come
// between it and the one before, and its rank.
func (h *HLL) used(yield func(gap int, rank byte) bool) {
	next := 0
	for base := 0; base < len(h.registers); base += 8 {
		word := binary.LittleEndian.Uint64(h.registers[base:])
		for word != 0 {
			shift := bits.TrailingZeros64(word) &^ 7
			i := base + shift/8
			if !yield(i-next, byte(word>>shift)) {
				return
			}
			next = i + 1
			word &^= 0xff << shift
		}
	}
}

func (h *HLL) appendDense(b []byte) []byte {
	b = append(b, h.precision)
	for r := h.registers; len(r) >= 4; r = r[4:] {
		v := uint32(r[0])<<18 | uint32(r[1])<<12 | uint32(r[2])<<6 | uint32(r[3])
		b = append(b, byte(v>>16), byte(v>>8), byte(v))
	}
	return b
}

func (h *HLL) denseSize() int { return len(h.registers) / 4 * 3 }

// sparseSize returns the number of registers in use and the bytes that the
// sparse form takes after the first. It stops once that is no less than
// denseSize.
func (h *HLL) sparseSize() (used, size int) {
	enough := h.denseSize()
	for gap, rank := range h.used {
		used++
		size += uvarintSize(uint64(gap)<<rankBits | uint64(rank))
		if size >= enough {
			break
		}
	}
	return used, size + uvarintSize(uint64(used))
}

func uvarintSize(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// DecodeBinary replaces what h holds, precision included, by what
// AppendBinary wrote at the start of b, and returns the bytes after it. After
// an error h is empty. It does not keep b.
func (h *HLL) DecodeBinary(b []byte) (rest []byte, err error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("decode HLL: %w", errTruncated)
	}
	form, p := b[0]&^precisionBits, int(b[0]&precisionBits)
	if p < MinPrecision || p > MaxPrecision {
		return nil, fmt.Errorf("decode HLL: precision %d, accepted are %d to %d", p, MinPrecision, MaxPrecision)
	}
	if int(h.precision) == p {
		h.Reset()
	} else {
		*h = *NewHLL(p)
	}
	switch form {
	case 0:
		rest, err = h.decodeDense(b[1:])
	case formSparse:
		rest, err = h.decodeSparse(b[1:])
	default:
		err = fmt.Errorf("unknown form %#x", b[0])
	}
	if err != nil {
		h.Reset()
		return nil, fmt.Errorf("decode HLL: %w", err)
	}
	return rest, nil
}

func (h *HLL) decodeDense(b []byte) ([]byte, error) {
	if len(b) < h.denseSize() {
		return nil, errTruncated
	}
	for r := h.registers; len(r) >= 4; r = r[4:] {
		v := uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
		r[0], r[1], r[2], r[3] = byte(v>>18), byte(v>>12)&0x3f, byte(v>>6)&0x3f, byte(v)&0x3f
		if m := h.maxRank(); r[0] > m || r[1] > m || r[2] > m || r[3] > m {
			return nil, fmt.Errorf("rank above %d", m)
		}
		b = b[3:]
	}
	if _, size := h.sparseSize(); size < h.denseSize() {
		return nil, errors.New("dense where sparse is shorter")
	}
	return b, nil
}

func (h *HLL) decodeSparse(b []byte) ([]byte, error) {
	n, b, err := uvarint(b)
	if err != nil {
		return nil, err
	}
	if n > uint64(len(h.registers)) {
		return nil, fmt.Errorf("%d registers in use of %d", n, len(h.registers))
	}
	next := uint64(0)
	for ; n > 0; n-- {
		var v uint64
		if v, b, err = uvarint(b); err != nil {
			return nil, err
		}
		gap, rank := v>>rankBits, byte(v&0x3f)
		if gap >= uint64(len(h.registers))-next {
			return nil, errors.New("register outside the sketch")
		}
		if rank == 0 || rank > h.maxRank() {
			return nil, fmt.Errorf("rank %d, accepted are 1 to %d", rank, h.maxRank())
		}
		h.registers[next+gap] = rank
		next += gap + 1
	}
	if _, size := h.sparseSize(); size >= h.denseSize() {
		return nil, errors.New("sparse where dense is no longer")
	}
	return b, nil
}

// uvarint reads a number and refuses forms that are longer than need be.
func uvarint(b []byte) (uint64, []byte, error) {
	v, n := binary.Uvarint(b)
	if n == 0 {
		return 0, nil, errTruncated
	}
	if n < 0 || n != uvarintSize(v) {
		return 0, nil, errors.New("number out of range or padded")
	}
	return v, b[n:], nil
}
