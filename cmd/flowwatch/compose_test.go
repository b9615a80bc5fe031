package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const composeFolder = "../../deploy/compose"

// composeFile is what the tests look at of compose.yaml.
type composeFile struct {
	Services map[string]composeService
	Volumes  map[string]any
}

type composeService struct {
	Image string
	Build struct{ Context, Target string }
	Ports []string
	// Volumes are from:to or from:to:mode, DependsOn names of services.
	Volumes     []string
	DependsOn   []string `yaml:"depends_on"`
	Command     []string
	Environment map[string]string
}

// readYAML decodes a file.
func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func compose(t *testing.T) composeFile {
	t.Helper()
	var file composeFile
	readYAML(t, filepath.Join(composeFolder, "compose.yaml"), &file)
	return file
}

// A container's image has a version, and its ports are on loopback.
func TestComposeServices(t *testing.T) {
	file := compose(t)
	want := []string{"alertmanager", "flowwatch", "grafana", "prometheus"}
	if got := slices.Sorted(maps.Keys(file.Services)); !slices.Equal(got, want) {
		t.Fatalf("services %v, want %v", got, want)
	}
	versioned := regexp.MustCompile(`^[a-z/]+:v?\d+\.\d+\.\d+$`)
	for name, s := range file.Services {
		if s.Build.Context == "" && !versioned.MatchString(s.Image) {
			t.Errorf("%s: image %q has no version", name, s.Image)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to everybody", name, port)
			}
		}
		for _, other := range s.DependsOn {
			if _, ok := file.Services[other]; !ok {
				t.Errorf("%s waits for %s, which there is not", name, other)
			}
		}
	}
}

// What is mounted and built from is there.
func TestComposeMounts(t *testing.T) {
	file := compose(t)
	files := 0
	for name, s := range file.Services {
		for _, volume := range s.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			if !strings.HasPrefix(from, ".") {
				if _, ok := file.Volumes[from]; !ok {
					t.Errorf("%s: volume %s is not declared", name, from)
				}
				continue
			}
			files++
			if _, err := os.Stat(filepath.Join(composeFolder, from)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if files < 5 {
		t.Errorf("only %d files and folders are mounted", files)
	}
	build := file.Services["flowwatch"].Build
	text, err := os.ReadFile(filepath.Join(composeFolder, build.Context, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), " AS "+build.Target+"\n") {
		t.Errorf("the Dockerfile has no stage %s", build.Target)
	}
}

// mounted returns what of the project stands at a path in a container.
func (s *composeService) mounted(t *testing.T, path string) string {
	t.Helper()
	for _, volume := range s.Volumes {
		parts := strings.Split(volume, ":")
		if rest, ok := strings.CutPrefix(path, parts[1]); ok && strings.HasPrefix(parts[0], ".") && (rest == "" || rest[0] == '/') {
			return filepath.Join(composeFolder, parts[0], rest)
		}
	}
	t.Fatalf("nothing is mounted at %s", path)
	return ""
}

// Prometheus finds flowwatch, its rules and Alertmanager; Grafana finds
// Prometheus and its dashboards.
func TestComposeServicesFindEachOther(t *testing.T) {
	file := compose(t)
	type targets []struct {
		StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
	}
	prometheus := file.Services["prometheus"]
	var config struct {
		RuleFiles []string `yaml:"rule_files"`
		Alerting  struct{ Alertmanagers targets }
		Scrape    targets `yaml:"scrape_configs"`
	}
	readYAML(t, prometheus.mounted(t, "/etc/prometheus/prometheus.yml"), &config)
	if got := config.Scrape[0].StaticConfigs[0].Targets; !slices.Equal(got, []string{"flowwatch:9464"}) {
		t.Errorf("Prometheus scrapes %v", got)
	}
	if got := config.Alerting.Alertmanagers[0].StaticConfigs[0].Targets; !slices.Equal(got, []string{"alertmanager:9093"}) {
		t.Errorf("Prometheus alerts %v", got)
	}
	for _, path := range config.RuleFiles {
		readYAML(t, prometheus.mounted(t, path), &ruleFile{})
	}
	grafana := file.Services["grafana"]
	if got := grafana.Environment["PROMETHEUS_URL"]; got != "http://prometheus:9090" {
		t.Errorf("Grafana asks %s", got)
	}
	var sources struct{ Datasources []struct{ Type, URL string } }
	readYAML(t, grafana.mounted(t, "/etc/grafana/provisioning/datasources/prometheus.yml"), &sources)
	if s := sources.Datasources; len(s) != 1 || s[0].Type != "prometheus" || s[0].URL != "$PROMETHEUS_URL" {
		t.Errorf("Grafana's data sources are %v", s)
	}
	var boards struct {
		Providers []struct{ Options struct{ Path string } }
	}
	readYAML(t, grafana.mounted(t, "/etc/grafana/provisioning/dashboards/flowwatch.yml"), &boards)
	for _, path := range []string{boards.Providers[0].Options.Path + "/detection.json", grafana.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]} {
		if _, err := os.Stat(grafana.mounted(t, path)); err != nil {
			t.Error(err)
		}
	}
}

// The command line that the container is started with is one that flowwatch
// takes.
func TestComposeCommand(t *testing.T) {
	w := newWorld(nil)
	args := append(slices.Clone(compose(t).Services["flowwatch"].Command), "--help")
	if code := w.run(t, args...); code != exitOK {
		t.Errorf("%v: exit code %d: %s", args, code, w.stderr.String())
	}
	if out := w.stdout.String(); !strings.Contains(out, "flowwatch demo") {
		t.Errorf("%v shows: %s", args, out)
	}
}
