package strictyaml

import (
	"fmt"
	"regexp"
	"strings"
)

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces ${NAME} and ${NAME:-default} in one scalar by the variable's
// value, and $${ by a plain ${. It runs after the file was parsed, so a value
// can't add keys. values are those that were put in; problems tells what could
// not be.
func expand(s string, lookup func(string) (string, bool)) (text string, values, problems []string) {
	var out strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			out.WriteString(s)
			return out.String(), values, problems
		}
		if i > 0 && s[i-1] == '$' {
			out.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		out.WriteString(s[:i])
		expression, rest, closed := strings.Cut(s[i+2:], "}")
		s = rest
		name, fallback, hasFallback := strings.Cut(expression, ":-")
		if !closed || !variable.MatchString(name) || strings.Contains(fallback, "${") {
			problems = append(problems, "a ${ that begins no variable; accepted: ${NAME}, ${NAME:-default} and, for a plain ${, $${")
			continue
		}
		value, set := lookup(name)
		switch {
		case hasFallback && value == "":
			value = fallback
		case !set:
			problems = append(problems, fmt.Sprintf("the environment variable %s is not set; set it, or give a default with ${%s:-...}", name, name))
			continue
		}
		values = append(values, value)
		out.WriteString(value)
	}
}

// escape is the opposite of expand for a text without variables.
func escape(s string) string { return strings.ReplaceAll(s, "${", "$${") }
