package hostiletest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// maxSeed is the longest seed: fuzzing is slow with large ones.
const maxSeed = 8 << 10

// Published returns the folder of real and published flow logs that lies
// beside the repository on some machines. ok is false where it does not.
func Published(t testing.TB, folder string) (dir string, ok bool) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above this package")
		}
		dir = filepath.Dir(dir)
	}
	dir = filepath.Join(dir, "..", "shared", "data", folder)
	_, err = os.Stat(dir)
	return dir, err == nil
}

// MustPublished skips the test where the published flow logs are missing.
func MustPublished(t testing.TB, folder string) (dir string) {
	t.Helper()
	dir, ok := Published(t, folder)
	if !ok {
		t.Skip("the published flow logs are not on this machine")
	}
	return dir
}

// Seeds calls add with every published file that the glob names ("vpc/*") as
// it is stored, and when it is gzip also with its content; of long ones only
// with the beginning. Without the files it does nothing.
func Seeds(f *testing.F, glob string, add func(seed []byte)) {
	f.Helper()
	dir, ok := Published(f, "")
	if !ok {
		return
	}
	files, err := filepath.Glob(filepath.Join(dir, glob))
	if err != nil || len(files) == 0 {
		f.Fatalf("no published file %s: %v", glob, err)
	}
	for _, name := range files {
		stored, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		add(stored[:min(len(stored), maxSeed)])
		if filepath.Ext(name) != ".gz" {
			continue
		}
		z, err := gzip.NewReader(bytes.NewReader(stored))
		if err != nil {
			f.Fatal(err)
		}
		content := make([]byte, maxSeed)
		n, err := io.ReadFull(z, content)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			f.Fatal(err)
		}
		add(content[:n])
	}
}
