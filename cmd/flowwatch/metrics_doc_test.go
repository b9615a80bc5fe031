package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// family is a metric family as the code describes it.
type family struct {
	name, help string
	labels     []string
}

func (f *family) kind() string {
	switch {
	case strings.HasSuffix(f.name, "_total"):
		return "counter"
	case strings.HasSuffix(f.name, "_duration_seconds"):
		return "histogram"
	}
	return "gauge"
}

var described = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)", (?:unit: "[^"]*", )?constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)

// families returns every metric family of flowwatch's own that a service with
// all kinds of input and sink registers, by name.
func families(t *testing.T) []family {
	t.Helper()
	w := newWorld(nil)
	cfg := defaultConfig()
	for i := range cfg.Views {
		cfg.Views[i].Off = false
	}
	cfg.Enrich.Databases = []string{cityDatabase(t)} // also where nothing is built in
	cfg.Checkpoint.File.Dir = t.TempDir()
	stream := &KinesisConfig{}
	stream.SetDefaults()
	stream.Stream, stream.Region, stream.Endpoint = "vpc-flow-logs", "eu-central-1", "http://127.0.0.1:1"
	push := &FirehoseConfig{}
	push.SetDefaults()
	push.Listen, push.AccessKey = "127.0.0.1:0", "key"
	queue := &S3Config{}
	queue.QueueURL, queue.Region, queue.Endpoint = "http://127.0.0.1:1/1/queue", "eu-central-1", "http://127.0.0.1:1"
	files := &FileConfig{Paths: []string{filepath.Join(t.TempDir(), "*.log")}, Follow: true}
	cfg.Sources = []SourceConfig{{Kinesis: stream}, {Firehose: push}, {S3: queue}, {File: files}}
	s, err := assemble(context.Background(), &w.env, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	return describedBy(t, s.registry)
}

func describedBy(t *testing.T, registry *prometheus.Registry) []family {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() { defer close(descs); registry.Describe(descs) }()
	var all []family
	for d := range descs {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("description %s is not understood", d)
		}
		if !strings.HasPrefix(m[1], "flowwatch_") {
			continue // of Go and of the process
		}
		f := family{name: m[1], help: strings.ReplaceAll(m[2], `\"`, `"`)}
		for constant := range strings.SplitSeq(m[3], ",") {
			if name, _, ok := strings.Cut(constant, "="); ok {
				f.labels = append(f.labels, name)
			}
		}
		if m[4] != "" {
			f.labels = append(f.labels, strings.Split(m[4], ",")...)
		}
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b family) int { return strings.Compare(a.name, b.name) })
	return all
}

// ofViews reports whether a family comes from a view.
func (f *family) ofViews() bool { return strings.HasPrefix(f.help, "View ") }

// familyTable lists the families that want says yes to, and which of them are of
// a view that is off by default.
func familyTable(all []family, want func(*family) bool) string {
	var off []string
	for _, v := range aggregate.BuiltinViews() {
		if v.Off {
			off = append(off, "View "+v.Name+":")
		}
	}
	var b strings.Builder
	b.WriteString("| metric | kind | labels | what it says |\n|---|---|---|---|\n")
	for i := range all {
		if f := &all[i]; want(f) {
			labels := ""
			if len(f.labels) > 0 {
				labels = "`" + strings.Join(f.labels, "`, `") + "`"
			}
			help := f.help
			if slices.ContainsFunc(off, func(prefix string) bool { return strings.HasPrefix(help, prefix) }) {
				help += " Off by default."
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, f.kind(), labels, help)
		}
	}
	return b.String()
}

// docs/metrics.md says what the code does.
func TestMetricsDoc(t *testing.T) {
	all := families(t)
	generated(t, filepath.Join("..", "..", "docs", "metrics.md"), map[string]string{
		"own":   familyTable(all, func(f *family) bool { return !f.ofViews() }),
		"views": familyTable(all, (*family).ofViews),
	})
}

// Every family is named and described by the conventions of Prometheus, also one
// that has no series before something goes wrong.
func TestMetricsFollowTheConventions(t *testing.T) {
	var scrape strings.Builder
	for _, f := range families(t) {
		var labels []string
		for _, name := range f.labels {
			labels = append(labels, name+`="x"`)
		}
		fmt.Fprintf(&scrape, "# HELP %s %s\n# TYPE %[1]s %[3]s\n", f.name, f.help, f.kind())
		if f.kind() != "histogram" {
			fmt.Fprintf(&scrape, "%s{%s} 1\n", f.name, strings.Join(labels, ","))
			continue
		}
		bucket := strings.Join(append(labels, `le="+Inf"`), ",")
		fmt.Fprintf(&scrape, "%s_bucket{%s} 1\n%[1]s_sum{%[3]s} 1\n%[1]s_count{%[3]s} 1\n", f.name, bucket, strings.Join(labels, ","))
	}
	problems, err := promlint.New(strings.NewReader(scrape.String())).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// generated holds a document against its generated parts, or rewrites them:
// what stands between <!-- generated: name --> and <!-- end -->.
func generated(t *testing.T, path string, parts map[string]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, content := range parts {
		begin := "<!-- generated: " + name + " -->\n"
		before, rest, ok := strings.Cut(want, begin)
		_, after, closed := strings.Cut(rest, "<!-- end -->")
		if !ok || !closed {
			t.Fatalf("%s has no generated part %s", path, name)
		}
		want = before + begin + "\n" + content + "\n<!-- end -->" + after
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("%s is not what the code says; go test ./cmd/flowwatch -update rewrites it (-want +got):\n%s", path, diff)
	}
}
