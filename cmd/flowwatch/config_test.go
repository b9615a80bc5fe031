package main

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/cmd/flowwatch/internal/strictyaml"
	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/source/kinesis"
)

// testVariables are the environment of the files in testdata/config.
var testVariables = map[string]string{
	"STREAM": "from-env", "IDLE": "90s", "PORT": "9999", "EMPTY": "", "PANE": "7m", "SOURCES": "lots", "LISTEN": "nowhere",
	"NEWKEYS": "a]}\nevil: {",
}

func configFiles(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/config/" + pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return files
}

// The problems of every *.bad.yml, word for word, stand in its .want file.
func TestBadConfigs(t *testing.T) {
	for _, path := range configFiles(t, "*.bad.yml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(testVariables)
			w.Stdin = bytes.NewReader(text)
			if code := w.run(t, "config", "check", "-"); code != exitUsage {
				t.Errorf("exit code %d, want %d", code, exitUsage)
			}
			wanted := strings.TrimSuffix(path, ".yml") + ".want"
			if *update {
				if err := os.WriteFile(wanted, w.stderr.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(wanted)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), w.stderr.String()); diff != "" {
				t.Error(diff)
			}
			if w.stdout.Len() > 0 {
				t.Errorf("stdout: %q", &w.stdout)
			}
			if strings.Contains(w.stderr.String(), "hunter2") {
				t.Error("a secret is shown")
			}
		})
	}
}

// What print shows of a good file is accepted, means the same, and prints as
// it is.
func TestGoodConfigs(t *testing.T) {
	for _, path := range configFiles(t, "*.good.yml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			w := newWorld(testVariables)
			cfg, _, err := loadConfig(&w.env, configSource{File: path})
			if err != nil {
				t.Fatal(err)
			}
			checkFixpoint(t, cfg, "config", "print", path)
		})
	}
}

// No secret of a sink is printed, wherever it came from.
func TestConfigPrintMasksSinks(t *testing.T) {
	w := newWorld(map[string]string{"HOOK_TOKEN": "tokenfromtheenvironment"})
	w.Stdin = strings.NewReader(`
sources: [{file: {paths: [flow.log]}}]
sinks:
  - webhook:
      url: https://user:hunter2@siem.example.com/hunter2?key=hunter2
      secret: hunter2
      headers: {X-Any: "${HOOK_TOKEN}", Authorization: Bearer hunter2}
  - slack: {url: https://hooks.slack.com/services/T0/B0/hunter2}
  - alertmanager: {url: "http://user:hunter2@alertmanager:9093/hunter2"}
  - alertmanager: {url: ["http://alertmanager-0:9093/hunter2", "http://hunter2:hunter2@alertmanager-1:9093"]}
    name: cluster
`)
	if code := w.run(t, "config", "print", "-"); code != exitOK {
		t.Fatalf("print exits %d: %s", code, &w.stderr)
	}
	out := w.stdout.String()
	if strings.Contains(out, "hunter2") || strings.Contains(out, "tokenfrom") {
		t.Errorf("a secret is printed:\n%s", out)
	}
	for _, key := range []string{"url: '***'", "secret: '***'", "X-Any: '***'", "Authorization: '***'", "url: ['***']", "url: ['***', '***']"} {
		if !strings.Contains(out, key) {
			t.Errorf("%s is not in\n%s", key, out)
		}
	}
}

func TestExampleConfig(t *testing.T) {
	cfg := exampleConfig()
	printed := checkFixpoint(t, &cfg, "config", "print")
	for key := range strings.FieldsSeq("sources: networks: windows: rules: sinks: checkpoint: limits: listen:") {
		if !strings.Contains(printed, "\n"+key) {
			t.Errorf("%s is not printed", key)
		}
	}
}

func checkFixpoint(t *testing.T, cfg *Config, print ...string) string {
	t.Helper()
	w := newWorld(testVariables)
	if code := w.run(t, print...); code != exitOK {
		t.Fatalf("print exits %d: %s", code, &w.stderr)
	}
	first := w.stdout.String()
	w = newWorld(nil)
	w.Stdin = strings.NewReader(first)
	again, _, err := loadConfig(&w.env, configSource{File: "-"})
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, first)
	}
	if diff := cmp.Diff(cfg, again, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	w.Stdin = strings.NewReader(first)
	if code := w.run(t, "config", "print", "-"); code != exitOK {
		t.Fatalf("print again exits %d: %s", code, &w.stderr)
	}
	if diff := cmp.Diff(strings.TrimPrefix(first, exampleNote), w.stdout.String()); diff != "" {
		t.Error(diff)
	}
	return first
}

func TestFullConfig(t *testing.T) {
	w := newWorld(testVariables)
	cfg, _, err := loadConfig(&w.env, configSource{File: "testdata/config/full.good.yml"})
	if err != nil {
		t.Fatal(err)
	}
	f := func(got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v, want %#v", got, want)
		}
	}
	f(cfg.Sources[0].Format, []string{"${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr}"})
	f(*cfg.Sources[1].Kinesis, KinesisConfig{kinesis.Config{Stream: "from-env", Start: "latest", Consumer: "polling", ConsumerName: "flowwatch", Endpoint: "http://127.0.0.1:4567"}})
	f(len(cfg.Sources[1].Format), 2)
	f(cfg.Sources[2].File.Paths, []string{"/var/log/flow/*.gz", "price-${5}.log"})
	f(cfg.Networks.Allow, []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32")})
	f(cfg.Windows, WindowsConfig{Pane: 15 * time.Minute, AllowedLateness: 24 * time.Hour, IdleAfter: 90 * time.Second})
	f(cfg.Views[0].Where["direction"], aggregate.Values{"ingress"})
	f(cfg.Views[0].Where["dstport"], aggregate.Values{"22", "3389"})
	f(cfg.Views[1].Off, true)
	internal, spike := detect.DefaultScanInternal(), detect.DefaultSpike()
	internal.MinFailed, spike.Profile = 12, detect.Sensitive
	f(cfg.Rules.ScanInternal, ScanInternalConfig{true, internal})
	f(cfg.Rules.ScanExternal, ScanExternalConfig{false, detect.DefaultScanExternal()})
	f(cfg.Rules.Spike, SpikeConfig{true, spike})
	f(cfg.Sinks[0].Stdout != nil, true)
	f(cfg.Sinks[0].MinSeverity, "low")
	f([]string{cfg.Sinks[0].Name, cfg.Sinks[1].Name, cfg.Sinks[2].Name}, []string{"stdout", "file", "everything"})
	f(cfg.Limits, LimitsConfig{Memory: 2_000_000_000, Sources: 2_000_000})
	f(cfg.Listen, "127.0.0.1:9999")
}

func TestDefaults(t *testing.T) {
	w := newWorld(nil)
	cfg, _, err := loadConfig(&w.env, configSource{File: "testdata/config/minimal.good.yml"})
	if err != nil {
		t.Fatal(err)
	}
	want := defaultConfig()
	want.Sources = []SourceConfig{{File: &FileConfig{Paths: []string{"flow.log"}}}}
	if diff := cmp.Diff(&want, cfg, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// Every entry of notYet is met by later.bad.yml, so none is misspelt.
func TestNotYet(t *testing.T) {
	text, err := os.ReadFile("testdata/config/later.bad.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range notYet {
		var others []string
		for _, other := range notYet {
			if other != entry {
				others = append(others, other)
			}
		}
		var with, without Config
		_, all := strictyaml.Decode("f", text, &with, strictyaml.Options{NotYet: notYet})
		_, fewer := strictyaml.Decode("f", text, &without, strictyaml.Options{NotYet: others})
		if countNotYet(t, all) <= countNotYet(t, fewer) {
			t.Errorf("%s matches nothing in later.bad.yml", entry)
		}
	}
}

func countNotYet(t *testing.T, err error) int {
	t.Helper()
	var problems strictyaml.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("%v are no Problems", err)
	}
	return strings.Count(problems.Error(), "is not available in this version")
}

func TestLoadConfigSize(t *testing.T) {
	w := newWorld(nil)
	w.Stdin = strings.NewReader(strings.Repeat("#\n", configLimit))
	if _, _, err := loadConfig(&w.env, configSource{File: "-"}); err == nil || !strings.Contains(err.Error(), "larger than 4 MiB") {
		t.Errorf("got %v", err)
	}
}

// The rules that a configuration can name are those there are.
func TestRuleNamesInTheConfiguration(t *testing.T) {
	cfg := defaultConfig()
	cfg.Rules.Ceiling.Flows = 1 // on
	_, names := rulesOf(&cfg.Rules, cfg.Windows.Pane)
	want := "oneof=" + strings.Join(names, "|")
	for _, of := range []struct {
		holder any
		field  string
	}{{SinkConfig{}, "Rules"}, {detect.Suppression{}, "Rule"}} {
		field, _ := reflect.TypeOf(of.holder).FieldByName(of.field)
		if got := field.Tag.Get("strict"); got != want {
			t.Errorf("%T.%s accepts %q, want %q", of.holder, of.field, got, want)
		}
	}
}
