package summary

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// text is lines of a bounded width.
type text struct {
	b     strings.Builder
	width int
	color bool
}

func (t *text) line(format string, args ...any) {
	t.b.WriteString(clip(fmt.Sprintf(format, args...), t.width))
	t.b.WriteByte('\n')
}

func (t *text) heading(s string) {
	s = clip(s, t.width)
	if t.color {
		s = "\x1b[1m" + s + "\x1b[0m"
	}
	t.b.WriteString(s)
	t.b.WriteByte('\n')
}

// wrap writes words after a prefix; what does not fit goes on below, indented
// as far.
func (t *text) wrap(prefix, words string) {
	line, empty := prefix, true
	for _, word := range strings.Fields(printable(words)) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > t.width {
			t.line("%s", line)
			line, empty = strings.Repeat(" ", len(prefix)), true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
		for runes := []rune(line); len(runes) > t.width && t.width > len(prefix); runes = []rune(line) {
			t.line("%s", string(runes[:t.width]))
			line = strings.Repeat(" ", len(prefix)) + string(runes[t.width:])
		}
	}
	t.line("%s", line)
}

// table writes rows, the first one as heading: the first column left-aligned,
// the others right-aligned, from column left on (when not 0) left-aligned again
// and cut to what room there is.
func (t *text) table(rows [][]string, left int) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	t.line("")
	for n, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			cell = printable(cell)
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case i == 0:
				b.WriteString(cell + pad)
			case left > 0 && i >= left:
				b.WriteString("  " + cell + pad)
			default:
				b.WriteString("  " + pad + cell)
			}
		}
		line := strings.TrimRight(b.String(), " ")
		if n == 0 {
			t.heading(line)
		} else {
			t.line("%s", line)
		}
	}
}

// clip cuts a line to a width.
func clip(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:max(0, width-1)]) + "…"
}

// printable takes out what a terminal would obey: names come from databases.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}
