package cloudformation

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// value carries out the functions in a value.
func (r *resolver) value(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		for name, argument := range v {
			if len(v) == 1 && (name == "Ref" || strings.HasPrefix(name, "Fn::")) {
				return r.function(name, argument)
			}
		}
		return r.mapping(v)
	case []any:
		return r.list(v)
	}
	return v, nil
}

func (r *resolver) mapping(m map[string]any) (any, error) {
	out := make(map[string]any, len(m))
	for key, value := range m {
		resolved, err := r.value(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		if _, gone := resolved.(noValue); !gone {
			out[key] = resolved
		}
	}
	return out, nil
}

func (r *resolver) list(l []any) (any, error) {
	out := make([]any, 0, len(l))
	for _, item := range l {
		resolved, err := r.value(item)
		if err != nil {
			return nil, err
		}
		if _, gone := resolved.(noValue); !gone {
			out = append(out, resolved)
		}
	}
	return out, nil
}

func (r *resolver) function(name string, argument any) (any, error) {
	switch name {
	case "Ref":
		return r.ref(argument.(string))
	case "Fn::GetAtt":
		of := argument.([]any)
		return r.getAtt(of[0].(string), of[1].(string))
	case "Fn::Sub":
		return r.sub(argument)
	case "Fn::If":
		branches := argument.([]any)
		if r.condition(branches[0].(string)) {
			return r.value(branches[1])
		}
		return r.value(branches[2])
	case "Fn::FindInMap":
		return r.findInMap(argument.([]any))
	case "Fn::Select":
		index := argument.([]any)[0].(int)
		from, err := r.value(argument.([]any)[1])
		if err != nil {
			return nil, err
		}
		list := from.([]any)
		if index >= len(list) {
			return nil, fmt.Errorf("select %d of %q", index, list)
		}
		return list[index], nil
	case "Fn::Split":
		from, err := r.value(argument.([]any)[1])
		if err != nil {
			return nil, err
		}
		return split(from.(string), argument.([]any)[0].(string)), nil
	}
	return nil, fmt.Errorf("function %s is not known here", name)
}

func split(text, separator string) []any {
	var parts []any
	for _, part := range strings.Split(text, separator) {
		parts = append(parts, part)
	}
	return parts
}

// ref gives a parameter, a pseudo parameter or a resource that exists.
func (r *resolver) ref(name string) (any, error) {
	r.used[name] = true
	switch name {
	case "AWS::NoValue":
		return noValue{}, nil
	case "AWS::AccountId":
		return account, nil
	case "AWS::Region":
		return region, nil
	case "AWS::StackName":
		return stack, nil
	case "AWS::Partition":
		return "aws", nil
	case "AWS::URLSuffix":
		return "amazonaws.com", nil
	}
	if p, ok := r.template.Parameters[name]; ok {
		if strings.HasPrefix(p.Type, "List<") || p.Type == "CommaDelimitedList" {
			return split(r.values[name], ","), nil
		}
		return r.values[name], nil
	}
	kind, err := r.kind(name)
	if err != nil {
		return nil, err
	}
	return r.name(name, kind), nil
}

func (r *resolver) getAtt(resource, attribute string) (any, error) {
	r.used[resource] = true
	kind, err := r.kind(resource)
	if err != nil {
		return nil, err
	}
	return r.attribute(resource, kind, attribute), nil
}

// kind returns the type of a resource that is made with these parameters.
func (r *resolver) kind(resource string) (string, error) {
	if !r.exists(resource) {
		return "", fmt.Errorf("%s is not there", resource)
	}
	return r.template.section("Resources")[resource].(map[string]any)["Type"].(string), nil
}

var placeholder = regexp.MustCompile(`\$\{[^}]+\}`)

// sub replaces ${Name}, ${Name.Attribute} and, with a mapping, its own names.
// ${!Name} stays as ${Name}; what is put in is not looked at again.
func (r *resolver) sub(argument any) (any, error) {
	text, own := "", map[string]any{}
	switch a := argument.(type) {
	case string:
		text = a
	case []any:
		text, own = a[0].(string), a[1].(map[string]any)
	}
	var failed error
	out := placeholder.ReplaceAllStringFunc(text, func(match string) string {
		name := match[2 : len(match)-1]
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			return "${" + literal + "}"
		}
		var value any
		var err error
		if mine, ok := own[name]; ok {
			value, err = r.value(mine)
		} else if resource, attribute, ok := strings.Cut(name, "."); ok {
			value, err = r.getAtt(resource, attribute)
		} else {
			value, err = r.ref(name)
		}
		if err != nil {
			failed = fmt.Errorf("in %q: %w", text, err)
		}
		return fmt.Sprint(value)
	})
	return out, failed
}

func (r *resolver) findInMap(path []any) (any, error) {
	var value any = r.template.section("Mappings")
	for _, step := range path {
		key, err := r.value(step)
		if err != nil {
			return nil, err
		}
		level, _ := value.(map[string]any)
		if value = level[key.(string)]; value == nil {
			return nil, fmt.Errorf("no %v in mapping %v", key, path[0])
		}
	}
	return value, nil
}

// truth evaluates a condition.
func (r *resolver) truth(v any) (bool, error) {
	for name, argument := range v.(map[string]any) {
		switch name {
		case "Condition":
			return r.condition(argument.(string)), nil
		case "Fn::Not":
			holds, err := r.truth(argument.([]any)[0])
			return !holds, err
		case "Fn::And", "Fn::Or":
			return r.both(name == "Fn::And", argument.([]any))
		case "Fn::Equals", "Fn::Contains":
			left, err := r.value(argument.([]any)[0])
			if err != nil {
				return false, err
			}
			right, err := r.value(argument.([]any)[1])
			if list, ok := left.([]any); ok {
				return slices.Contains(list, right), err
			}
			return left == right, err
		}
	}
	return false, fmt.Errorf("%v is no condition", v)
}

// both is And (all) or Or.
func (r *resolver) both(all bool, parts []any) (bool, error) {
	for _, part := range parts {
		if holds, err := r.truth(part); err != nil || holds != all {
			return holds, err
		}
	}
	return all, nil
}
