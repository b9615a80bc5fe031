package main

import (
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the pages say can be done is done here: every configuration is loaded,
// every command runs, every link leads somewhere.

// page is one Markdown file. Its path is relative to the repository.
type page struct{ path, text string }

// pages are all that a reader can come to.
func pages(t *testing.T) []page {
	t.Helper()
	root := filepath.Join("..", "..")
	var all []page
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
			if d != nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
				return filepath.SkipDir
			}
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		all = append(all, page{filepath.ToSlash(name), string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, must := range []string{"README.md", "CONTRIBUTING.md", "docs/configuration.md", "docs/sources.md"} {
		if !slices.ContainsFunc(all, func(p page) bool { return p.path == must }) {
			t.Errorf("%s was not seen", must)
		}
	}
	return all
}

// fence is a block of code, perhaps in a list: its language and text.
var fence = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```$")

// unfenced is a command or a configuration in a block that is only indented,
// which the tests below would not see.
var unfenced = regexp.MustCompile(`(?m)^( {4,}|\t)(sources:|sinks:|flowwatch |go |make |docker |aws |[A-Z_]+=\S+ go )`)

func TestCodeIsFenced(t *testing.T) {
	for _, p := range pages(t) {
		for _, m := range unfenced.FindAllString(fence.ReplaceAllString(p.text, ""), -1) {
			t.Errorf("%s: %q stands outside of ```", p.path, m)
		}
	}
}

// blocks returns the code of a page in one language.
func (p *page) blocks(language string) (all []string) {
	for _, m := range fence.FindAllStringSubmatch(p.text, -1) {
		if m[1] == language {
			all = append(all, m[2])
		}
	}
	return all
}

// A block of yaml is a configuration of flowwatch, or a part of one. YAML of
// other programs is marked yml.
func TestDocumentedConfigurations(t *testing.T) {
	checked := 0
	for _, p := range pages(t) {
		for _, text := range p.blocks("yaml") {
			checked++
			if !strings.Contains(text, "sources:\n") {
				text += "sources: [{file: {paths: [flow.log]}}]\n"
			}
			w := newWorld(secretVariables)
			w.Stdin = strings.NewReader(text)
			if _, _, err := loadConfig(&w.env, configSource{File: "-"}); err != nil {
				t.Errorf("%s: %v\nin\n%s", p.path, err, text)
			}
		}
	}
	if checked < 8 {
		t.Errorf("%d configurations were seen", checked)
	}
}

// elsewhere are the commands that do not run here, by how they begin, with the
// place where they do or the reason why nowhere.
var elsewhere = map[string]string{
	"go test":                           "this is one",
	"go run ./cmd/flowwatch demo":       "TestDemoEndsAfterItsDuration, and .ci in the image",
	"flowwatch run":                     "needs a stream; its configuration is checked above, the command in TestRunAndAnalyzeAgree",
	"flowwatch status":                  "needs a flowwatch that runs: TestStatusOfTheDemo",
	"ssh -L 9465":                       "needs another machine",
	"flowwatch evaluate --seeds":        "takes minutes; TestEvaluateFindsTheScansOfASimulation is shorter",
	"FLOWWATCH_FLOOD=full go test":      "takes minutes; TestFloodOfSpoofedSources runs a smaller one",
	"AWS_REGION=eu-central-1 FLOWWATCH": "needs an account",
	"FLOWWATCH_KINESIS_SCHEDULES=200":   "takes minutes; TestSchedules runs fewer",
	"FLOWWATCH_SPIKE_SEEDS=":            "takes minutes; TestSpikeFigures runs fewer seeds",
	"flowwatch analyze --since":         "needs a bucket; TestAnalyzeS3",
	"make image":                        "needs buildah; .ci/image builds it so",
	"account=$(aws ":                    "needs an account",
	"aws ":                              "needs an account",
	"buildah --storage-driver vfs":      "needs a registry",
	"docker build":                      "needs Docker; .ci/image builds the same with buildah",
	"docker run":                        "needs Docker; .ci/image runs the demo as it says, without Docker",
	"docker compose":                    "needs Docker; the tests of compose.yaml hold what can be held without",
}

// Blocks of sh run line by line, the lines of a page in one folder.
func TestDocumentedCommands(t *testing.T) {
	ran, passed := 0, map[string]bool{}
	for _, p := range pages(t) {
		var commands []string
		for _, block := range p.blocks("sh") {
			for line := range strings.Lines(strings.ReplaceAll(block, "\\\n", "")) {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
					commands = append(commands, line)
				}
			}
		}
		if len(commands) == 0 {
			continue
		}
		t.Run(p.path, func(t *testing.T) {
			dir := documented(t, &p)
			for _, command := range commands {
				if begins, ok := runsElsewhere(command); ok {
					passed[begins] = true
					continue
				}
				command = strings.ReplaceAll(command, "go run ./cmd/flowwatch", "flowwatch")
				if !strings.HasPrefix(command, "flowwatch ") {
					t.Errorf("%s: is neither flowwatch nor named in elsewhere", command)
					continue
				}
				ran++
				sh := exec.CommandContext(t.Context(), "sh", "-c", command)
				sh.Dir = dir
				if out, err := sh.CombinedOutput(); err != nil {
					t.Errorf("%s: %v\n%s", command, err, out)
				}
			}
		})
	}
	if ran < 5 {
		t.Errorf("%d commands ran", ran)
	}
	for begins, where := range elsewhere {
		if !passed[begins] {
			t.Errorf("no page has %s any more (%s)", begins, where)
		}
	}
}

func runsElsewhere(command string) (begins string, ok bool) {
	for begins := range elsewhere {
		if strings.HasPrefix(command, begins) {
			return begins, true
		}
	}
	return "", false
}

// documented makes a folder with what the commands of the pages speak of: logs/
// and flows.log with simulated flow logs, and the page's first configuration.
func documented(t *testing.T, p *page) string {
	t.Helper()
	dir := t.TempDir()
	for _, simulate := range []string{
		"flowwatch simulate --for 2m --out logs --truth truth.jsonl",
		"flowwatch simulate --for 2m --seed 2 --out logs --truth truth2.jsonl --gzip",
		"cp logs/flow.log flows.log",
	} {
		sh := exec.CommandContext(t.Context(), "sh", "-c", simulate)
		sh.Dir = dir
		if out, err := sh.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", simulate, err, out)
		}
	}
	config := "sources: [{file: {paths: [flows.log]}}]\n"
	if i := slices.IndexFunc(p.blocks("yaml"), func(text string) bool { return strings.Contains(text, "sources:\n") }); i >= 0 {
		config = p.blocks("yaml")[i]
	}
	if err := os.WriteFile(filepath.Join(dir, "flowwatch.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	unsaid  = regexp.MustCompile(`[^a-z0-9 _-]`) // what an anchor leaves out of its heading
)

// repository is where a link to a file of our own leads from outside.
const repository = "https://github.com/flowwatch/flowwatch/blob/main/"

// Links lead to files that are there, and to headings that they have. Those to
// other sites are parsed and not followed.
func TestLinks(t *testing.T) {
	all := pages(t)
	checked := 0
	for _, p := range all {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(p.text, ""), -1) {
			checked++
			target := m[1]
			if own, ok := strings.CutPrefix(target, repository); ok {
				target = "/" + own
			}
			u, err := url.Parse(target)
			switch {
			case err != nil:
				t.Errorf("%s: %v", p.path, err)
				continue
			case u.Scheme != "":
				if u.Scheme != "https" || u.Host == "" {
					t.Errorf("%s: %s: links to other sites are https", p.path, target)
				}
				continue
			}
			at := p.path
			if u.Path != "" {
				at = filepath.ToSlash(filepath.Join(filepath.Dir(p.path), u.Path))
				if rest, ok := strings.CutPrefix(u.Path, "/"); ok {
					at = rest
				}
			}
			if _, err := os.Stat(filepath.Join("..", "..", at)); err != nil {
				t.Errorf("%s: %s leads to nothing", p.path, m[1])
				continue
			}
			if u.Fragment != "" && !slices.Contains(anchors(all, at), u.Fragment) {
				t.Errorf("%s: %s has no heading %s", p.path, at, u.Fragment)
			}
		}
	}
	if checked < 20 {
		t.Errorf("%d links were seen", checked)
	}
}

// anchors are those of a page's headings.
func anchors(all []page, path string) (found []string) {
	for _, p := range all {
		if p.path == path {
			for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(p.text, ""), -1) {
				name := unsaid.ReplaceAllString(strings.ToLower(m[1]), "")
				found = append(found, strings.ReplaceAll(strings.TrimSpace(name), " ", "-"))
			}
		}
	}
	return found
}
