package sketch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// AppendBinary appends the canonical form of d: equal sets give equal bytes.
// Up to ExactLimit hashes it takes 2 + 8n bytes, then at most 1 + 2^p * 3/4.
func (d *Distinct) AppendBinary(b []byte) []byte {
	if !d.Exact() {
		return d.many.hll.AppendBinary(b)
	}
	b = append(b, uint8(d.Precision())|formExact, uint8(d.n))
	var sorted [ExactLimit]uint64
	n := 0
	if int(d.n) <= len(d.few) {
		n = copy(sorted[:], d.few[:d.n])
	} else {
		for _, h := range d.many.slots {
			if h != 0 {
				sorted[n] = h
				n++
			}
		}
	}
	slices.Sort(sorted[:n])
	for _, h := range sorted[:n] {
		b = binary.BigEndian.AppendUint64(b, h)
	}
	return b
}

// Decode replaces what d holds, precision included, by what AppendBinary wrote
// at the start of b, and returns the bytes after it. After an error d is
// empty. It does not keep b.
func (d *Distinct) Decode(b []byte) (rest []byte, err error) {
	d.Reset()
	if len(b) == 0 {
		return nil, fmt.Errorf("decode distinct set: %w", errTruncated)
	}
	if b[0]&formExact == 0 {
		return d.decodeEstimated(b)
	}
	p := b[0] &^ formExact
	if p < MinPrecision || p > MaxPrecision {
		return nil, fmt.Errorf("decode distinct set: precision %d, accepted are %d to %d", p, MinPrecision, MaxPrecision)
	}
	d.precision = p
	rest, err = d.decodeExact(b[1:])
	if err != nil {
		d.Reset()
		return nil, fmt.Errorf("decode distinct set: %w", err)
	}
	return rest, nil
}

func (d *Distinct) decodeExact(b []byte) ([]byte, error) {
	if len(b) == 0 || len(b)-1 < 8*int(b[0]) {
		return nil, errTruncated
	}
	n := int(b[0])
	if n > ExactLimit {
		return nil, fmt.Errorf("%d hashes, accepted are up to %d", n, ExactLimit)
	}
	last := uint64(0)
	for b = b[1:]; n > 0; n-- {
		h := binary.BigEndian.Uint64(b)
		if h <= last {
			return nil, errors.New("hashes are not ascending")
		}
		d.Insert(h)
		last, b = h, b[8:]
	}
	return b, nil
}

func (d *Distinct) decodeEstimated(b []byte) ([]byte, error) {
	if d.many == nil {
		d.many = new(many)
	}
	if d.many.hll == nil {
		d.many.hll = new(HLL)
	}
	rest, err := d.many.hll.DecodeBinary(b)
	if err != nil {
		return nil, fmt.Errorf("decode distinct set: %w", err)
	}
	d.precision = d.many.hll.precision
	d.n = estimated
	return rest, nil
}
