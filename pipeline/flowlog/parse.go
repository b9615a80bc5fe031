package flowlog

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// MaxLine is the length in bytes above which a line is not looked at.
const MaxLine = 1 << 20

// MaxText is how long a text value may be: no field of AWS comes near, and
// values become keys of tables and of the committed state.
const MaxText = 1 << 10

// maxWindow is the longest end - start in seconds that is believed. AWS
// aggregates over 10 minutes at most.
const maxWindow = 3600

// maxSeconds tells seconds from milliseconds: as seconds it is the year 5138,
// as milliseconds 1973. Some SKIPDATA records hold milliseconds.
const maxSeconds = 100_000_000_000

// Parse reads one line, given without its line end, into r and allocates
// nothing. Values are separated by any number of blanks, and blanks and a
// carriage return around them are ignored. "-" is null in every column.
//
// More values than columns are accepted, since AWS adds fields: r.Extra tells.
// A line that is not accepted leaves every field of r null and only the line
// itself in it. A line with fewer values than columns is ReasonFields whatever
// else is wrong with it; otherwise the first wrong value decides.
func (l *Layout) Parse(line []byte, r *Record) Reason {
	r.clear(line)
	if len(line) > MaxLine {
		return ReasonLine
	}
	present := l.fields
	at := 0
	for i := range l.columns {
		c := &l.columns[i]
		if at = afterBlanks(line, at); at == len(line) {
			return ReasonFields
		}
		if line[at] == '-' && endsAt(line, at+1) {
			present[c.field>>6] &^= 1 << (c.field & 63)
			r.spans[c.field] = span{}
			at++
			continue
		}
		var end int
		var bad Reason
		switch c.kind {
		case Text:
			end = tokenEnd(line, at)
		case skipped:
			at = tokenEnd(line, at)
			continue // no field has its span
		case Int, Port, Octet, Time:
			var v int64
			if v, end = number(line, at); end == at || !endsAt(line, end) || uint64(v) > c.most {
				v, bad = unusual(c, v, line, at, end)
			}
			r.ints[c.field] = v
		case Addr:
			end, bad = r.setAddr(c, line, at)
		default:
			end = tokenEnd(line, at)
			r.ints[c.field], bad = word(c.kind, line[at:end])
		}
		if bad != ReasonNone {
			return l.blame(line, bad)
		}
		r.spans[c.field] = span{uint32(at), uint32(end)}
		at = end
	}
	if !l.lasts(r, &present) {
		return ReasonTime
	}
	at = afterBlanks(line, at)
	r.extra = at < len(line)
	r.transitGateway = l.transitGateway
	r.present = present
	return ReasonNone
}

// blame is the reason to report for a line in which one value is bad: a line
// that was cut often ends in half a value, and the cut is what went wrong.
func (l *Layout) blame(line []byte, bad Reason) Reason {
	if values(line) < len(l.columns) {
		return ReasonFields
	}
	return bad
}

// lasts reports whether a record's end, if it has both times, is no earlier than
// its start, and no later than can be.
func (l *Layout) lasts(r *Record, present *[2]uint64) bool {
	const both = 1<<Start | 1<<End // in present[0]
	if !l.timed || present[0]&both != both {
		return true
	}
	window := r.ints[End] - r.ints[Start]
	return window >= 0 && window <= maxWindow
}

// afterBlanks returns the first place from at on that is no blank.
func afterBlanks(line []byte, at int) int {
	for at < len(line) && isBlank(line[at]) {
		at++
	}
	return at
}

// unusual decides on digits that end within a value, or come to more than the
// greatest value of the column: a time in milliseconds is one in seconds.
func unusual(c *step, v int64, line []byte, from, end int) (int64, Reason) {
	switch {
	case end == from || !endsAt(line, end) || c.kind != Time:
		return 0, ReasonNumber
	case milliseconds(v) < 0:
		return 0, ReasonTime
	}
	return milliseconds(v), ReasonNone
}

// setAddr reads the address that begins at from and returns where it ends.
func (r *Record) setAddr(c *step, line []byte, from int) (end int, bad Reason) {
	if s := r.spans[c.twin]; same(line, s, from) {
		r.addrs[addrSlot(c.field)] = r.addrs[addrSlot(c.twin)]
		return from + int(s.to-s.from), ReasonNone
	}
	a, end, ok := address(line, from)
	if !ok {
		return from, ReasonAddress
	}
	r.addrs[addrSlot(c.field)] = a
	return end, ReasonNone
}

// same reports whether the token of a span stands again at from.
func same(line []byte, s span, from int) bool {
	end := from + int(s.to-s.from)
	return end > from && end <= len(line) && endsAt(line, end) && string(line[s.from:s.to]) == string(line[from:end])
}

// number reads the decimal digits that begin at from. It returns -1 for a number
// above 2^63-1, and end is from when there is no digit.
func number(line []byte, from int) (v int64, end int) {
	end = from
	if len(line)-from >= 8 {
		// Eight digits at a time: how many there are varies from line to line, and
		// the processor can't foresee the end of a loop over them.
		x := binary.LittleEndian.Uint64(line[from:]) ^ 0x3030303030303030
		n := bits.TrailingZeros64(notDigits(x)) / 8
		v, end = int64(eightDigits(x<<(uint(64-8*n)&63))), from+n
		if n < 8 {
			return v, end
		}
	}
	for end < len(line) {
		digit := line[end] - '0'
		if digit > 9 {
			break
		}
		v = v*10 + int64(digit)
		end++
	}
	if end-from > 18 { // 18 digits always fit
		v = longNumber(line[from:end])
	}
	return v, end
}

// notDigits takes eight bytes of text, each XORed with '0', and returns a word
// of which the lowest set bit is the highest of the first byte that is no digit;
// the bits above it mean nothing. It is 0 when all are digits.
func notDigits(x uint64) uint64 { return (x + 0x7676767676767676 | x) & 0x8080808080808080 }

// eightDigits is the value of eight digits, each a byte from 0 to 9, the first
// in the lowest byte: it adds up pairs, then pairs of pairs.
func eightDigits(x uint64) uint64 {
	x = x * (10<<8 + 1) >> 8 & 0x00ff00ff00ff00ff
	x = x * (100<<16 + 1) >> 16 & 0x0000ffff0000ffff
	return x * (10_000<<32 + 1) >> 32
}

// milliseconds is a time that is too large to be in seconds, in seconds: -1 when
// it is not in milliseconds either.
func milliseconds(v int64) int64 {
	if v /= 1000; v > maxSeconds || v < 0 {
		return -1
	}
	return v
}

// longNumber is the value of digits, or -1 when it is above 2^63-1.
func longNumber(digits []byte) int64 {
	var v uint64
	for _, c := range digits {
		d := uint64(c - '0')
		if v > (math.MaxInt64-d)/10 {
			return -1
		}
		v = v*10 + d
	}
	return int64(v)
}

// word is the value of a token out of a closed set.
func word(kind Kind, token []byte) (int64, Reason) {
	switch kind {
	case Verdict:
		switch string(token) {
		case "ACCEPT":
			return Accept, ReasonNone
		case "REJECT":
			return Reject, ReasonNone
		}
		return 0, ReasonAction
	case Status:
		switch string(token) {
		case "OK":
			return OK, ReasonNone
		case "NODATA":
			return NoData, ReasonNone
		case "SKIPDATA":
			return SkipData, ReasonNone
		}
		return 0, ReasonStatus
	default:
		switch string(token) {
		case "ingress":
			return Ingress, ReasonNone
		case "egress":
			return Egress, ReasonNone
		}
		return 0, ReasonDirection
	}
}
