package strictyaml

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plot has keys with dots, as the configuration has.
type plot struct {
	Name  string            `yaml:"name"`
	Rules plotRules         `yaml:"rules"`
	Beds  []bed             `yaml:"beds"`
	Tags  []string          `yaml:"tags" strict:"single"`
	Notes map[string]string `yaml:"notes"`
	Gate  *plotGate         `yaml:"gate"`
}

type plotRules struct {
	Scan       struct{ Min int }
	ScanSlow   struct{ Min int } `yaml:"scan.slow"`
	WaterEarly struct{ Min int } `yaml:"water.early"`
}

type plotGate struct {
	Width     int    `yaml:"width" strict:"required"`
	AccessKey string `yaml:"access_key"`
}

func setOver(text string, set ...string) (plot, Secrets, error) {
	var p plot
	secrets, err := Decode("f", []byte(text), &p, Options{Set: set, LookupEnv: func(name string) (string, bool) { return "from-" + name, true }})
	return p, secrets, err
}

func TestSet(t *testing.T) {
	f := func(text string, set []string, want plot) {
		t.Helper()
		got, _, err := setOver(text, set...)
		if err != nil {
			t.Errorf("%q over %q: %v", set, text, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q over %q:\n%s", set, text, diff)
		}
	}
	one := func(min int) struct{ Min int } { return struct{ Min int }{min} }
	f("name: a", []string{"name=b"}, plot{Name: "b"})
	f("name: a", []string{"name=b", "name=c"}, plot{Name: "c"})
	f("name: a", []string{"name=${SHED}"}, plot{Name: "from-SHED"})
	f("name: a", []string{`name="1=2"`}, plot{Name: "1=2"})
	f("{}", []string{"rules.scan.min=1", "rules.scan.slow.min=2", "rules.water.early.min=3"},
		plot{Rules: plotRules{one(1), one(2), one(3)}})
	f("rules: {scan: {min: 1}, scan.slow: {min: 2}}", []string{"rules.scan.slow.min=7"},
		plot{Rules: plotRules{Scan: one(1), ScanSlow: one(7)}})
	f("beds: [{depth: 1}, {depth: 2}]", []string{"beds[1].depth=5"}, plot{Beds: []bed{{Depth: 1}, {Depth: 5}}})
	f("beds: [{depth: 1}]", []string{"beds[1].depth=5", "beds[2]={depth: 6}"}, plot{Beds: []bed{{Depth: 1}, {Depth: 5}, {Depth: 6}}})
	f("beds: [{depth: 1}]", []string{"beds=[]"}, plot{Beds: []bed{}})
	f("name: a", []string{"beds[0].plants[0]=rose"}, plot{Name: "a", Beds: []bed{{Plants: []string{"rose"}, Depth: 30}}})
	f("tags: [a, b]", []string{"tags=c"}, plot{Tags: []string{"c"}})
	f("notes: {a: b}", []string{"notes.c=d"}, plot{Notes: map[string]string{"a": "b", "c": "d"}})
	f("gate:", []string{"gate.width=3"}, plot{Gate: &plotGate{Width: 3}})
	// What an alias stands for is changed in its own place alone.
	f("beds: [&x {depth: 1}, *x]", []string{"beds[1].depth=5"}, plot{Beds: []bed{{Depth: 1}, {Depth: 5}}})
	f("beds: [&x {plants: [a], depth: 1}, *x]", []string{"beds[1].plants[0]=b"}, plot{Beds: []bed{{Plants: []string{"a"}, Depth: 1}, {Plants: []string{"b"}, Depth: 1}}})
}

func TestSetProblems(t *testing.T) {
	f := func(text, set, want string) {
		t.Helper()
		_, _, err := setOver(text, set)
		if err == nil || err.Error() != want {
			t.Errorf("%q over %q: %v, want %s", set, text, err, want)
		}
	}
	f("name: a", "nam=b", "--set nam: unknown key; did you mean name?")
	f("name: a", "rules.scan.slwo.min=1", "--set rules.scan.slwo.min: rules.scan.slwo: unknown key; accepted: min")
	f("name: a", "rules.water.erly.min=1", "--set rules.water.erly.min: rules.water.erly: unknown key; did you mean water.early?")
	f("name: a", "rules.scan.min=x", `--set rules.scan.min: "x" is no number; accepted: a whole number`)
	f("name: a", "name=", "--set name: is empty; accepted: a text")
	f("name: a", "name", "--set: has no key and value; accepted: KEY=VALUE, like listen=127.0.0.1:9464 or sources[0].kinesis.stream=flow-logs")
	f("name: a", "name=[", "--set name: not YAML: put a text with special characters in quotes")
	f("name: a", "name.x=1", "--set name.x: goes to x beneath a single value; accepted: beneath a mapping")
	f("name: a", "name[0]=1", "--set name[0]: has the index [0] beneath a single value; accepted: beneath a list")
	f("name: a", "beds[1].depth=1", "--set beds[1].depth: has the index [1] of a list with 0; accepted: up to [0], which adds one")
	f("name: a", "beds[x].depth=1", "--set beds[x].depth: has a broken index; accepted: a number like [0], and a dot or another index behind it")
	f("name: a", "beds[0]depth=1", "--set beds[0]depth: has a broken index; accepted: a number like [0], and a dot or another index behind it")
	f("name: a", ".x=1", "--set .x: is no key; accepted: names with dots between and [n] for the items of lists, like sources[0].kinesis.stream")
	f("name: a", "gate={access_key: k}", "--set gate: gate.width: is missing; accepted: a whole number")
	f("name: a", "gate={width: 1, width: 2}", "--set gate: gate.width: duplicate key")
	// Those of the file come first, and each keeps its own place.
	f("name: a\nfoo: 1", "bar=2", "f:2: foo: unknown key; accepted: name, rules, beds, tags, notes, gate\n--set bar: unknown key; accepted: name, rules, beds, tags, notes, gate")
}

// A secret is one wherever it comes from, and never shown.
func TestSetSecrets(t *testing.T) {
	p, secrets, err := setOver("name: a", "gate={width: 1, access_key: hunter2hunter2}")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Encode(&out, &p, secrets); err != nil || strings.Contains(out.String(), "hunter2") {
		t.Errorf("%v: %s", err, &out)
	}
	for _, set := range []string{"gate.access_key=[hunter2]", "gate.acces_key=hunter2", "gate.access_key=hunter2: [", "hunter2 hunter2"} {
		if _, _, err := setOver("name: a", set); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", set, err)
		}
	}
}

// Whatever is set, the answer is a value or a problem with a place.
func FuzzSet(f *testing.F) {
	for _, seed := range []string{"name=b", "beds[0].plants[1]=x", "rules.scan.slow.min=2", "notes.a=b", "gate={width: 1}", "[0]=1", "a.b.c[2]=&x *x", "beds=[&x [*x]]", "beds[0][0][0]=1"} {
		f.Add("name: a\nbeds: [{depth: 1}]", seed)
	}
	f.Fuzz(func(t *testing.T, text, set string) {
		_, _, err := setOver(text, set)
		if err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
	})
}
