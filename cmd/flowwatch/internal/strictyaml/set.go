package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Values that come from outside the file stand on lines below 0: the first of
// Options.Set on -1, the second on -2.

func setLine(i int) int { return -(i + 1) }

// assign returns the tree that was read for t with the value of one KEY=VALUE
// in it, or the tree as it is and a problem. It changes no node, since aliases
// may refer to it: those on the way to the value are copied.
func (d *decoder) assign(root *yaml.Node, t reflect.Type, i int) *yaml.Node {
	key, text, ok := strings.Cut(d.opt.Set[i], "=")
	at := place{line: setLine(i)}
	if !ok || key == "" {
		d.add(at, "has no key and value; accepted: KEY=VALUE, like listen=127.0.0.1:9464 or sources[0].kinesis.stream=flow-logs")
		return root
	}
	value, err := parseValue(text, at.line)
	if err != nil {
		d.add(at, "not YAML: "+err.Error())
		return root
	}
	changed := root
	a := assignment{line: at.line, slot: &changed, t: t}
	for rest := key; rest != ""; {
		if rest, err = a.step(rest); err != nil {
			at.path = showKeyPath(key)
			d.add(at, err.Error())
			return root
		}
	}
	*a.slot = value
	return changed
}

// parseValue reads a YAML value, which may be none at all.
func parseValue(text string, line int) (*yaml.Node, error) {
	dec := yaml.NewDecoder(strings.NewReader(text))
	var doc, more yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: line}, nil
	case err != nil:
		return nil, errors.New("put a text with special characters in quotes") // the parser's own words may quote it
	}
	if !errors.Is(dec.Decode(&more), io.EOF) {
		return nil, errors.New("several documents; accepted: one value")
	}
	value := doc.Content[0]
	standOn(value, line)
	return value, nil
}

// standOn gives a tree one line.
func standOn(n *yaml.Node, line int) {
	n.Line, n.Column = line, 0
	for _, child := range n.Content {
		standOn(child, line)
	}
}

// assignment is the way from the root to where a value is put.
type assignment struct {
	line int
	slot **yaml.Node  // where it has arrived
	t    reflect.Type // of what is read from there; nil is unknown
}

var indexed = regexp.MustCompile(`^\[(\d{1,6})\](.?)`)

// step goes beneath the slot, making what is not there, and returns the rest
// of the path.
func (a *assignment) step(path string) (rest string, err error) {
	for a.t != nil && a.t.Kind() == reflect.Pointer {
		a.t = a.t.Elem()
	}
	n := new(yaml.Node)
	*n = *resolve(*a.slot)
	n.Anchor, n.Content = "", slices.Clone(n.Content)
	*a.slot = n
	if path[0] == '[' {
		return a.index(n, path)
	}
	name, rest := a.name(path)
	if name == "" {
		return "", errors.New("is no key; accepted: names with dots between and [n] for the items of lists, like sources[0].kinesis.stream")
	}
	if isNull(n) {
		n.Kind, n.Tag, n.Value = yaml.MappingNode, "!!map", ""
	} else if n.Kind != yaml.MappingNode {
		return "", fmt.Errorf("goes to %s beneath %s; accepted: beneath a mapping", showKey(name), kindOf(n))
	}
	a.beneath(name)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			a.slot = &n.Content[i+1]
			if rest == "" {
				n.Content[i] = a.key(name)
			}
			return rest, nil
		}
	}
	n.Content = append(n.Content, a.key(name), &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: a.line})
	a.slot = &n.Content[len(n.Content)-1]
	return rest, nil
}

func (a *assignment) key(name string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name, Line: a.line}
}

// index goes to an item of a list, or to a new one behind the last.
func (a *assignment) index(n *yaml.Node, path string) (rest string, err error) {
	m := indexed.FindStringSubmatch(path)
	if m == nil || m[2] != "" && m[2] != "." && m[2] != "[" {
		return "", errors.New("has a broken index; accepted: a number like [0], and a dot or another index behind it")
	}
	i, _ := strconv.Atoi(m[1]) // six digits
	switch {
	case isNull(n):
		n.Kind, n.Tag, n.Value = yaml.SequenceNode, "!!seq", ""
	case n.Kind != yaml.SequenceNode:
		return "", fmt.Errorf("has the index [%d] beneath %s; accepted: beneath a list", i, kindOf(n))
	}
	if i > len(n.Content) {
		return "", fmt.Errorf("has the index [%d] of a list with %d; accepted: up to [%d], which adds one", i, len(n.Content), len(n.Content))
	}
	if i == len(n.Content) {
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: a.line})
	}
	if a.t != nil && a.t.Kind() == reflect.Slice {
		a.t = a.t.Elem()
	} else {
		a.t = nil
	}
	a.slot = &n.Content[i]
	return strings.TrimPrefix(path[len("[]")+len(m[1]):], "."), nil
}

// name cuts the next key off a path. Keys of the configuration may have dots
// in them (scan.internal): it is the longest that is known, and else one with
// as many dots as those that begin alike.
func (a *assignment) name(path string) (name, rest string) {
	end := nameEnd(path, 0)
	if a.t != nil && a.t.Kind() == reflect.Struct {
		fields, _ := fieldsOf(a.t)
		end = max(longestName(path, fields), end)
		if first := path[:end]; end < len(path) && path[end] == '.' && !slices.Contains(names(fields), first) &&
			slices.ContainsFunc(fields, func(f field) bool { return strings.HasPrefix(f.name, first+".") }) {
			end = nameEnd(path, end+1)
		}
	}
	return path[:end], strings.TrimPrefix(path[end:], ".")
}

// longestName is the length of the longest name that a path begins with.
func longestName(path string, fields []field) int {
	longest := 0
	for _, f := range fields {
		if within(path, f.name) {
			longest = max(longest, len(f.name))
		}
	}
	return longest
}

// nameEnd is where the part of a path ends that is around from.
func nameEnd(path string, from int) int {
	if i := strings.IndexAny(path[from:], ".["); i >= 0 {
		return from + i
	}
	return len(path)
}

// beneath notes the type of what is read for a key.
func (a *assignment) beneath(name string) {
	var next reflect.Type
	switch {
	case a.t == nil:
	case a.t.Kind() == reflect.Map:
		next = a.t.Elem()
	case a.t.Kind() == reflect.Struct:
		fields, _ := fieldsOf(a.t)
		for _, f := range fields {
			if f.name == name {
				next = a.t.FieldByIndex(f.index).Type
			}
		}
	}
	a.t = next
}

// outside names the place of a value that does not come from the file.
func (d *decoder) outside(p Problem) string {
	key, _, ok := strings.Cut(d.opt.Set[-p.Line-1], "=")
	if key = showKeyPath(key); !ok || key == "" || key == p.Path {
		return "--set"
	}
	return "--set " + key
}

var keyPath = regexp.MustCompile(`^[A-Za-z0-9_.\[\]-]{1,200}`)

// showKeyPath is what of a path a message may show.
func showKeyPath(path string) string {
	return string(bytes.TrimSuffix(keyPath.Find([]byte(path)), []byte(".")))
}
