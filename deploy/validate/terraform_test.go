package validate

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"gopkg.in/yaml.v3"
)

const module = "../terraform"

// blocks returns the blocks of all files of the module by type and labels, like
// "variable image".
func blocks(t *testing.T) map[string]*hclsyntax.Block {
	t.Helper()
	files, err := filepath.Glob(module + "/*.tf")
	if err != nil || len(files) == 0 {
		t.Fatalf("files: %v, %v", files, err)
	}
	found := map[string]*hclsyntax.Block{}
	parser := hclparse.NewParser()
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if formatted := hclwrite.Format(text); !bytes.Equal(text, formatted) {
			t.Errorf("%s is not formatted (-is +formatted):\n%s", path, cmp.Diff(string(text), string(formatted)))
		}
		file, problems := parser.ParseHCL(text, path)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		for _, block := range file.Body.(*hclsyntax.Body).Blocks {
			name := strings.Join(append([]string{block.Type}, block.Labels...), " ")
			if found[name] != nil {
				t.Errorf("%s stands twice", name)
			}
			found[name] = block
		}
	}
	return found
}

// parameter is one of the template's, as far as the module has it.
type parameter struct {
	Type          string    `yaml:"Type"`
	Default       *string   `yaml:"Default"`
	AllowedValues []string  `yaml:"AllowedValues"`
	Description   yaml.Node `yaml:"Description"`
}

func template(t *testing.T) (parameters map[string]parameter, outputs []string) {
	t.Helper()
	text, err := os.ReadFile(templateFile)
	if err != nil {
		t.Fatal(err)
	}
	var declared struct {
		Parameters map[string]parameter `yaml:"Parameters"`
		Outputs    map[string]yaml.Node `yaml:"Outputs"`
	}
	if err := yaml.Unmarshal(text, &declared); err != nil {
		t.Fatal(err)
	}
	return declared.Parameters, slices.Sorted(maps.Keys(declared.Outputs))
}

func (p parameter) list() bool {
	return strings.HasPrefix(p.Type, "List<") || p.Type == "CommaDelimitedList"
}

var hump = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// snake is VpcId as vpc_id.
func snake(name string) string { return strings.ToLower(hump.ReplaceAllString(name, "${1}_${2}")) }

// evaluate gives an expression its value with functions that the module uses.
func evaluate(t *testing.T, e hcl.Expression, variables map[string]cty.Value) cty.Value {
	t.Helper()
	value, problems := e.Value(&hcl.EvalContext{
		Variables: map[string]cty.Value{"var": cty.ObjectVal(variables)},
		Functions: map[string]function.Function{"join": stdlib.JoinFunc, "contains": stdlib.ContainsFunc},
	})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return value
}

func TestTerraformVariables(t *testing.T) {
	found := blocks(t)
	parameters, _ := template(t)
	names := []string{"name", "tags"} // of the stack itself
	for name, p := range parameters {
		names = append(names, snake(name))
		block := found["variable "+snake(name)]
		if block == nil {
			t.Errorf("no variable %s for %s", snake(name), name)
			continue
		}
		compareDefault(t, name, p, block.Body.Attributes["default"])
		want := "string"
		if p.Type == "Number" {
			want = "number"
		}
		if kind := hcl.ExprAsKeyword(block.Body.Attributes["type"].Expr); !p.list() && kind != want {
			t.Errorf("%s is a %s, want %s", snake(name), kind, want)
		}
		for _, validation := range block.Body.Blocks {
			for _, accepted := range append(slices.Clone(p.AllowedValues), "another") {
				value := cty.StringVal(accepted)
				if p.Type == "Number" {
					if accepted == "another" {
						accepted = "7777"
					}
					value = cty.MustParseNumberVal(accepted)
				}
				holds := evaluate(t, validation.Body.Attributes["condition"].Expr, map[string]cty.Value{snake(name): value})
				if holds.True() != slices.Contains(p.AllowedValues, accepted) {
					t.Errorf("%s = %s: accepted is %v", snake(name), accepted, holds.True())
				}
			}
		}
		if len(block.Body.Blocks) == 0 != (p.AllowedValues == nil) {
			t.Errorf("%s has %d validations, and %s accepts %q", snake(name), len(block.Body.Blocks), name, p.AllowedValues)
		}
	}
	var declared []string
	for name := range found {
		if variable, ok := strings.CutPrefix(name, "variable "); ok {
			declared = append(declared, variable)
		}
	}
	slices.Sort(names)
	slices.Sort(declared)
	if diff := cmp.Diff(names, declared); diff != "" {
		t.Errorf("variables (-parameters +module):\n%s", diff)
	}
}

func compareDefault(t *testing.T, name string, p parameter, attribute *hclsyntax.Attribute) {
	t.Helper()
	if (p.Default == nil) != (attribute == nil) {
		t.Errorf("%s: one has a default, the other none", name)
		return
	}
	if p.Default == nil {
		return
	}
	switch value := evaluate(t, attribute.Expr, nil); {
	case p.list():
		if *p.Default != "" || value.LengthInt() != 0 {
			t.Errorf("%s: default is %#v, want none", name, value)
		}
	case p.Type == "Number":
		if !value.RawEquals(cty.MustParseNumberVal(*p.Default)) {
			t.Errorf("%s: default is %#v, want %s", name, value, *p.Default)
		}
	case value.AsString() != *p.Default:
		t.Errorf("%s: default is %q, want %q", name, value.AsString(), *p.Default)
	}
}

// Each parameter is handed its own variable.
func TestTerraformHandsOver(t *testing.T) {
	parameters, _ := template(t)
	values, want := map[string]cty.Value{}, map[string]string{}
	for name, p := range parameters {
		values[snake(name)], want[name] = cty.StringVal("of "+name), "of "+name
		if p.list() {
			values[snake(name)] = cty.ListVal([]cty.Value{cty.StringVal("of"), cty.StringVal(name)})
			want[name] = "of," + name
		}
	}
	stack := blocks(t)["resource aws_cloudformation_stack flowwatch"]
	got := map[string]string{}
	for name, value := range evaluate(t, stack.Body.Attributes["parameters"].Expr, values).AsValueMap() {
		got[name] = value.AsString()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
}

func TestTerraformOutputs(t *testing.T) {
	_, outputs := template(t)
	found := blocks(t)
	count := 0
	for name := range found {
		if strings.HasPrefix(name, "output ") {
			count++
		}
	}
	if count != len(outputs) {
		t.Errorf("%d outputs, the template has %d", count, len(outputs))
	}
	for _, name := range outputs {
		block := found["output "+snake(name)]
		if block == nil {
			t.Errorf("no output %s for %s", snake(name), name)
			continue
		}
		call, ok := block.Body.Attributes["value"].Expr.(*hclsyntax.FunctionCallExpr)
		if !ok || call.Name != "lookup" || evaluate(t, call.Args[1], nil).AsString() != name {
			t.Errorf("output %s does not give %s", snake(name), name)
		}
	}
}
