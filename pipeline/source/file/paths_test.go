package file

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOpenFindsFiles(t *testing.T) {
	dir := folder(t, map[string]string{
		"b.log":           "b",
		"a.log":           "a",
		"sub/c.log":       "c",
		"sub/.hidden.log": "x",
		".git/config":     "x",
		"data.parquet":    "PAR1....",
	})
	if err := os.Symlink(filepath.Join(dir, "a.log"), filepath.Join(dir, "z-link.log")); err != nil {
		t.Fatal(err)
	}
	f := func(want []string, paths ...string) {
		t.Helper()
		for i := range paths {
			if paths[i] != Stdin {
				paths[i] = filepath.Join(dir, paths[i])
			}
		}
		s, err := Open(Config{Paths: paths})
		if err != nil {
			t.Errorf("%v: %v", paths, err)
			return
		}
		var got []string
		for _, p := range s.Files() {
			got = append(got, strings.TrimPrefix(p, dir+"/"))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", paths, diff)
		}
	}
	f([]string{"a.log", "b.log", "data.parquet", "sub/c.log"}, ".")
	f([]string{"sub/c.log", "b.log"}, "sub", "b.log")
	f([]string{"b.log", "a.log"}, "b.log", "*.log", "b.log")
	f([]string{"sub/c.log"}, "s*")
	f([]string{"-", "a.log"}, "-", "a.log", "-")
	f([]string{"z-link.log"}, "z-link.log", "a.log")
}

func TestOpenReportsEveryWrongPath(t *testing.T) {
	dir := folder(t, map[string]string{
		"a.log":      "a",
		"x.xz":       "\xfd7zXZ..",
		"x.zip":      "PK\x03\x04....",
		"only/x.xz":  "\xfd7zXZ..",
		"secret.log": "a",
	})
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	f := func(path, want string) {
		t.Helper()
		_, err := Open(Config{Paths: []string{filepath.Join(dir, path)}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one with %q", path, err, want)
		}
	}
	f("missing.log", "no such file or folder")
	f("*.gz", "no file matches")
	f("[", "syntax error in pattern")
	f("empty", "no file in it")
	f("x.xz", "compressed with xz")
	f("x.zip", "a zip archive")
	f("only", "compressed with xz")
	if os.Getuid() != 0 {
		if err := os.Chmod(filepath.Join(dir, "secret.log"), 0); err != nil {
			t.Fatal(err)
		}
		f("secret.log", "permission denied")
	}

	_, err := Open(Config{Paths: []string{filepath.Join(dir, "missing.log"), filepath.Join(dir, "a.log"), filepath.Join(dir, "empty")}})
	if got := strings.Count(err.Error(), "\n") + 1; got != 2 {
		t.Errorf("two wrong paths gave %d lines of error: %v", got, err)
	}
	if _, err := Open(Config{}); err == nil {
		t.Error("no path at all was accepted")
	}
}
