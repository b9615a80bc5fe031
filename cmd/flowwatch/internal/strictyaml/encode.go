package strictyaml

import (
	"encoding"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Encode writes what v points to as YAML that Decode reads back to the same
// values, with secrets as ***.
func Encode(w io.Writer, v any, secrets Secrets) error {
	e := encoder{secrets}
	root, err := e.value(reflect.ValueOf(v).Elem(), place{}, tag{})
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	return enc.Close()
}

type encoder struct{ secrets Secrets }

func (e encoder) value(v reflect.Value, p place, t tag) (*yaml.Node, error) {
	switch {
	case isScalar(v.Type()):
		return e.scalar(v, p, t)
	case v.Kind() == reflect.Pointer:
		return e.value(v.Elem(), p, t)
	case v.Kind() == reflect.Struct:
		return e.structure(v, p)
	case v.Kind() == reflect.Map:
		return e.mapping(v, p, t)
	}
	return e.list(v, p, t)
}

func (e encoder) structure(v reflect.Value, p place) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	fields, _ := fieldsOf(v.Type())
	for _, f := range fields {
		value := v.FieldByIndex(f.index)
		if f.omitEmpty && value.IsZero() ||
			value.Kind() == reflect.Pointer && value.IsNil() {
			continue
		}
		at := p.key(f.name, 0, 0)
		at.secret = at.secret || f.tag.secret
		child, err := e.value(value, at, f.tag)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, text(f.name), child)
	}
	return inFlowIfEmpty(n), nil
}

func (e encoder) mapping(v reflect.Value, p place, t tag) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		return strings.Compare(a.String(), b.String())
	})
	for _, key := range keys {
		child, err := e.value(v.MapIndex(key), p.key(key.String(), 0, 0), t)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, text(key.String()), child)
	}
	return inFlowIfEmpty(n), nil
}

func (e encoder) list(v reflect.Value, p place, t tag) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	if isScalar(v.Type().Elem()) {
		n.Style = yaml.FlowStyle
	}
	for i := range v.Len() {
		child, err := e.value(v.Index(i), p.item(i, 0, 0), t)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, child)
	}
	return inFlowIfEmpty(n), nil
}

func (e encoder) scalar(v reflect.Value, p place, t tag) (*yaml.Node, error) {
	if p.secret {
		return text(masked), nil
	}
	if v.Type() == durationType {
		return plainNode(FormatDuration(time.Duration(v.Int()))), nil
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		return text(string(b)), err
	}
	switch {
	case v.Kind() == reflect.Bool:
		return plainNode(strconv.FormatBool(v.Bool())), nil
	case v.CanInt():
		return plainNode(strconv.FormatInt(v.Int(), 10)), nil
	case v.CanUint():
		return plainNode(strconv.FormatUint(v.Uint(), 10)), nil
	case v.CanFloat():
		return plainNode(strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits())), nil
	}
	s := v.String()
	if len(t.oneOf) == 0 {
		s = e.secrets.Mask(s)
	}
	if !t.literal {
		s = escape(s)
	}
	return text(s), nil
}

// text is a node that is quoted where YAML would read something else.
func text(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

func plainNode(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

func inFlowIfEmpty(n *yaml.Node) *yaml.Node {
	if len(n.Content) == 0 {
		n.Style = yaml.FlowStyle
	}
	return n
}
