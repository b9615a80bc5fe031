package strictyaml

import (
	"reflect"
	"slices"
	"strings"
)

// tag is what a field's strict tag says; lists, maps and pointers hand it on
// to what they hold.
type tag struct {
	required, single, literal, secret bool
	oneOf                             []string
}

// field is one key of a struct.
type field struct {
	name      string
	index     []int
	omitEmpty bool
	tag       tag
}

// fieldsOf lists the keys of a struct type in their order, with those of
// inline structs in place, and the inline structs themselves.
func fieldsOf(t reflect.Type) (fields []field, inline [][]int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		name, flags, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || !sf.IsExported():
		case slices.Contains(strings.Split(flags, ","), "inline"):
			inner, deeper := fieldsOf(sf.Type)
			for _, f := range inner {
				f.index = append([]int{i}, f.index...)
				fields = append(fields, f)
			}
			inline = append(inline, []int{i})
			for _, index := range deeper {
				inline = append(inline, append([]int{i}, index...))
			}
		default:
			if name == "" {
				name = strings.ToLower(sf.Name)
			}
			fields = append(fields, field{name, []int{i}, strings.Contains(flags, "omitempty"), parseTag(sf.Tag.Get("strict"))})
		}
	}
	return fields, inline
}

func parseTag(text string) tag {
	var t tag
	for word := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "required":
			t.required = true
		case "single":
			t.single = true
		case "literal":
			t.literal = true
		case "secret":
			t.secret = true
		case "oneof":
			t.oneOf = strings.Split(value, "|")
		}
	}
	return t
}

func names(fields []field) []string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.name
	}
	return all
}
