package file

// values finds the ends of top-level JSON values in a stream, and the ends of
// lines between them. It knows strings and nesting and no more: whether a
// value is well formed is for its decoder to say.
//
// When the first line holds whole values, the stream is one value a line (or
// several), and every line end is a boundary whatever stands before it: a
// damaged line loses itself only. Otherwise values span lines, and a boundary
// lies only outside all of them.
type values struct {
	scanned  int // bytes of the buffer that have been looked at
	boundary int // length of the longest prefix that ends between values

	depth    int
	inString bool
	escaped  bool
	some     bool // a value has ended
	decided  bool // byLine is known
	byLine   bool
}

// telling marks the bytes that mean something to values.
var telling = [256]bool{'"': true, '\\': true, '\n': true, '{': true, '[': true, '}': true, ']': true}

func (v *values) scan(buf []byte) {
	for i := v.scanned; i < len(buf); i++ {
		b := buf[i]
		switch {
		case v.escaped && b != '\n':
			v.escaped = false
			continue
		case !telling[b]:
			continue
		case b == '\n':
			v.newline(i)
			continue
		case v.inString:
			v.inString, v.escaped = b != '"', b == '\\'
			continue
		}
		switch b {
		case '"':
			v.inString = v.depth > 0
		case '{', '[':
			v.depth++
		case '}', ']':
			if v.depth--; v.depth <= 0 {
				v.depth = 0
				v.some = true
				v.boundary = i + 1
			}
		}
	}
	v.scanned = len(buf)
}

func (v *values) newline(i int) {
	if !v.decided && (v.some || v.depth > 0) {
		v.decided = true
		v.byLine = v.depth == 0
	}
	v.escaped = false
	if v.byLine {
		v.depth, v.inString = 0, false
	}
	if v.depth == 0 {
		v.boundary = i + 1
	}
}

// shift forgets the first n bytes of the buffer.
func (v *values) shift(n int) {
	v.scanned -= n
	v.boundary = 0
}
