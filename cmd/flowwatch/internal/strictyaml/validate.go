package strictyaml

import (
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

type validator interface{ Validate() error }

// validate calls the Validate methods of v and of its inline structs, and
// shows each error at the key that it names. What is already known to be wrong
// (problems from index before on) is not said again in other words.
func (d *decoder) validate(v reflect.Value, p place, before int) {
	values := []reflect.Value{v}
	if v.Kind() == reflect.Struct {
		_, inline := fieldsOf(v.Type())
		for _, index := range inline {
			values = append(values, v.FieldByIndex(index))
		}
	}
	known := d.problems[before:len(d.problems):len(d.problems)]
	for _, value := range values {
		val, ok := value.Addr().Interface().(validator)
		if !ok {
			continue
		}
		for _, err := range leaves(val.Validate()) {
			at, text := d.locate(v, p, err.Error())
			if at.path == p.path && len(known) > 0 || covered(known, at.path) {
				continue
			}
			text = meant(err, text)
			if at.secret {
				text = quoted.ReplaceAllString(text, `"`+masked+`"`)
			}
			d.add(at, text)
		}
	}
}

// meant ends a message about an unknown name with the known one that it is a
// slip of, if there is one.
func meant(err error, text string) string {
	var slip interface {
		Unknown() (name string, known []string)
	}
	before, _, hinted := strings.Cut(text, "; accepted: ")
	if !hinted || !errors.As(err, &slip) {
		return text
	}
	if s := Suggest(slip.Unknown()); strings.HasPrefix(s, "did you mean") {
		return before + "; " + s
	}
	return text
}

var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// leaves takes joined errors apart. An error that wraps several inside one
// sentence stays whole.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || errors.Join(joined.Unwrap()...).Error() != err.Error() {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, leaves(e)...)
	}
	return all
}

// covered reports whether one of the problems is at the path or above it.
func covered(problems Problems, path string) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return within(path, p.Path) })
}

// within reports whether path is at outer or beneath it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

var leadingKey = regexp.MustCompile(`^"?((?:[A-Za-z0-9_.-]|\[\d+\])+)"?(: ?| )`)

// locate finds the key that a message of Validate begins with. One that begins
// with none of v's keys is about v itself.
func (d *decoder) locate(v reflect.Value, p place, text string) (place, string) {
	m := leadingKey.FindStringSubmatch(text)
	if m == nil || !hasKey(v, m[1]) {
		return p, text
	}
	path := m[1]
	if p.path != "" && path[0] != '[' {
		path = p.path + "." + path
	} else {
		path = p.path + path
	}
	at := p
	for near := path; near != ""; near = near[:max(0, strings.LastIndexAny(near, ".["))] {
		if found, ok := d.places[near]; ok {
			at = found
			break
		}
	}
	at.path = path
	return at, strings.TrimSpace(text[len(m[0]):])
}

// hasKey reports whether a path begins with a key of v.
func hasKey(v reflect.Value, path string) bool {
	if v.Kind() != reflect.Struct {
		return path[0] == '[' || v.Kind() == reflect.Map
	}
	fields, _ := fieldsOf(v.Type())
	for _, f := range fields {
		if within(path, f.name) {
			return true
		}
	}
	return false
}
