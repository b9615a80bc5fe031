package flowlog

import (
	"encoding/binary"
	"math/bits"
)

// isBlank reports whether c separates values: a space, or a tab, line feed,
// vertical tab, form feed or carriage return.
func isBlank(c byte) bool { return c <= ' ' && (c == ' ' || c-'\t' < 5) }

// endsAt reports whether a token may end before line[at].
func endsAt(line []byte, at int) bool { return at >= len(line) || isBlank(line[at]) }

// tokenEnd returns where the token that begins at from ends. It looks at eight
// bytes at a time: the lowest set bit is that of the first byte up to a space
// (Mycroft's test; the ones above it may be wrong).
func tokenEnd(line []byte, from int) int {
	const ones = 0x0101010101010101
	for from+8 <= len(line) {
		word := binary.LittleEndian.Uint64(line[from:])
		low := (word - (' '+1)*ones) &^ word & (0x80 * ones)
		if low == 0 {
			from += 8
			continue
		}
		from += bits.TrailingZeros64(low) / 8
		if isBlank(line[from]) {
			return from
		}
		from++
	}
	for from < len(line) && !isBlank(line[from]) {
		from++
	}
	return from
}

// nextToken returns the first token at or after from, and where it ends. The
// token is empty when there is none.
func nextToken(line []byte, from int) (token []byte, end int) {
	for from < len(line) && isBlank(line[from]) {
		from++
	}
	end = tokenEnd(line, from)
	return line[from:end], end
}

// values counts the tokens of a line.
func values(line []byte) int {
	n := 0
	for token, at := nextToken(line, 0); len(token) > 0; token, at = nextToken(line, at) {
		n++
	}
	return n
}
