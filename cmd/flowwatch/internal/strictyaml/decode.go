package strictyaml

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

type decoder struct {
	opt      Options
	notYet   map[string]bool
	problems Problems
	secrets  Secrets
	places   map[string]place // of every key and item that was read, by path
}

func (d *decoder) add(p place, text string) {
	d.problems = append(d.problems, Problem{Line: p.line, Path: p.path, Text: text, column: p.column})
}

// value reads n into v, whatever v is.
func (d *decoder) value(n *yaml.Node, p place, v reflect.Value, t tag) {
	n = resolve(n)
	d.places[p.path] = p
	switch {
	case isScalar(v.Type()):
		d.scalar(n, p, v, t)
		return
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			v.Set(fresh(v.Type().Elem()))
		}
		d.value(n, p, v.Elem(), t)
		return
	}
	before := len(d.problems)
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, p, v)
	case reflect.Map:
		d.mapping(n, p, v, t)
	case reflect.Slice:
		d.list(n, p, v, t)
	}
	d.validate(v, p, before)
}

// fresh returns a pointer to a new value of the type with its defaults.
func fresh(t reflect.Type) reflect.Value {
	v := reflect.New(t)
	if s, ok := v.Interface().(interface{ SetDefaults() }); ok {
		s.SetDefaults()
	}
	return v
}

// structure reads a mapping into a struct; an empty value is an empty mapping.
func (d *decoder) structure(n *yaml.Node, p place, v reflect.Value) {
	fields, _ := fieldsOf(v.Type())
	if n.Kind != yaml.MappingNode && !isNull(n) {
		d.add(p, "is "+kindOf(n)+"; accepted: a mapping of keys: "+strings.Join(names(fields), ", "))
		return
	}
	seen := map[string]bool{}
	d.keys(n, p, func(name string, at place, value *yaml.Node) {
		seen[name] = true
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		if i < 0 {
			d.add(at, "unknown key; "+Suggest(name, names(fields)))
			return
		}
		f := fields[i]
		at.secret = at.secret || f.tag.secret
		d.value(value, at, v.FieldByIndex(f.index), f.tag)
	})
	for _, f := range fields {
		if f.tag.required && !seen[f.name] {
			d.add(p.key(f.name, p.line, p.column), "is missing; accepted: "+accepts(v.FieldByIndex(f.index), f.tag))
		}
	}
}

// mapping reads a mapping with free keys.
func (d *decoder) mapping(n *yaml.Node, p place, v reflect.Value, t tag) {
	if n.Kind != yaml.MappingNode {
		d.add(p, "is "+kindOf(n)+"; accepted: a mapping of keys")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	d.keys(n, p, func(name string, at place, value *yaml.Node) {
		item := fresh(v.Type().Elem()).Elem()
		d.value(value, at, item, t)
		v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), item)
	})
}

// keys visits the keys of a mapping that are usable: texts, each once, and
// available in this version.
func (d *decoder) keys(n *yaml.Node, p place, visit func(name string, at place, value *yaml.Node)) {
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := resolve(n.Content[i])
		at := p.key(key.Value, n.Content[i].Line, n.Content[i].Column)
		line, duplicate := first[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || isNull(key):
			at.path = p.path
			d.add(at, "a key that is "+kindOf(key)+"; accepted: a text")
			continue
		case key.ShortTag() == "!!merge":
			at.path = p.path
			d.add(at, "the merge key << is not supported; write its keys out")
			continue
		case duplicate:
			text := fmt.Sprintf("duplicate key; it stands on line %d already", line)
			if line < 0 {
				text = "duplicate key"
			}
			d.add(at, text)
			continue
		}
		first[key.Value] = at.line
		if d.notYet[at.pattern] {
			d.add(at, "is not available in this version")
			continue
		}
		visit(key.Value, at, n.Content[i+1])
	}
}

var yamlReader = reflect.TypeFor[yaml.Unmarshaler]()

// list reads a list, or a list written as its only item where that is allowed:
// with the tag "single", or when the type reads YAML by itself (the one reason
// for a list to do so). It replaces what was there.
func (d *decoder) list(n *yaml.Node, p place, v reflect.Value, t tag) {
	single := t.single || reflect.PointerTo(v.Type()).Implements(yamlReader)
	if single && n.Kind == yaml.ScalarNode && !isNull(n) {
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		d.value(n, p, v.Index(0), t)
		return
	}
	if n.Kind != yaml.SequenceNode {
		what := "a list"
		if single {
			what = "a text or a list of texts"
		}
		d.add(p, "is "+kindOf(n)+"; accepted: "+what)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		v.Index(i).Set(fresh(v.Type().Elem()).Elem())
		d.value(item, p.item(i, item.Line, item.Column), v.Index(i), t)
	}
}
