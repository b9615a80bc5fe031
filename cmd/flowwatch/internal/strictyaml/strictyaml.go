// Package strictyaml reads a YAML file into Go structs and reports every
// problem in it at once, each with its line and the path of its key.
//
// It is strict: unknown and duplicate keys, values of another type, several
// documents and missing keys are problems. It goes by the struct's own types
// and tags, so a package describes its configuration as a plain struct and
// needs nothing from here:
//
//	yaml:"name"           the key; "-" leaves the field out
//	yaml:",inline"        the keys of an embedded struct are the outer one's
//	yaml:",omitempty"     not printed while it is zero
//	strict:"required"     the key must be there
//	strict:"oneof=a|b"    a text of these
//	strict:"single"       a list that may be written as its only item
//	strict:"literal"      ${...} in the text is no environment variable
//	strict:"secret"       never shown, wherever it came from
//
// (several of the last group are separated by commas). Types may have methods:
// SetDefaults() is called on list items, map values and pointers before they
// are read; UnmarshalText reads a scalar; Accepts() string tells what a scalar
// may be; a list type with UnmarshalYAML is "single"; Validate() error judges
// what was read. Validate may join several errors; one that begins with a key
// ("stream: ...", "items[1].name is ...") is shown at that key's line. One that
// wraps an error with a method Unknown() (name string, known []string) ends
// with the known name that was meant instead of "; accepted: ...", if there is
// one.
package strictyaml

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Options say what a file may refer to.
type Options struct {
	// LookupEnv gives the variables for ${NAME}; nil means that none is set.
	LookupEnv func(name string) (value string, ok bool)
	// NotYet lists keys that are known and rejected as not available in this
	// version, as paths with [] for any list item ("sources[].s3"), or single
	// values of an available key ("sources[].file.follow=true").
	NotYet []string
	// Set are values that are put over those of the file, each as KEY=VALUE: a
	// path like sources[0].kinesis.stream, and YAML. An index one behind the
	// last of the file's own list adds an item.
	Set []string
}

// Decode reads the one YAML document in text into the struct that into points
// to, with the values of opt.Set over it. Keys that are absent leave what was there before: the defaults. The
// error is nil or of type Problems and names file as the place, or --set; into is then
// filled as far as it could be and should not be used. Secrets are the values
// that Encode and messages must not show.
func Decode(file string, text []byte, into any, opt Options) (Secrets, error) {
	d := &decoder{opt: opt, notYet: map[string]bool{}, places: map[string]place{}}
	for _, path := range opt.NotYet {
		d.notYet[path] = true
	}
	if d.opt.LookupEnv == nil {
		d.opt.LookupEnv = func(string) (string, bool) { return "", false }
	}
	if root := d.parse(text); root != nil {
		for i := range opt.Set {
			root = d.assign(root, reflect.TypeOf(into).Elem(), i)
		}
		d.value(root, place{line: root.Line, column: root.Column}, reflect.ValueOf(into).Elem(), tag{})
	}
	return d.secrets, d.result(file)
}

// parse returns the root of the only document, or nil and a problem.
func (d *decoder) parse(text []byte) *yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	if err == nil {
		switch err = dec.Decode(&more); {
		case err == nil:
			d.add(place{line: more.Line, column: 1}, "a second document begins here; accepted: one document in a file")
			return nil
		case errors.Is(err, io.EOF):
			err = nil
		}
	} else if errors.Is(err, io.EOF) {
		d.add(place{line: 1}, "the file is empty; accepted: a mapping of keys")
		return nil
	}
	if err != nil {
		d.syntax(text, err)
		return nil
	}
	root := resolve(doc.Content[0])
	if isNull(root) {
		d.add(place{line: 1}, "the file is empty; accepted: a mapping of keys")
		return nil
	}
	return root
}

// result sorts the problems by line and masks secrets in them.
func (d *decoder) result(file string) error {
	if len(d.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(d.problems, compareProblems)
	all := slices.Compact(d.problems)
	for i := range all {
		all[i].File = file
		if all[i].Line < 0 {
			all[i].File, all[i].Line = d.outside(all[i]), 0
		}
		all[i].Text = d.secrets.Mask(all[i].Text)
	}
	return all
}

// resolve follows an alias.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }
