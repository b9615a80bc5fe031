// The policies of this folder and of the CloudFormation template against the
// code: each feature may do what it calls, and nothing else.
package iam_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/deploy/cloudformation"
)

const sdk = "github.com/aws/aws-sdk-go-v2/service/"

// features says which policies together allow what the code of a folder calls.
// A folder that calls AWS and is not here fails the test.
var features = map[string][]string{
	"pipeline/source/kinesis": {"kinesis-polling", "kinesis-fan-out", "assume-role"},
	"pipeline/source/s3":      {"s3-sqs"},
	"pipeline/checkpoint":     {"checkpoint-s3"},
	"sinks/sns":               {"sns"},
	"sinks/eventbridge":       {"eventbridge"},
	"cmd/flowwatch":           {"simulate"},
}

// notInAnAccount are calls that the service does not make: they go to the endpoint
// of the demo, or are made for the person who runs analyze.
var notInAnAccount = map[string]string{
	"kinesis:CreateStream": "cmd/flowwatch/demo_feed.go, on loopback",
	"s3:ListObjectsV2":     "pipeline/source/s3/backfill.go, with the rights of who runs analyze (s3:ListBucket)",
}

// prefixes are those of actions, where they differ from the SDK's package.
var prefixes = map[string]string{"eventbridge": "events"}

func TestPoliciesAllowWhatIsCalled(t *testing.T) {
	called := calls(t, filepath.Join("..", ".."))
	for folder := range called {
		if features[folder] == nil {
			t.Errorf("%s calls AWS (%v), and no policy is named for it", folder, called[folder])
		}
	}
	for folder, policies := range features {
		allowed := map[string]bool{}
		for _, policy := range policies {
			for action := range actions(t, policyFile(t, policy)) {
				allowed[action] = true
			}
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(called[folder])), slices.Sorted(maps.Keys(allowed))); diff != "" {
			t.Errorf("%s calls (-), and its policies %v allow (+):\n%s", folder, policies, diff)
		}
	}
}

// Every file is a feature's, and the README tells of it.
func TestPoliciesAreListed(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{"kms": true} // no feature's alone
	for _, policies := range features {
		for _, policy := range policies {
			listed[policy] = true
		}
	}
	files, err := filepath.Glob("*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("policies: %v, %v", files, err)
	}
	for _, file := range files {
		if !listed[strings.TrimSuffix(file, ".json")] {
			t.Errorf("%s is no feature's", file)
		}
		if !strings.Contains(string(readme), "("+file+")") {
			t.Errorf("README.md does not tell of %s", file)
		}
	}
}

// The task role of the template holds the same policies, under the same names,
// with resources of the stack.
func TestTaskRoleHoldsThePolicies(t *testing.T) {
	// These have no file here: the key of a stream that is not the stack's, and
	// the sidecar's permission.
	own := map[string][]string{"kms-stream": {"kms:Decrypt"}, "amp": {"aps:RemoteWrite"}}
	template, err := cloudformation.Parse(cloudformation.Text)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for name, values := range cloudformation.Variants {
		stack, err := template.Resolve(values)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range stack.Resources["TaskRole"].Properties["Policies"].([]any) {
			policy := p.(map[string]any)
			title := policy["PolicyName"].(string)
			seen[title] = true
			want := own[title]
			if want == nil {
				want = slices.Sorted(maps.Keys(actions(t, policyFile(t, title))))
			}
			got := actions(t, policy["PolicyDocument"].(map[string]any))
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
				t.Errorf("variant %s, policy %s (-here, +in the template):\n%s", name, title, diff)
			}
			for action, resources := range got {
				if slices.Contains(resources, "*") {
					t.Errorf("variant %s: %s is allowed on every resource", name, action)
				}
			}
		}
	}
	for _, title := range []string{"kinesis-polling", "kinesis-fan-out", "s3-sqs", "checkpoint-s3", "sns", "kms", "kms-stream", "amp"} {
		if !seen[title] {
			t.Errorf("no variant of the template has policy %s", title)
		}
	}
}

func policyFile(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var policy map[string]any
	if err := json.Unmarshal(text, &policy); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return policy
}

// actions returns what a policy allows, and on what. Only plain statements are
// understood: allow, actions without a wildcard.
func actions(t *testing.T, policy map[string]any) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, s := range policy["Statement"].([]any) {
		statement := s.(map[string]any)
		if statement["Effect"] != "Allow" {
			t.Errorf("effect %v: Allow is expected", statement["Effect"])
		}
		for key := range statement {
			if !slices.Contains([]string{"Sid", "Effect", "Action", "Resource", "Condition"}, key) {
				t.Errorf("%s in a statement is not understood here", key)
			}
		}
		for _, action := range texts(statement["Action"]) {
			if strings.Contains(action, "*") {
				t.Errorf("action %s: name what is allowed", action)
			}
			out[action] = append(out[action], texts(statement["Resource"])...)
		}
	}
	return out
}

func texts(v any) []string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []string
	for _, item := range list {
		out = append(out, item.(string))
	}
	return out
}

// calls returns the actions that the code of each folder needs: an operation is
// called with a literal of its input type, kinesis.GetRecordsInput{...}.
// What the SDK calls by itself is told by the package or function that does.
func calls(t *testing.T, root string) map[string]map[string]bool {
	t.Helper()
	found := map[string]map[string]bool{}
	for _, room := range []string{"cmd", "pipeline", "sinks"} {
		err := filepath.WalkDir(filepath.Join(root, room), func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			relative, err := filepath.Rel(root, filepath.Dir(name))
			if err != nil {
				return err
			}
			folder := filepath.ToSlash(relative)
			for _, action := range called(file) {
				if notInAnAccount[action] != "" {
					continue
				}
				if found[folder] == nil {
					found[folder] = map[string]bool{}
				}
				found[folder][action] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// called returns the actions of one file.
func called(file *ast.File) []string {
	services := map[string]string{} // local name of an SDK package to the service
	var out []string
	for _, spec := range file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		local := path.Base(imported)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		switch service, ok := strings.CutPrefix(imported, sdk); {
		case ok && !strings.Contains(service, "/"):
			services[local] = service
		case imported == "github.com/aws/aws-sdk-go-v2/credentials/stscreds":
			out = append(out, "sts:AssumeRole")
		case strings.HasPrefix(imported, "github.com/aws/aws-sdk-go-v2/feature/") && !strings.HasSuffix(imported, "/ec2/imds"):
			out = append(out, fmt.Sprintf("unknown: what %s calls is not known to this test", imported))
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			if service, name := selected(services, n.Type); strings.HasSuffix(name, "Input") {
				out = append(out, action(service, strings.TrimSuffix(name, "Input")))
			}
		case *ast.CallExpr:
			// Paginators, waiters and presigners call operations by themselves.
			if service, name := selected(services, n.Fun); strings.HasPrefix(name, "New") && name != "New" && name != "NewFromConfig" && name != "NewListObjectsV2Paginator" {
				out = append(out, fmt.Sprintf("unknown: what %s.%s calls is not known to this test", service, name))
			}
		}
		return true
	})
	return out
}

// selected returns service and name of an expression like kinesis.Name.
func selected(services map[string]string, e ast.Expr) (service, name string) {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	of, ok := selector.X.(*ast.Ident)
	if !ok || services[of.Name] == "" {
		return "", ""
	}
	return services[of.Name], selector.Sel.Name
}

func action(service, operation string) string {
	if prefix := prefixes[service]; prefix != "" {
		service = prefix
	}
	return service + ":" + operation
}

func TestCalled(t *testing.T) {
	f := func(body string, want ...string) {
		t.Helper()
		source := "package p\nimport (\n\"github.com/aws/aws-sdk-go-v2/service/s3\"\nk \"github.com/aws/aws-sdk-go-v2/service/kinesis\"\nown \"example.com/s3\"\n)\n" + body
		file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, called(file)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
	f(`var a = &s3.GetObjectInput{}`, "s3:GetObject")
	f(`func f() { c.GetRecords(ctx, &k.GetRecordsInput{Limit: n}) }`, "kinesis:GetRecords")
	f(`type api interface { GetObject(*s3.GetObjectInput) }`) // declared, not called
	f(`var a = own.GetObjectInput{}`)
	f(`var a = s3.NewListPartsPaginator(c, in)`, "unknown: what s3.NewListPartsPaginator calls is not known to this test")
	f(`var a = s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{})`, "s3:ListObjectsV2")
	f(`var a = s3.NewFromConfig(cfg)`)
}
