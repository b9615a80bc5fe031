package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each sink is sent what its own min_severity and rules let through.
func TestEachSinkHasItsOwnFilter(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	var lines strings.Builder
	for port := range 150 { // a scan from inside, of severity high, and one from outside, of low
		for _, source := range []string{"10.0.3.17", "203.0.114.9"} {
			fmt.Fprintf(&lines, "2 111122223333 eni-1 %s 10.0.7.42 51544 %d 6 1 44 1799990000 1799990030 REJECT OK\n", source, 1000+port)
		}
	}
	config := fmt.Sprintf(`
sources: [{file: {paths: [%q]}}]
sinks:
  - {file: {path: %q}, name: all}
  - {file: {path: %q}, name: high, min_severity: high}
  - {file: {path: %q}, name: outside, rules: [scan.external, spike]}
  - {file: {path: %q}, name: neither, min_severity: high, rules: [scan.external]}
checkpoint: {file: {dir: %q}}
listen: 127.0.0.1:0
status: {listen: "off"}
`, at("flow.log"), at("all"), at("high"), at("outside"), at("neither"), at("state"))
	for name, text := range map[string]string{"flow.log": lines.String(), "flowwatch.yml": config} {
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(nil)
	if code := w.run(t, "run", "--config", at("flowwatch.yml")); code != exitOK {
		t.Fatalf("exit code %d: %s", code, w.stderr.String())
	}
	const inside, outside = "scan.internal", "scan.external"
	for name, want := range map[string][]string{"all": {outside, inside}, "high": {inside}, "outside": {outside}, "neither": nil} {
		var got []string
		for uid := range finalUIDs(t, at(name)) {
			rule, _, _ := strings.Cut(uid, "/")
			got = append(got, rule)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rules of what sink %s was sent (-want +got):\n%s", name, diff)
		}
	}
}
