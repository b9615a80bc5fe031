package strictyaml

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever a text holds, Decode reads what Encode wrote.
func TestEncodeDecode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String().Filter(printable),
			rapid.SampledFrom([]string{"", "true", "null", "~", "12", "0x1", "1e3", "2027-01-31", "*a", "&a", "- a", "a: b", "#", "${A}", "$${A}", "$$", " a ", "\n", "a\nb\n", "'\"", "!!x", "<<", "=", "@", "%"}))
		want := garden{
			Name:    text.Draw(t, "name"),
			Pattern: text.Draw(t, "pattern"),
			Labels:  rapid.MapOfN(text, text, 1, 3).Draw(t, "labels"),
			Beds:    []bed{{Plants: rapid.SliceOfN(text, 1, 3).Draw(t, "plants"), Depth: rapid.IntRange(-100, 100).Draw(t, "depth")}},
			Opens:   time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "opens"), 0).UTC(),
			Wait:    time.Duration(rapid.Int64().Draw(t, "wait")),
			Net:     netip.PrefixFrom(netip.AddrFrom4([4]byte{10}), 8),
			Space:   Size(rapid.Int64Range(0, 1<<62).Draw(t, "space")),
			Count:   rapid.Uint16().Draw(t, "count"),
			Rate:    rapid.Float64().Draw(t, "rate"),
			Open:    rapid.Bool().Draw(t, "open"),
			Water:   Water{rapid.IntRange(0, 100).Draw(t, "litres")},
		}
		for key := range want.Labels {
			if secretKey(key) || Secrets.Mask(Secrets{}, want.Labels[key]) != want.Labels[key] {
				t.Skip("masked on purpose")
			}
		}
		var out bytes.Buffer
		if err := Encode(&out, &want, Secrets{}); err != nil {
			t.Fatal(err)
		}
		var got garden
		if _, err := Decode("f", out.Bytes(), &got, Options{}); err != nil {
			if strings.Contains(err.Error(), "is a weed") {
				t.Skip("a weed")
			}
			t.Fatalf("%v\n%s", err, &out)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(garden{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Fatalf("%s\n%s", diff, &out)
		}
	})
}

// printable leaves out what YAML can't hold as it is, and line ends that YAML
// makes one of.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == '\u0085' || r == '\u2028' || r == '\u2029' || r == '\ufeff' || r == '\ufffd'
	})
}

// lineBreak is what YAML takes for the end of a line.
var lineBreak = regexp.MustCompile("\r\n|[\r\n\u0085\u2028\u2029]")

// Any input gives values that can be encoded again, or Problems with a line
// that is in the file.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("../../testdata/config/*.yml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("name: a\nbeds: &x [*x, {plants: *x}]\nlabels: &y {a: *y}\nopens: 2027-01-31T10:00:00Z"))
	f.Add([]byte("name: ${NAME}\ngate: {access_key: \"${KEY}\"}\ntools: {a: b}\nnet: 10.0.0.0/8\nwait: 1d\nspace: 3GB"))
	f.Fuzz(func(t *testing.T, text []byte) {
		defer hostiletest.Bound(t)()
		g, secrets, err := decode(string(text))
		if err == nil {
			if err := Encode(&bytes.Buffer{}, &g, secrets); err != nil {
				t.Fatal(err)
			}
			return
		}
		var problems Problems
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("%v are no Problems", err)
		}
		lines := 1 + len(lineBreak.FindAll(text, -1))
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines {
				t.Fatalf("line %d is not in the file: %v", p.Line, p)
			}
		}
	})
}
