package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

var errCut = errors.New("breaks off")

// cursor walks over JSON in place. A method that fails returns false, with
// err set and at where the trouble is. It is lenient about what does not
// change the meaning (the form of numbers and of skipped values, raw control
// characters in strings) and exact about where strings end.
type cursor struct {
	src []byte
	at  int
	err error
}

// text is a string's content where it lies: raw, without the quotes.
type text struct {
	from, to int
	escaped  bool // holds a backslash
}

func (c *cursor) raw(t text) []byte { return c.src[t.from:t.to] }

func (c *cursor) fail(err error) bool {
	c.err = err
	return false
}

// want fails with what is there instead.
func (c *cursor) want(what string) bool {
	if c.at >= len(c.src) {
		return c.fail(errCut)
	}
	return c.fail(fmt.Errorf("%q where %s should be", c.src[c.at], what))
}

// space goes to the next byte that is not white space.
func (c *cursor) space() {
	for c.at < len(c.src) && isSpace(c.src[c.at]) {
		c.at++
	}
}

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\r' || b == '\t' }

// is reports whether the next byte is b.
func (c *cursor) is(b byte) bool { return c.at < len(c.src) && c.src[c.at] == b }

// literal passes over text that is next in exactly this form.
func (c *cursor) literal(text string) bool {
	if len(c.src)-c.at < len(text) || string(c.src[c.at:c.at+len(text)]) != text {
		return false
	}
	c.at += len(text)
	return true
}

// member goes to the value of the next member of an object and returns its
// key. more is false behind the last one; first says that none was read yet.
func (c *cursor) member(first bool) (key text, more, ok bool) {
	c.space()
	if c.is('}') {
		c.at++
		return key, false, true
	}
	if !first {
		if !c.is(',') {
			return key, false, c.want("',' or '}'")
		}
		c.at++
		c.space()
	}
	if !c.is('"') {
		return key, false, c.want("a key")
	}
	if key, ok = c.str(); !ok {
		return key, false, false
	}
	c.space()
	if !c.is(':') {
		return key, false, c.want("':'")
	}
	c.at++
	c.space()
	return key, true, true
}

// str reads the string whose opening quote is next.
func (c *cursor) str() (t text, ok bool) {
	t.from = c.at + 1
	for at := t.from; ; {
		quote := bytes.IndexByte(c.src[at:], '"')
		if quote < 0 {
			c.at = len(c.src)
			return t, c.fail(errCut)
		}
		end := at + quote
		slash := end
		for slash > t.from && c.src[slash-1] == '\\' {
			slash--
		}
		if (end-slash)%2 == 0 {
			c.at, t.to = end+1, end
			t.escaped = bytes.IndexByte(c.raw(t), '\\') >= 0
			return t, true
		}
		at = end + 1
	}
}

// skip passes over any value. Brackets are counted, not matched by their kind.
func (c *cursor) skip() bool {
	for depth := 0; ; {
		c.space()
		if c.at == len(c.src) {
			return c.fail(errCut)
		}
		switch b := c.src[c.at]; b {
		case '"':
			if _, ok := c.str(); !ok {
				return false
			}
		case '{', '[':
			c.at++
			depth++
		case '}', ']', ',', ':':
			if depth == 0 {
				return c.want("a value")
			}
			c.at++
			if b == '}' || b == ']' {
				depth--
			}
		default:
			if !c.scalar() {
				return false
			}
		}
		if depth == 0 {
			return true
		}
	}
}

// scalar passes over a number, true, false or null.
func (c *cursor) scalar() bool {
	from := c.at
	for c.at < len(c.src) {
		b := c.src[c.at]
		if !(b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b == '.' || b == '-' || b == '+' || b == 'E') {
			break
		}
		c.at++
	}
	if c.at == from {
		return c.want("a value")
	}
	return true
}

// millis reads a value as a whole number of milliseconds: 0 when it is none.
func (c *cursor) millis() (int64, bool) {
	from, v := c.at, int64(0)
	for at := from; at < len(c.src) && at-from <= 18; at++ {
		digit := c.src[at] - '0'
		if digit <= 9 {
			v = v*10 + int64(digit)
		} else if at > from && (c.src[at] == ',' || c.src[at] == '}') {
			c.at = at
			return v, true
		} else {
			break
		}
	}
	if !c.skip() {
		return 0, false
	}
	return digits(c.src[from:c.at]), true
}

// digits is the value of a token of 1 to 18 digits, 0 for any other.
func digits(token []byte) (v int64) {
	if len(token) > 18 {
		return 0
	}
	for _, b := range token {
		if b < '0' || b > '9' {
			return 0
		}
		v = v*10 + int64(b-'0')
	}
	return v
}

// unescape appends the content of a JSON string. What UTF-16 leaves unpaired
// becomes U+FFFD. It is false when there is an escape that JSON does not have.
func unescape(dst, raw []byte) ([]byte, bool) {
	for {
		slash := bytes.IndexByte(raw, '\\')
		if slash < 0 {
			return append(dst, raw...), true
		}
		dst = append(dst, raw[:slash]...)
		raw = raw[slash+1:]
		if len(raw) == 0 {
			return dst, false
		}
		if raw[0] == 'u' {
			r, size := codePoint(raw[1:])
			if size == 0 {
				return dst, false
			}
			dst = utf8.AppendRune(dst, r)
			raw = raw[1+size:]
			continue
		}
		b, ok := single(raw[0])
		if !ok {
			return dst, false
		}
		dst = append(dst, b)
		raw = raw[1:]
	}
}

// single is what a backslash and one character stand for.
func single(b byte) (byte, bool) {
	switch b {
	case '"', '\\', '/':
		return b, true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	}
	return 0, false
}

// codePoint reads what follows \u, and a second \u when the two are a pair;
// size is how many bytes that took, 0 when they are not hexadecimal.
func codePoint(raw []byte) (r rune, size int) {
	r, ok := hex4(raw)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 4
	}
	if len(raw) >= 10 && raw[4] == '\\' && raw[5] == 'u' {
		if low, ok := hex4(raw[6:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 10
			}
		}
	}
	return utf8.RuneError, 4
}

func hex4(raw []byte) (r rune, ok bool) {
	if len(raw) < 4 {
		return 0, false
	}
	for _, b := range raw[:4] {
		switch {
		case b >= '0' && b <= '9':
			b -= '0'
		case b >= 'a' && b <= 'f':
			b -= 'a' - 10
		case b >= 'A' && b <= 'F':
			b -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(b)
	}
	return r, true
}
