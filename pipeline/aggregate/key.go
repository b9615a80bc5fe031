package aggregate

import (
	"encoding/binary"
	"net/netip"
)

// A key is a sequence of parts, each with its length before it, so that two
// different sequences never give the same bytes. A null part is empty.

func appendPart[T string | []byte](key []byte, part T) []byte {
	key = binary.AppendUvarint(key, uint64(len(part)))
	return append(key, part...)
}

// appendAddr appends an address as a part of 4 or 16 bytes.
func appendAddr(key []byte, a netip.Addr) []byte {
	switch {
	case a.Is4():
		b := a.As4()
		key = append(key, 4)
		return append(key, b[:]...)
	case a.IsValid():
		b := a.As16()
		key = append(key, 16)
		return append(key, b[:]...)
	}
	return append(key, 0)
}

// appendNumber appends a number as a part of 4 bytes; 0 is null.
func appendNumber(key []byte, n uint32) []byte {
	if n == 0 {
		return append(key, 0)
	}
	return binary.BigEndian.AppendUint32(append(key, 4), n)
}

// nextPart splits the first part off a key; ok is false when it is broken.
func nextPart(key []byte) (part, rest []byte, ok bool) {
	n, used := binary.Uvarint(key)
	if used <= 0 || n > uint64(len(key)-used) {
		return nil, nil, false
	}
	return key[used : used+int(n)], key[used+int(n):], true
}

// addrPart reads what appendAddr wrote.
func addrPart(part []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(part)
	return a
}

// numberPart reads what appendNumber wrote.
func numberPart(part []byte) uint32 {
	if len(part) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(part)
}
