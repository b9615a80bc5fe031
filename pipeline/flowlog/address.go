package flowlog

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// address reads the address that begins at from, without allocating. It
// accepts what netip.ParseAddr accepts, except zones, and unmaps IPv4-mapped
// addresses.
func address(line []byte, from int) (a netip.Addr, end int, ok bool) {
	if v4, end, ok := quad(line, from); ok && isBlank(line[end]) {
		return netip.AddrFrom4([4]byte{byte(v4 >> 24), byte(v4 >> 16), byte(v4 >> 8), byte(v4)}), end, true
	}
	if v4, end, ok := dotted(line, from); ok && endsAt(line, end) {
		return netip.AddrFrom4([4]byte{byte(v4 >> 24), byte(v4 >> 16), byte(v4 >> 8), byte(v4)}), end, true
	}
	end = tokenEnd(line, from)
	v6, ok := colons(line[from:end])
	if !ok {
		return netip.Addr{}, end, false
	}
	return netip.AddrFrom16(v6).Unmap(), end, true
}

// quad is dotted for an address that is not within 16 bytes of the line's end, as
// most: then line[end] is within the line. An octet is read in one go, since the
// processor can't foresee how many digits it has. Whatever is unusual is not ok,
// and for dotted to decide.
func quad(line []byte, from int) (v4 uint32, end int, ok bool) {
	if len(line)-from < 16 {
		return 0, from, false
	}
	text := line[from : from+16]
	at := uint32(0)
	for dots := 0; ; dots++ {
		x := binary.LittleEndian.Uint32(text[at:]) ^ 0x30303030
		digits := uint32(bits.TrailingZeros32((x+0x76767676|x)&0x80808080)) / 8 // as notDigits
		if digits-1 > 2 {
			return 0, from, false
		}
		x <<= 32 - 8*digits // the last digit to the highest byte
		octet := x>>8&0xff*100 + x>>16&0xff*10 + x>>24
		if octet > 255 || octet < leastOf[digits] {
			return 0, from, false
		}
		v4 = v4<<8 | octet
		at += digits
		if dots == 3 {
			return v4, from + int(at), true
		}
		if text[at] != '.' {
			return 0, from, false
		}
		at++
	}
}

// leastOf is the least octet of so many digits: there are no leading zeros.
var leastOf = [4]uint32{0, 0, 10, 100}

// dotted reads four decimal octets; what follows them is the caller's matter.
// Leading zeros are refused: some software reads them as octal.
func dotted(line []byte, at int) (v4 uint32, end int, ok bool) {
	for dots := 0; ; dots++ {
		octet, from := uint32(0), at
		for at < len(line) {
			d := uint32(line[at] - '0')
			if d > 9 {
				break
			}
			octet = octet*10 + d
			at++
			if octet > 255 {
				return 0, at, false
			}
		}
		if at == from || at > from+1 && line[from] == '0' {
			return 0, at, false
		}
		v4 = v4<<8 | octet
		if dots == 3 {
			return v4, at, true
		}
		if at == len(line) || line[at] != '.' {
			return 0, at, false
		}
		at++
	}
}

// colons reads a whole token as an IPv6 address in any of its spellings.
func colons(token []byte) (v6 [16]byte, ok bool) {
	filled, gap := 0, -1 // bytes written; where "::" stood
	if len(token) >= 2 && token[0] == ':' && token[1] == ':' {
		gap = 0
		token = token[2:]
	}
	for len(token) > 0 {
		group, digits := hexGroup(token)
		if digits == 0 || filled > 14 {
			return v6, false
		}
		if digits < len(token) && token[digits] == '.' {
			v4, end, ok := dotted(token, 0)
			if !ok || end != len(token) || filled > 12 {
				return v6, false
			}
			v6[filled], v6[filled+1] = byte(v4>>24), byte(v4>>16)
			v6[filled+2], v6[filled+3] = byte(v4>>8), byte(v4)
			filled += 4
			break
		}
		v6[filled], v6[filled+1] = byte(group>>8), byte(group)
		filled += 2
		token = token[digits:]
		if len(token) == 0 {
			break
		}
		if token[0] != ':' || len(token) == 1 {
			return v6, false
		}
		token = token[1:]
		if token[0] == ':' {
			if gap >= 0 {
				return v6, false
			}
			gap = filled
			token = token[1:]
		}
	}
	return spread(v6, filled, gap)
}

// hexGroup reads up to four hexadecimal digits.
func hexGroup(token []byte) (v uint16, digits int) {
	for digits < len(token) && digits < 4 {
		c := token[digits]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return v, digits
		}
		v = v<<4 | uint16(c)
		digits++
	}
	return v, digits
}

// spread moves what was written after "::" to the end. "::" stands for at
// least one group.
func spread(v6 [16]byte, filled, gap int) ([16]byte, bool) {
	if gap < 0 {
		return v6, filled == 16
	}
	if filled > 14 {
		return v6, false
	}
	tail := filled - gap
	copy(v6[16-tail:], v6[gap:filled])
	clear(v6[gap : 16-tail])
	return v6, true
}
