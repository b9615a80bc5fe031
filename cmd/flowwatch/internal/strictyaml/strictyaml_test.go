package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// garden has every kind of value that a configuration may have.
type garden struct {
	Name     string            `yaml:"name" strict:"required"`
	Beds     []bed             `yaml:"beds,omitempty"`
	Gate     *gate             `yaml:"gate"`
	Labels   map[string]string `yaml:"labels,omitempty"`
	Tools    map[string]words  `yaml:"tools,omitempty"`
	Pattern  string            `yaml:"pattern,omitempty" strict:"literal"`
	Season   string            `yaml:"season,omitempty" strict:"oneof=spring|summer"`
	Opens    time.Time         `yaml:"opens"`
	Wait     time.Duration     `yaml:"wait"`
	Net      netip.Prefix      `yaml:"net"`
	Space    Size              `yaml:"space"`
	Count    uint16            `yaml:"count"`
	Rate     float64           `yaml:"rate"`
	Open     bool              `yaml:"open"`
	Pin      string            `yaml:"pin,omitempty" strict:"secret"`
	Dotted   Water             `yaml:"water.main"`
	Water    `yaml:",inline"`
	Ignored  int `yaml:"-"`
	Optional *int
}

type Water struct {
	Litres int `yaml:"litres"`
}

func (w Water) Validate() error {
	if w.Litres < 0 {
		return errors.New("litres: runs dry")
	}
	return nil
}

type bed struct {
	Plants []string `yaml:"plants" strict:"single"`
	Depth  int      `yaml:"depth"`
}

func (b *bed) SetDefaults() { b.Depth = 30 }

// Validate joins what it has to say in several ways.
func (b *bed) Validate() error {
	var errs []error
	for i, p := range b.Plants {
		if p == "weed" {
			errs = append(errs, fmt.Errorf("plants[%d] is a weed", i))
		}
	}
	if b.Depth > 100 {
		errs = append(errs, errors.Join(errors.New(`"depth": too deep`), fmt.Errorf("digs into %w and %w", errors.New("clay"), errors.New("rock"))))
	}
	return errors.Join(errs...)
}

type gate struct {
	AccessKey string            `yaml:"access_key"`
	URL       string            `yaml:"url,omitempty"`
	Headers   map[string]string `yaml:"headers,omitempty"`
}

func (g *gate) Validate() error {
	if len(g.AccessKey) < 4 {
		return fmt.Errorf("access_key: %q is too short", g.AccessKey)
	}
	if strings.Contains(g.URL, " ") {
		return fmt.Errorf("url: %q has a blank", g.URL)
	}
	return nil
}

// words reads itself when YAML is decoded by others.
type words []string

func (w *words) UnmarshalYAML(n *yaml.Node) error { return n.Decode((*[]string)(w)) }

func variables(name string) (string, bool) {
	v, ok := map[string]string{
		"NAME": "rose", "KEY": "hunter2-key", "TWO": "2", "EMPTY": "", "TRICK": "x\nopen: true", "DOLLAR": "${NAME}",
	}[name]
	return v, ok
}

func decode(text string) (garden, Secrets, error) {
	g := garden{Wait: time.Minute}
	secrets, err := Decode("g.yml", []byte(text), &g, Options{LookupEnv: variables, NotYet: []string{"pond", "beds[].fence", "season=autumn"}})
	return g, secrets, err
}

func TestDecode(t *testing.T) {
	two := 2
	f := func(text string, want garden) {
		t.Helper()
		got, _, err := decode(text)
		if err != nil {
			t.Errorf("%s\n%v", text, err)
			return
		}
		if want.Wait == 0 {
			want.Wait = time.Minute
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(garden{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Errorf("%s\n%s", text, diff)
		}
	}
	f("name: a", garden{Name: "a"})
	f("\ufeffname: a\r\nopen: true\r\n", garden{Name: "a", Open: true})
	f("---\nname: 12\n...\n", garden{Name: "12"})
	f("name: 2027-01-31", garden{Name: "2027-01-31"})
	f("name: no", garden{Name: "no"})
	f("name: a\nwait: 1d12h\nopens: 2027-01-31T10:00:00Z\nnet: fc00::/7\nspace: 2KiB\ncount: 65_535\nrate: 1e-3",
		garden{Name: "a", Wait: 36 * time.Hour, Opens: time.Date(2027, 1, 31, 10, 0, 0, 0, time.UTC),
			Net: netip.MustParsePrefix("fc00::/7"), Space: 2048, Count: 65535, Rate: 0.001})
	f("name: a\nbeds: [{plants: rose}, {plants: [a, b], depth: 3}]",
		garden{Name: "a", Beds: []bed{{[]string{"rose"}, 30}, {[]string{"a", "b"}, 3}}})
	f("name: a\nbeds: []\nlitres: 3\noptional: 2", garden{Name: "a", Beds: []bed{}, Water: Water{3}, Optional: &two})
	f("name: a\nwater.main: {litres: 4}", garden{Name: "a", Dotted: Water{4}})
	f("name: a\nlabels: {b: c, d.e: 5}\ntools: {f: g, h: [i, j]}",
		garden{Name: "a", Labels: map[string]string{"b": "c", "d.e": "5"}, Tools: map[string]words{"f": {"g"}, "h": {"i", "j"}}})
	f("name: a\nbeds: [&x {plants: b}, *x]", garden{Name: "a", Beds: []bed{{[]string{"b"}, 30}, {[]string{"b"}, 30}}})

	f("name: ${NAME}-${NO:-thorn}-${EMPTY:-x}-$$${EMPTY}$", garden{Name: "rose-thorn-x-$${EMPTY}$"})
	f("name: $${NAME}", garden{Name: "${NAME}"})
	f("name: ${TRICK}", garden{Name: "x\nopen: true"})
	f("name: ${DOLLAR}", garden{Name: "${NAME}"})
	f(`{name: a, pattern: "${NAME} ${b-c}"}`, garden{Name: "a", Pattern: "${NAME} ${b-c}"})
	f("name: a\ncount: \"${TWO}\"\nwait: ${TWO}m", garden{Name: "a", Count: 2, Wait: 2 * time.Minute})
}

func TestProblems(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		_, _, err := decode(text)
		var problems Problems
		if err != nil && !errors.As(err, &problems) {
			t.Fatalf("%s\n%v are no Problems", text, err)
		}
		var got []string
		for _, p := range problems {
			got = append(got, strings.TrimPrefix(p.Error(), "g.yml:"))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n%s", text, diff)
		}
	}
	f("", "1: the file is empty; accepted: a mapping of keys")
	f("---\n", "1: the file is empty; accepted: a mapping of keys")
	f("name: a\n---\n", "2: a second document begins here; accepted: one document in a file")
	f("name: a\nbeds:\n\t- x", "3: not YAML: found character that cannot start any token")
	f("{}", "1: name: is missing; accepted: a text")
	f("namee: a", "1: name: is missing; accepted: a text", "1: namee: unknown key; did you mean name?")
	f("name:\nNAME: a", "1: name: is empty; accepted: a text", "2: NAME: unknown key; did you mean name?")
	f("name: a\npond: {x: y}\nseason: autumn\nbeds:\n  - {plants: a, fence: high}",
		"2: pond: is not available in this version",
		`3: season: "autumn" is not available in this version`,
		"5: beds[0].fence: is not available in this version")
	f("name: a\nseason: sumer", `2: season: "sumer" is not known; did you mean summer? accepted: spring, summer`)
	f("name: a\nopens: tomorrow\nwait: 1w\nnet: 10.0.0.1/8\nspace: 1XB\ncount: 65536\nrate: nan\nopen: on",
		`2: opens: "tomorrow" is no time; accepted: an RFC 3339 time like 2027-01-31T00:00:00Z`,
		`3: wait: "1w" is no duration; accepted: a duration like 30s, 5m or 1h`,
		`4: net: "10.0.0.1/8" has bits set behind its prefix; did you mean 10.0.0.0/8?`,
		`5: space: "1XB" is no size; accepted: a size like 512MiB or 2GB`,
		`6: count: "65536" is out of range; accepted: a whole number, not negative`,
		`7: rate: "nan" is no finite number; accepted: a number`,
		`8: open: "on" is no boolean; accepted: true or false`)
	f("name: a\nlabels: {b: 1, b: 2}\ntools: {c: [[]], d: {}}",
		"2: labels.b: duplicate key; it stands on line 2 already",
		"3: tools.c[0]: is a list; accepted: a text",
		"3: tools.d: is a mapping; accepted: a text or a list of texts")

	// What Validate says stands at the key that it begins with.
	f("name: a\nlitres: -1\nwater.main:\n  litres: -2", "2: litres: runs dry", "4: water.main.litres: runs dry")
	f("name: a\nbeds:\n  - plants:\n    - weed\n    - rose\n    - weed\n    depth: 101",
		"3: beds[0]: digs into clay and rock",
		"4: beds[0].plants[0]: is a weed",
		"6: beds[0].plants[2]: is a weed",
		"7: beds[0].depth: too deep")
	f("name: a\nbeds: [{plants: weed}]", "2: beds[0].plants[0]: is a weed")
	// What is wrong already is not judged again.
	f("name: a\ngate: {access_key: }", "2: gate.access_key: is empty; accepted: a text")
	f("name: a\nlitres: many\nbeds: [{plants: 5m, depth: x}]",
		`2: litres: "many" is no number; accepted: a whole number`,
		`3: beds[0].depth: "x" is no number; accepted: a whole number`)
}

func TestSecretsAreMasked(t *testing.T) {
	f := func(text string, secrets ...string) {
		t.Helper()
		g, hidden, err := decode(text)
		shown := fmt.Sprint(err)
		if err == nil {
			var out bytes.Buffer
			if err := Encode(&out, &g, hidden); err != nil {
				t.Fatal(err)
			}
			shown = out.String()
		}
		for _, secret := range secrets {
			if strings.Contains(shown, secret) {
				t.Errorf("%q shows %q:\n%s", text, secret, shown)
			}
		}
		if !strings.Contains(shown, masked) {
			t.Errorf("%q masks nothing:\n%s", text, shown)
		}
	}
	f("name: a\ngate: {access_key: \"${KEY}\"}", "hunter2")
	f("name: ${KEY}\ngate: {access_key: \"${KEY}\"}", "hunter2")
	f("name: a\ngate: {access_key: ab}", `"ab"`)
	f("name: a\ngate: {access_key: long-enough, url: \"https://scott:tiger@h/?x=1&token=abc\"}", "scott", "tiger", "abc", "long-enough")
	f("name: a\ngate: {access_key: long-enough, url: \"https://scott:tiger@h/ x\"}", "scott", "tiger")
	f("name: a\ngate: {access_key: long-enough, headers: {X-Any: hunter2}}", "hunter2", "long-enough")
	f("name: a\npin: hunter2", "hunter2")
	f("name: a\npin: true", "true")
	f("name: a\nseason: ${KEY}\ngate: {access_key: \"${KEY}\"}", "hunter2")
}

func TestMessagesShowNoMisreadSecret(t *testing.T) {
	f := func(text, secret string) {
		t.Helper()
		_, _, err := decode(text)
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", text, err)
		}
	}
	f("name: a\ngate: {access_key: *hunter2}", "hunter2")
	f("name: a\ngate: {access_key:\"hunter2\"}", "hunter2")
	f("name: a\ngate: {access_key: {hunter2: x}}", "hunter2")
}

func TestSuggest(t *testing.T) {
	f := func(word, want string) {
		t.Helper()
		if got := Suggest(word, []string{"allowed_lateness", "pane", "by"}); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", word, got, want)
		}
	}
	f("allowedLateness", "did you mean allowed_lateness?")
	f("apne", "did you mean pane?")
	f("allowed_latenes", "did you mean allowed_lateness?")
	f("zz", "accepted: allowed_lateness, pane, by")
	f("", "accepted: allowed_lateness, pane, by")
	f(strings.Repeat("x", 1000), "accepted: allowed_lateness, pane, by")
}

func TestDuration(t *testing.T) {
	f := func(text string, want time.Duration, shown string) {
		t.Helper()
		got, err := parseDuration(text)
		if err != nil || got != want || FormatDuration(got) != shown {
			t.Errorf("%q is %v, shown %q, %v; want %v, %q", text, got, FormatDuration(got), err, want, shown)
		}
	}
	f("0", 0, "0s")
	f("90s", 90*time.Second, "1m30s")
	f("1h", time.Hour, "1h")
	f("60m", time.Hour, "1h")
	f("1h30m", 90*time.Minute, "1h30m")
	f("1d", 24*time.Hour, "24h")
	f("-1d1h", -25*time.Hour, "-25h")
	f("10m", 10*time.Minute, "10m")
	f("1h0m5s", time.Hour+5*time.Second, "1h0m5s")
	f("250ms", 250*time.Millisecond, "250ms")
	for _, text := range []string{"", "5", "1d-1h", "d", "1dd", "1 m", "106752d", "99999d200000h", "1h1d"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is %v, want an error", text, got)
		}
	}
}

func TestSize(t *testing.T) {
	f := func(text string, want Size, shown string) {
		t.Helper()
		var got Size
		err := got.UnmarshalText([]byte(text))
		again, _ := got.MarshalText()
		if err != nil || got != want || string(again) != shown {
			t.Errorf("%q is %d, shown %q, %v; want %d, %q", text, got, again, err, want, shown)
		}
	}
	f("512MiB", 512<<20, "512MiB")
	f("1 KiB", 1024, "1KiB")
	f("2048KiB", 2<<20, "2MiB")
	f("2GB", 2e9, "1953125KiB")
	f("7B", 7, "7B")
	f("0B", 0, "0B")
	for _, text := range []string{"", "512", "MiB", "-1MiB", "1.5GiB", "1M", "9999999TiB", "1mib"} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
}
