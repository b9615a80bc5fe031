package aggregate

import (
	"cmp"
	"encoding/binary"
	"net/netip"

	"github.com/flowwatch/flowwatch/pipeline/sketch"
)

// contact is one target with its evidence; it holds no pointer.
type contact struct {
	hi, lo   uint64 // the address, of IPv6 or IPv4-mapped
	service  uint32 // port and protocol
	evidence Evidence
}

func newContact(t Target, e Evidence) contact {
	c := contact{service: uint32(t.Port)<<8 | uint32(t.Protocol), evidence: e}
	if t.Addr.Is4() {
		b := t.Addr.As4()
		c.lo = 0xffff<<32 | uint64(binary.BigEndian.Uint32(b[:]))
		return c
	}
	b := t.Addr.As16()
	c.hi, c.lo = binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	return c
}

func (c *contact) port() uint16    { return uint16(c.service >> 8) }
func (c *contact) protocol() uint8 { return uint8(c.service) }

// appendAddr appends the 16 bytes of the address.
func (c *contact) appendAddr(b []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, c.hi), c.lo)
}

// appendService appends port and protocol.
func (c *contact) appendService(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, c.port()), c.protocol())
}

// hash is what the target is counted and sampled by.
func (c *contact) hash() uint64 {
	var b [19]byte
	return sketch.Hash64(c.appendService(c.appendAddr(b[:0])))
}

func (c *contact) same(o *contact) bool {
	return c.lo == o.lo && c.service == o.service && c.hi == o.hi
}

func (c *contact) compare(o *contact) int {
	return cmp.Or(cmp.Compare(c.hi, o.hi), cmp.Compare(c.lo, o.lo), cmp.Compare(c.service, o.service))
}

// target returns the contact's target; IPv4 addresses come back as such.
func (c *contact) target() Target {
	t := Target{Port: c.port(), Protocol: c.protocol()}
	if c.hi == 0 && c.lo>>32 == 0xffff {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(c.lo))
		t.Addr = netip.AddrFrom4(b)
		return t
	}
	var b [16]byte
	c.appendAddr(b[:0])
	t.Addr = netip.AddrFrom16(b)
	return t
}
