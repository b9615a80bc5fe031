package flowlog

import "math"

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
	for _, c := range l.columns {
		for at < len(line) && isBlank(line[at]) {
			at++
		}
		if at == len(line) {
			return ReasonFields
		}
		if line[at] == '-' && endsAt(line, at+1) {
			present[c.field>>6] &^= 1 << (c.field & 63)
			r.spans[c.field] = span{}
			at++
			continue
		}
		if c.kind == Text {
			end := tokenEnd(line, at)
			r.spans[c.field] = span{uint32(at), uint32(end)}
			at = end
			continue
		}
		end, bad := r.set(c, line, at)
		if bad != ReasonNone {
			return l.blame(line, bad)
		}
		at = end
	}
	const start, end = 1 << Start, 1 << End // both lie in present[0]
	if l.timed && present[0]&(start|end) == start|end {
		if window := r.ints[End] - r.ints[Start]; window < 0 || window > maxWindow {
			return ReasonTime
		}
	}
	for at < len(line) && isBlank(line[at]) {
		at++
	}
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

// set reads the value, other than a text, that begins at from and returns where it ends.
func (r *Record) set(c step, line []byte, from int) (end int, bad Reason) {
	switch c.kind {
	case skipped:
		return tokenEnd(line, from), ReasonNone
	case Int, Port, Octet, Time:
		var v int64
		if v, end, bad = numeric(c.kind, line, from); bad != ReasonNone {
			return end, bad
		}
		r.ints[c.field] = v
	case Addr:
		if s := r.spans[c.twin]; same(line, s, from) {
			r.addrs[addrSlot(c.field)], end = r.addrs[addrSlot(c.twin)], from+int(s.to-s.from)
			break
		}
		a, stop, ok := address(line, from)
		if !ok {
			return from, ReasonAddress
		}
		r.addrs[addrSlot(c.field)], end = a, stop
	default:
		end = tokenEnd(line, from)
		v, bad := word(c.kind, line[from:end])
		if bad != ReasonNone {
			return end, bad
		}
		r.ints[c.field] = v
	}
	r.spans[c.field] = span{uint32(from), uint32(end)}
	return end, ReasonNone
}

// same reports whether the token of a span stands again at from.
func same(line []byte, s span, from int) bool {
	end := from + int(s.to-s.from)
	return end > from && end <= len(line) && endsAt(line, end) && string(line[s.from:s.to]) == string(line[from:end])
}

// numeric reads a decimal number of the given kind.
func numeric(kind Kind, line []byte, from int) (v int64, end int, bad Reason) {
	end = len(line)
	for i, c := range line[from:] {
		digit := c - '0'
		if digit > 9 {
			end = from + i
			break
		}
		v = v*10 + int64(digit)
	}
	if end == from || !endsAt(line, end) {
		return 0, end, ReasonNumber
	}
	if end-from > 18 { // 18 digits always fit
		var ok bool
		if v, ok = longNumber(line[from:end]); !ok {
			return 0, end, ReasonNumber
		}
	}
	switch kind {
	case Port:
		if v > math.MaxUint16 {
			return 0, end, ReasonNumber
		}
	case Octet:
		if v > math.MaxUint8 {
			return 0, end, ReasonNumber
		}
	case Time:
		if v > maxSeconds {
			v /= 1000
		}
		if v > maxSeconds {
			return 0, end, ReasonTime
		}
	}
	return v, end, ReasonNone
}

// longNumber is the value of digits, unless it is above 2^63-1.
func longNumber(digits []byte) (int64, bool) {
	var v uint64
	for _, c := range digits {
		d := uint64(c - '0')
		if v > (math.MaxInt64-d)/10 {
			return 0, false
		}
		v = v*10 + d
	}
	return int64(v), true
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
