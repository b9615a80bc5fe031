//go:build !nogeo

package main

import (
	"strings"
	"testing"
)

// Without any database, country and system are those that are built in.
func TestAnalyzeTellsBuiltInPlaces(t *testing.T) {
	log := write(t, "flow.log", "2 111122223333 eni-1 193.0.6.139 10.0.0.1 40000 443 6 1 40 1764000000 1764000059 ACCEPT OK\n")
	w := newWorld(nil)
	if code := w.run(t, "analyze", log); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &w.stderr)
	}
	if want := "  NL AS3333 "; !strings.Contains(w.stdout.String(), want) {
		t.Errorf("no %q in\n%s", want, &w.stdout)
	}
}
