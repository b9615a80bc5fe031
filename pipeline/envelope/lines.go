package envelope

import (
	"bytes"
	"time"
)

// cutLine takes the next line that is not empty off rest.
func (d *Decoder) cutLine() bool {
	for len(d.rest) > 0 {
		line := d.rest
		if end := bytes.IndexByte(d.rest, '\n'); end >= 0 {
			line, d.rest = d.rest[:end], d.rest[end+1:]
		} else {
			d.rest = nil
			if d.plain && d.cut {
				return false // half a line could pass for a whole one
			}
		}
		for len(line) > 0 && line[len(line)-1] == '\r' {
			line = line[:len(line)-1]
		}
		if d.plain {
			line, d.timestamp = exported(line)
		}
		if len(line) > 0 {
			d.line = line
			return true
		}
	}
	return false
}

// exported takes off what exports put before each line: a CloudWatch Logs
// export task an RFC 3339 time and a space, the console's CSV a first column
// with a time in milliseconds (which spreadsheets like to write as 1.7284E+12)
// and perhaps quotes. The header of the CSV becomes an empty line. Any other
// line is returned as it is, with no time.
func exported(line []byte) (message []byte, millis int64) {
	if len(line) == 0 {
		return line, 0
	}
	if c := line[0]; (c < '0' || c > '9') && c != '"' && c != 't' {
		return line, 0
	}
	end := 0
	for end < len(line) && end < 40 && line[end] != ' ' && line[end] != ',' {
		end++
	}
	if end == len(line) || end < 6 || end == 40 || end < 20 && line[end] == ' ' {
		return line, 0 // too short for a time, too long for one
	}
	first, rest := bytes.Trim(line[:end], `"`), line[end+1:]
	comma := line[end] == ','
	if comma && string(first) == "timestamp" && bytes.HasPrefix(bytes.TrimLeft(rest, `" `), []byte("message")) {
		return nil, 0
	}
	millis, ok := exportTime(first, comma)
	if !ok {
		return line, 0
	}
	if comma {
		rest = unquote(rest)
	}
	return rest, millis
}

// exportTime reads the time that an export puts first. ok is also true for a
// damaged number, whose millis are 0.
func exportTime(first []byte, comma bool) (millis int64, ok bool) {
	if len(first) >= 20 && first[4] == '-' && first[10] == 'T' {
		var t time.Time
		if err := t.UnmarshalText(first); err != nil {
			return 0, false
		}
		return max(t.UnixMilli(), 0), true
	}
	if !comma {
		return 0, false
	}
	whole := true
	for _, c := range first {
		if c == '.' || c == '+' || c == 'E' || c == 'e' {
			whole = false
		} else if c < '0' || c > '9' {
			return 0, false
		}
	}
	if !whole {
		return 0, true // rounded to hours or days: no time at all
	}
	millis = digits(first)
	if millis < maxSeconds {
		millis *= 1000
	}
	return millis, len(first) >= 10
}

// maxSeconds tells seconds from milliseconds: in seconds it is the year 5138.
const maxSeconds = 100_000_000_000

// unquote returns the content of a CSV column. The quote of a quoted one ends
// it; flow-log lines hold no quotes.
func unquote(column []byte) []byte {
	column = bytes.TrimLeft(column, " ")
	if len(column) == 0 || column[0] != '"' {
		return column
	}
	column = column[1:]
	if end := bytes.IndexByte(column, '"'); end >= 0 {
		column = column[:end]
	}
	return column
}
