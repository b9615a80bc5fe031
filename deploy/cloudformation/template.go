package cloudformation

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Template is a parsed template. Its values are map[string]any, []any, string,
// int, float64 and bool, with functions in their long form: {"Ref": name},
// {"Fn::Sub": ...}.
type Template struct {
	// Parameters by name.
	Parameters map[string]Parameter
	root       map[string]any
}

// Parameter is what one parameter accepts.
type Parameter struct {
	Type, Default, AllowedPattern string
	Required                      bool // has no default
	AllowedValues                 []string
}

// Parse reads a template in YAML. Anchors and aliases are an error: whether
// CloudFormation takes them is not documented.
func Parse(text []byte) (*Template, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		return nil, err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one document")
	}
	value, err := plain(document.Content[0])
	if err != nil {
		return nil, err
	}
	root, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("not a mapping")
	}
	t := &Template{root: root, Parameters: map[string]Parameter{}}
	for name := range t.section("Parameters") {
		t.Parameters[name] = t.parameter(name)
	}
	return t, nil
}

// section returns a top-level mapping, empty when there is none.
func (t *Template) section(name string) map[string]any {
	section, _ := t.root[name].(map[string]any)
	return section
}

func (t *Template) parameter(name string) Parameter {
	declared, _ := t.section("Parameters")[name].(map[string]any)
	var p Parameter
	p.Type, _ = declared["Type"].(string)
	p.AllowedPattern, _ = declared["AllowedPattern"].(string)
	standard, ok := declared["Default"]
	if p.Required = !ok; ok {
		p.Default = fmt.Sprint(standard)
	}
	values, _ := declared["AllowedValues"].([]any)
	for _, v := range values {
		p.AllowedValues = append(p.AllowedValues, fmt.Sprint(v))
	}
	return p
}

// plain turns a YAML node into values, with functions in their long form.
func plain(n *yaml.Node) (any, error) {
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		return nil, fmt.Errorf("line %d: an anchor or an alias", n.Line)
	}
	var value any
	var err error
	switch n.Kind {
	case yaml.MappingNode:
		value, err = plainMapping(n)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			if list[i], err = plain(item); err != nil {
				return nil, err
			}
		}
		value = list
	default:
		scalar := *n
		if function(n.Tag) != "" {
			scalar.Tag = "!!str"
		}
		err = scalar.Decode(&value)
	}
	if name := function(n.Tag); err == nil && name != "" {
		return call(name, value), nil
	}
	return value, err
}

func plainMapping(n *yaml.Node) (any, error) {
	mapping := make(map[string]any, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		if _, twice := mapping[key.Value]; twice {
			return nil, fmt.Errorf("line %d: key %s stands twice", key.Line, key.Value)
		}
		value, err := plain(n.Content[i+1])
		if err != nil {
			return nil, err
		}
		mapping[key.Value] = value
	}
	return mapping, nil
}

// function returns the name behind a tag like !Sub, "" for YAML's own tags.
func function(tag string) string {
	if strings.HasPrefix(tag, "!!") || !strings.HasPrefix(tag, "!") {
		return ""
	}
	return tag[1:]
}

func call(name string, argument any) map[string]any {
	switch name {
	case "Ref", "Condition":
		return map[string]any{name: argument}
	case "GetAtt":
		if text, ok := argument.(string); ok {
			resource, attribute, _ := strings.Cut(text, ".")
			argument = []any{resource, attribute}
		}
	}
	return map[string]any{"Fn::" + name: argument}
}
