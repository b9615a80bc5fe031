package aggregate

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/flowwatch/flowwatch/pipeline/sketch"
)

// AppendBinary appends the set's canonical form: equal sets give equal bytes.
func (s *Targets) AppendBinary(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.held()))
	for _, c := range s.sorted() {
		b = c.appendService(c.appendAddr(b))
		b = binary.BigEndian.AppendUint16(b, uint16(c.evidence))
	}
	if s.large == nil {
		return append(b, 0)
	}
	b = append(b, 1)
	for _, h := range []*sketch.HLL{s.large.targets, s.large.hosts, s.large.ports} {
		part := h.AppendBinary(nil)
		b = appendPart(b, part)
	}
	return b
}

var errTargets = errors.New("broken set of targets")

// DecodeTargets reads what AppendBinary wrote and returns the rest of b.
func DecodeTargets(b []byte) (*Targets, []byte, error) {
	const size = 16 + 2 + 1 + 2
	n, used := binary.Uvarint(b)
	if used <= 0 || n > exactTargets || uint64(len(b)-used) < n*size+1 {
		return nil, nil, errTargets
	}
	b = b[used:]
	s := &Targets{}
	if n > 1 {
		s.kept = make([]contact, 0, n)
	}
	for range n {
		t := Target{netip.AddrFrom16([16]byte(b[:16])), binary.BigEndian.Uint16(b[16:]), b[18]}
		c := newContact(t, Evidence(binary.BigEndian.Uint16(b[19:])))
		s.push(&c)
		b = b[size:]
	}
	large := b[0]
	b = b[1:]
	if large == 0 {
		return s, b, nil
	}
	if n == 0 {
		return nil, nil, errTargets
	}
	s.enlarge()
	for _, h := range []**sketch.HLL{&s.large.targets, &s.large.hosts, &s.large.ports} {
		part, rest, ok := nextPart(b)
		if !ok {
			return nil, nil, errTargets
		}
		*h, b = sketch.NewHLL(targetPrecision), rest
		if left, err := (*h).DecodeBinary(part); err != nil || len(left) > 0 || (*h).Precision() != targetPrecision {
			return nil, nil, errors.Join(errTargets, err)
		}
	}
	return s, b, nil
}
