package strictyaml

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var (
	syntaxLine    = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	unknownAnchor = regexp.MustCompile(`unknown anchor '[^']*' referenced`)
)

// syntax reports an error of the YAML parser, without quoting the file: an
// unquoted password may be taken for an anchor.
func (d *decoder) syntax(text []byte, err error) {
	at := place{line: 1}
	what := strings.ReplaceAll(err.Error(), "\n", " ")
	if m := syntaxLine.FindStringSubmatch(what); m != nil {
		what = m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			at.line = n
		}
	}
	if n := brokenLine(text); n > 0 {
		at.line = n
	}
	what = unknownAnchor.ReplaceAllString(what, "a text that begins with * needs quotes (* refers to an anchor, and there is none of this name)")
	d.add(at, "not YAML: "+what)
}

// brokenLine finds the line of a syntax error: the one after the longest run
// of lines from the top that is YAML. The parser itself names the line where
// the surrounding block begins, or the one before. It returns 0 for a file so
// large that the search would take long.
func brokenLine(text []byte) int {
	if len(text) > 32<<10 {
		return 0
	}
	end := len(bytes.TrimRight(text, "\r\n"))
	for {
		end = bytes.LastIndexByte(text[:end], '\n')
		if end < 0 {
			return 1
		}
		if isYAML(text[:end+1]) {
			return bytes.Count(text[:end+1], []byte("\n")) + 1
		}
	}
}

// isYAML reports whether a text parses, whatever it says.
func isYAML(text []byte) bool {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		if err := dec.Decode(&doc); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}
