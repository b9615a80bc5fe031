package pipeline_test

import (
	"fmt"
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
)

// Imports run one way, as the data does: cmd sees everything, the pipeline
// sees its stages and never a source or a sink, a stage sees the stages before
// it, a sink sees the findings. It keeps every stage testable with plain
// values, and a reader can follow the data without meeting an edge backwards.

const module = "github.com/flowwatch/flowwatch"

// A room is a folder of packages that are free to import each other. rooms
// names for each the other rooms that it may import; the longest name that
// fits a package is its room. A name that ends in a slash makes a room of
// every folder in it. "*" stands for everything.
var rooms = map[string][]string{
	"cmd": {"*"},
	// The template evaluated without AWS, for tests and tools.
	"deploy": {},
	"pipeline": {
		"pipeline/flowlog", "pipeline/envelope", "pipeline/enrich", "pipeline/aggregate",
		"pipeline/detect", "pipeline/checkpoint", "pipeline/exchange",
	},
	"pipeline/awsconfig":  {},
	"pipeline/flowlog":    {},
	"pipeline/envelope":   {},
	"pipeline/sketch":     {},
	"pipeline/checkpoint": {"pipeline/awsconfig"},
	"pipeline/enrich":     {"pipeline/flowlog"},
	"pipeline/aggregate":  {"pipeline/flowlog", "pipeline/enrich", "pipeline/sketch"},
	"pipeline/detect":     {"pipeline/aggregate", "pipeline/enrich", "pipeline/sketch"},
	"pipeline/exchange":   {"pipeline/aggregate", "pipeline/checkpoint"},
	"pipeline/simulate":   {"pipeline/flowlog", "pipeline/envelope"},
	"pipeline/evaluate":   {"pipeline/detect", "pipeline/simulate"},
	"pipeline/summary":    {"pipeline/flowlog", "pipeline/enrich", "pipeline/sketch"},
	// For tests alone, of whatever room.
	"pipeline/hostiletest": {},
	"pipeline/source/":     {"pipeline", "pipeline/awsconfig", "pipeline/envelope", "pipeline/flowlog", "pipeline/source/delivered", "pipeline/source/sharedmetrics", "pipeline/source/sourcetest"},
	// An object is cut into payloads as a file is.
	"pipeline/source/s3":            {"pipeline", "pipeline/awsconfig", "pipeline/envelope", "pipeline/flowlog", "pipeline/source/delivered", "pipeline/source/file", "pipeline/source/sharedmetrics", "pipeline/source/sourcetest"},
	"pipeline/source/delivered":     {"pipeline"},
	"pipeline/source/sharedmetrics": {},
	"pipeline/source/sourcetest":    {"pipeline"},
	"sinks":                         {"pipeline/awsconfig", "pipeline/detect", "pipeline/aggregate"},
	// The metrics and the page show the value that the pipeline publishes
	// after each commit.
	"sinks/prometheus": {"pipeline", "sinks", "pipeline/detect", "pipeline/aggregate", "pipeline/flowlog"},
	"sinks/status":     {"pipeline", "sinks", "pipeline/detect", "pipeline/aggregate", "pipeline/flowlog"},
}

// Some modules are kept to a few rooms: a stage that logs, counts or calls AWS
// could no longer be run on plain values.
var (
	loggingAndMetrics = []string{"go.uber.org/zap", "github.com/prometheus"}
	awsSDK            = []string{"github.com/aws"}
	pure              = []string{"pipeline/flowlog", "pipeline/envelope", "pipeline/sketch", "pipeline/detect"}
	awsRooms          = []string{"cmd", "pipeline/awsconfig", "pipeline/checkpoint", "pipeline/exchange", "pipeline/source/kinesis", "pipeline/source/s3", "sinks"}
)

// A package named for nothing collects everything.
var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "model", "models", "manager", "managers"}

// imports maps each package of the module, by its folder, to the paths that
// its non-test files import. Test files may import what they like.
type imports map[string][]string

func TestImportsRunOneWay(t *testing.T) {
	root := treeRoot(t)
	found := readImports(t, root)
	for _, must := range []string{"pipeline", "pipeline/flowlog", "pipeline/detect", "sinks"} {
		if _, ok := found[must]; !ok {
			t.Errorf("package %s was not seen in %s", must, root)
		}
	}
	if !slices.Contains(found["pipeline/detect"], module+"/pipeline/aggregate") {
		t.Errorf("pipeline/detect imports pipeline/aggregate, but only %q was seen", found["pipeline/detect"])
	}
	for _, v := range violations(found) {
		t.Error(v)
	}
}

func TestViolations(t *testing.T) {
	in := func(folders ...string) []string {
		for i := range folders {
			folders[i] = module + "/" + folders[i]
		}
		return folders
	}
	tests := map[string]struct {
		in   imports
		want []string
	}{
		"the way of the data": {in: imports{
			"cmd/flowwatch":                        append(in("pipeline", "pipeline/source/kinesis", "sinks/stdout"), "github.com/aws/aws-sdk-go-v2/config"),
			"pipeline":                             append(in("pipeline/detect", "pipeline/aggregate"), "go.uber.org/zap"),
			"pipeline/aggregate":                   in("pipeline/flowlog", "pipeline/sketch"),
			"pipeline/detect":                      in("pipeline/aggregate"),
			"pipeline/flowlog":                     {"net/netip"},
			"pipeline/sketch":                      nil,
			"pipeline/checkpoint/checkpointtest":   in("pipeline/checkpoint"),
			"pipeline/source/kinesis":              append(in("pipeline", "pipeline/source/sourcetest"), "github.com/aws/smithy-go"),
			"pipeline/source/kinesis/localkinesis": in("pipeline/source/kinesis"),
			"sinks/prometheus":                     append(in("pipeline"), "github.com/prometheus/client_golang/prometheus"),
			"sinks/sns":                            append(in("sinks", "pipeline/detect"), "github.com/aws/aws-sdk-go-v2/service/sns"),
			"sinks/stdout":                         in("sinks", "pipeline/detect"),
		}},
		"the pipeline imports a source and a sink": {
			in: imports{"pipeline": in("pipeline/source/kinesis", "sinks/stdout")},
			want: []string{
				"pipeline imports pipeline/source/kinesis, which its room may not",
				"pipeline imports sinks/stdout, which its room may not",
			},
		},
		"a stage imports a later one": {
			in:   imports{"pipeline/aggregate": in("pipeline/detect")},
			want: []string{"pipeline/aggregate imports pipeline/detect, which its room may not"},
		},
		"a source imports another": {
			in:   imports{"pipeline/source/firehose": in("pipeline/source/file")},
			want: []string{"pipeline/source/firehose imports pipeline/source/file, which its room may not"},
		},
		"only the metrics and the page see the pipeline": {
			in:   imports{"sinks/webhook": in("pipeline")},
			want: []string{"sinks/webhook imports pipeline, which its room may not"},
		},
		"nothing imports cmd": {
			in:   imports{"sinks/report": in("cmd/flowwatch")},
			want: []string{"sinks/report imports cmd/flowwatch, which its room may not"},
		},
		"logs in a pure room, through another": {
			in: imports{"pipeline/detect": in("pipeline/aggregate"), "pipeline/aggregate": {"go.uber.org/zap/zapcore"}},
			want: []string{
				"pipeline/detect reaches go.uber.org/zap/zapcore by pipeline/aggregate; it may know nothing of logs, metrics or AWS",
			},
		},
		"metrics in a pure room": {
			in: imports{"pipeline/envelope": {"github.com/prometheus/client_golang/prometheus"}},
			want: []string{
				"pipeline/envelope reaches github.com/prometheus/client_golang/prometheus; it may know nothing of logs, metrics or AWS",
			},
		},
		"AWS where it does not belong": {
			in: imports{"pipeline/source/file": {"github.com/aws/aws-sdk-go-v2/aws"}, "pipeline": {"github.com/aws/smithy-go"}},
			want: []string{
				"pipeline imports github.com/aws/smithy-go: the AWS SDK is for cmd, pipeline/awsconfig, pipeline/checkpoint, pipeline/exchange, pipeline/source/kinesis, pipeline/source/s3, sinks",
				"pipeline/source/file imports github.com/aws/aws-sdk-go-v2/aws: the AWS SDK is for cmd, pipeline/awsconfig, pipeline/checkpoint, pipeline/exchange, pipeline/source/kinesis, pipeline/source/s3, sinks",
			},
		},
		"a name like another is not it": {
			in: imports{"cmd/flowwatch": nil, "pipeline/detect": {"github.com/awsome/thing", "go.uber.org/zapper"}},
		},
		"an empty name": {
			in:   imports{"sinks/helpers": nil},
			want: []string{"sinks/helpers: name a package for what it holds, not \"helpers\""},
		},
		"a package in no room": {
			in:   imports{"internal/clock": nil},
			want: []string{"internal/clock is in no room: say in this test what it may import"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, violations(tt.in)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

// violations returns one sentence for each broken rule, in order of packages.
func violations(found imports) []string {
	var out []string
	for _, pkg := range slices.Sorted(maps.Keys(found)) {
		if base := path.Base(pkg); slices.Contains(emptyNames, base) {
			out = append(out, fmt.Sprintf("%s: name a package for what it holds, not %q", pkg, base))
		}
		room, may := roomOf(pkg)
		if room == "" {
			out = append(out, pkg+" is in no room: say in this test what it may import")
			continue
		}
		out = append(out, wrongEdges(found, pkg, room, may)...)
		if slices.Contains(pure, room) {
			out = append(out, impurities(found, pkg)...)
		}
	}
	return out
}

// wrongEdges judges the direct imports of one package.
func wrongEdges(found imports, pkg, room string, may []string) []string {
	var out []string
	for _, imported := range found[pkg] {
		if folder, own := strings.CutPrefix(imported, module+"/"); own {
			if to, _ := roomOf(folder); to != room && !slices.Contains(may, to) && !slices.Contains(may, "*") {
				out = append(out, fmt.Sprintf("%s imports %s, which its room may not", pkg, folder))
			}
		}
		if within(imported, awsSDK) && !within(pkg, awsRooms) && !slices.Contains(pure, room) {
			out = append(out, fmt.Sprintf("%s imports %s: the AWS SDK is for %s", pkg, imported, strings.Join(awsRooms, ", ")))
		}
	}
	return out
}

// impurities follows the module's own imports from a pure package to every
// logging, metrics or AWS package that it would pull in.
func impurities(found imports, pkg string) []string {
	var out []string
	seen := map[string]bool{pkg: true}
	for queue := []string{pkg}; len(queue) > 0; queue = queue[1:] {
		for _, imported := range found[queue[0]] {
			if folder, own := strings.CutPrefix(imported, module+"/"); own && !seen[folder] {
				seen[folder] = true
				queue = append(queue, folder)
			}
			if !within(imported, loggingAndMetrics) && !within(imported, awsSDK) {
				continue
			}
			by := ""
			if queue[0] != pkg {
				by = " by " + queue[0]
			}
			out = append(out, fmt.Sprintf("%s reaches %s%s; it may know nothing of logs, metrics or AWS", pkg, imported, by))
		}
	}
	return out
}

// roomOf returns the room of a folder and what that room may import, or "".
func roomOf(folder string) (room string, may []string) {
	longest := ""
	for name := range rooms {
		if len(name) > len(longest) && (strings.HasSuffix(name, "/") && strings.HasPrefix(folder, name) || within(folder, []string{name})) {
			longest = name
		}
	}
	if longest == "" || longest == "pipeline" && folder != "pipeline" {
		return "", nil // a stage states its own rule, it does not inherit the root's
	}
	if rest, ok := strings.CutPrefix(folder, longest); ok && strings.HasSuffix(longest, "/") {
		first, _, _ := strings.Cut(rest, "/")
		return longest + first, rooms[longest]
	}
	return longest, rooms[longest]
}

// within reports whether p is one of the roots or lies below one.
func within(p string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return p == root || strings.HasPrefix(p, root+"/") })
}

// readImports parses every Go file below root that is not a test.
func readImports(t *testing.T, root string) imports {
	t.Helper()
	found := imports{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() && name != root && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules") {
			return filepath.SkipDir // as the go command does
		}
		if entry.IsDir() || !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") {
			return nil
		}
		folder, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(folder)
		found[pkg] = append(found[pkg], nil...)
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return fmt.Errorf("import in %s: %w", name, err)
			}
			found[pkg] = append(found[pkg], imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg, paths := range found {
		slices.Sort(paths)
		found[pkg] = slices.Compact(paths)
	}
	return found
}

// treeRoot walks up to the folder of go.mod.
func treeRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = parent
	}
}
