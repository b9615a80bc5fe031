package detect

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"strings"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// encoder appends plain values in the order in which a decoder reads them.
type encoder []byte

func (e *encoder) byte(b byte)       { *e = append(*e, b) }
func (e *encoder) uint(v uint64)     { *e = binary.AppendUvarint(*e, v) }
func (e *encoder) int(v int64)       { *e = binary.AppendVarint(*e, v) }
func (e *encoder) float(v float64)   { *e = binary.BigEndian.AppendUint64(*e, math.Float64bits(v)) }
func (e *encoder) fixed(v int64)     { *e = binary.BigEndian.AppendUint64(*e, uint64(v)) }
func (e *encoder) addr(a netip.Addr) { e.string(string(a.AsSlice())) }

func (e *encoder) bool(v bool) {
	if v {
		e.byte(1)
	} else {
		e.byte(0)
	}
}

func (e *encoder) string(s string) {
	e.uint(uint64(len(s)))
	*e = append(*e, s...)
}

// decoder reads what an encoder wrote. After the first thing that can't be,
// broken is set and every further value is zero.
type decoder struct {
	rest   []byte
	broken bool
}

func (d *decoder) fail() { d.rest, d.broken = nil, true }

func (d *decoder) take(n int) []byte {
	if n > len(d.rest) {
		d.fail()
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) bool() bool {
	b := d.byte()
	if b > 1 {
		d.fail()
	}
	return b == 1
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// number reads an unsigned value that must be below limit.
func (d *decoder) number(limit int64) int64 {
	v := d.uint()
	if v >= uint64(limit) {
		d.fail()
		return 0
	}
	return int64(v)
}

// float reads a finite value that is not negative, as all of the state's are.
func (d *decoder) float() float64 {
	b := d.take(8)
	if b == nil {
		return 0
	}
	v := math.Float64frombits(binary.BigEndian.Uint64(b))
	if !(v >= 0 && v <= math.MaxFloat64) {
		d.fail()
		return 0
	}
	return v
}

func (d *decoder) fixed() int64 {
	if b := d.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (d *decoder) string() string {
	n := d.uint()
	if n > uint64(len(d.rest)) {
		d.fail()
		return ""
	}
	return strings.Clone(string(d.take(int(n))))
}

func (d *decoder) addr() netip.Addr {
	a, ok := netip.AddrFromSlice([]byte(d.string()))
	if !ok {
		d.fail()
	}
	return a
}

// target appends a target; its address may be the zero one.
func (e *encoder) target(t aggregate.Target) {
	e.string(string(t.Addr.AsSlice()))
	e.uint(uint64(t.Port))
	e.byte(t.Protocol)
}

func (d *decoder) target() aggregate.Target {
	var t aggregate.Target
	if b := d.string(); b != "" {
		a, ok := netip.AddrFromSlice([]byte(b))
		if !ok {
			d.fail()
		}
		t.Addr = a
	}
	t.Port, t.Protocol = uint16(d.number(math.MaxUint16+1)), d.byte()
	return t
}

func compareTargets(a, b aggregate.Target) int {
	return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
}

// end returns an error unless all was read and nothing was broken.
func (d *decoder) end(what string) error {
	if d.broken || len(d.rest) > 0 {
		return fmt.Errorf("%s: %w", what, errState)
	}
	return nil
}
