package strictyaml

import (
	"cmp"
	"fmt"
	"strings"
)

// Problem is one thing that is wrong in a file.
type Problem struct {
	File   string
	Line   int    // from 1; 0 for what is not in a file
	Path   string // of the key, like sources[0].kinesis.stream; empty for the file itself
	Text   string // what is wrong, and what is accepted
	column int
}

// Error returns "file:line: path: text".
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	switch {
	case p.Line == 0 && p.File == "--set" && p.Path != "":
		b.WriteString(" " + p.Path)
	case p.Path != "":
		b.WriteString(": " + p.Path)
	}
	return b.String() + ": " + p.Text
}

// Problems are all that is wrong in a file, by ascending line, and then with
// what was set beside it.
type Problems []Problem

// Error returns one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

func compareProblems(a, b Problem) int {
	return cmp.Or(cmp.Compare(order(a.Line), order(b.Line)), cmp.Compare(a.column, b.column),
		strings.Compare(a.Path, b.Path), strings.Compare(a.Text, b.Text))
}

// order puts the lines below 0 last, -1 first.
func order(line int) int {
	if line < 0 {
		return 1<<31 - line
	}
	return line
}

// place is where a value stands: in the file and in the tree of keys.
type place struct {
	line, column int
	path         string // with list indexes
	pattern      string // with [] for every index
	secret       bool   // the value must not be shown
}

// key is the place of a key of the mapping at p.
func (p place) key(name string, line, column int) place {
	shown := showKey(name)
	c := place{line: line, column: column, path: shown, pattern: name,
		secret: p.secret || secretKey(name) || lastKey(p.pattern) == "headers"}
	if p.path != "" {
		c.path, c.pattern = p.path+"."+shown, p.pattern+"."+name
	}
	return c
}

// item is the place of the list item i at p.
func (p place) item(i, line, column int) place {
	return place{line: line, column: column, secret: p.secret,
		path: fmt.Sprintf("%s[%d]", p.path, i), pattern: p.pattern + "[]"}
}

func lastKey(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// showKey returns a key as a message may show it: what follows the first
// character that no key has is left out, for it may be a value
// ({access_key:"..."} without a space is one key).
func showKey(name string) string {
	ok := func(r rune) bool {
		return r == '_' || r == '-' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	for i, r := range name {
		if !ok(r) || i >= 60 {
			return name[:i] + "..."
		}
	}
	return name
}
