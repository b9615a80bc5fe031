package checkpoint_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/flowwatch/flowwatch/pipeline/checkpoint/checkpointtest"
	bolt "go.etcd.io/bbolt"
)

func TestFile(t *testing.T) {
	checkpointtest.Run(t, func(t *testing.T) checkpointtest.Opener {
		dir := filepath.Join(t.TempDir(), "state")
		return func() (checkpoint.Store, error) {
			f, err := checkpoint.OpenFile(dir)
			if err != nil {
				return nil, err
			}
			return f, nil
		}
	})
}

func openFile(t *testing.T, dir string) *checkpoint.File {
	t.Helper()
	f, err := checkpoint.OpenFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestFilePermissions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "state")
	openFile(t, dir)
	for path, want := range map[string]os.FileMode{"": 0o700, "state.db": 0o600, "owner": 0o600} {
		stat, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if got := stat.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", filepath.Join("state", path), got, want)
		}
	}
}

func TestFileNamesItsOwner(t *testing.T) {
	dir := t.TempDir()
	openFile(t, dir)
	_, err := checkpoint.OpenFile(dir)
	if !errors.Is(err, checkpoint.ErrInUse) {
		t.Fatalf("second opener: %v, want ErrInUse", err)
	}
	for _, want := range []string{dir, fmt.Sprintf("in use by process %d on ", os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not contain %q", err, want)
		}
	}
	if err := os.Remove(filepath.Join(dir, "owner")); err != nil {
		t.Fatal(err)
	}
	if _, err := checkpoint.OpenFile(dir); !errors.Is(err, checkpoint.ErrInUse) {
		t.Errorf("without the owner's name: %v, want ErrInUse", err)
	}
}

func TestFileInAnImpossiblePlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := checkpoint.OpenFile(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want one that names %s", err, path)
	}
}

// filled writes a store of several pages and returns its file.
func filled(t *testing.T, n int) (dir string, contents []byte) {
	t.Helper()
	dir = t.TempDir()
	f := openFile(t, dir)
	var d checkpoint.Delta
	for i := range n {
		d.Puts = append(d.Puts, checkpoint.Entry{Key: fmt.Appendf(nil, "key/%05d", i), Value: bytes.Repeat([]byte{'v'}, 50)})
	}
	if err := f.Append(context.Background(), &d); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	contents, err := os.ReadFile(filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, contents
}

// loadAll opens and loads; an error of either is returned, a panic is not
// caught.
func loadAll(dir string) (entries int, err error) {
	f, err := checkpoint.OpenFile(dir)
	if err != nil {
		return 0, err
	}
	err = f.Load(context.Background(), func(_, _ []byte) error { entries++; return nil })
	return entries, errors.Join(err, f.Close())
}

func TestFileDamaged(t *testing.T) {
	dir, good := filled(t, 2000)
	f := func(name string, damage func(b []byte) []byte) {
		t.Helper()
		bad := damage(bytes.Clone(good))
		if err := os.WriteFile(filepath.Join(dir, "state.db"), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		entries, err := loadAll(dir)
		if !errors.Is(err, checkpoint.ErrDamaged) {
			t.Errorf("%s: %d entries, error %v; want ErrDamaged", name, entries, err)
		} else if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "state.db") {
			t.Errorf("%s: %q does not name the file", name, err)
		}
		if left, _ := os.ReadFile(filepath.Join(dir, "state.db")); !bytes.Equal(left, bad) {
			t.Errorf("%s: the damaged file was changed", name)
		}
	}
	page := os.Getpagesize()
	f("another file", func([]byte) []byte { return []byte("not a database at all") })
	f("a large other file", func(b []byte) []byte { return bytes.Repeat([]byte("text "), 1<<14) })
	f("cut after the head", func(b []byte) []byte { return b[:2*page] })
	f("cut in the middle", func(b []byte) []byte { return b[:len(b)/2] })
	f("both heads", func(b []byte) []byte { b[30], b[page+30] = b[30]^1, b[page+30]^1; return b })
	f("zeros", func(b []byte) []byte { clear(b[2*page:]); return b })
	f("a value", func(b []byte) []byte {
		i := bytes.LastIndex(b, []byte("vvvvvvvvvv"))
		b[i] = 'w'
		return b
	})
	if err := os.WriteFile(filepath.Join(dir, "state.db"), good, 0o600); err != nil {
		t.Fatal(err)
	}
	if entries, err := loadAll(dir); err != nil || entries != 2000 {
		t.Errorf("undamaged: %d entries, %v; want 2000", entries, err)
	}
}

// A byte flipped anywhere in a page never crashes the process, and never
// changes a value: it is an error or it does not matter.
func TestFileSurvivesFlippedBytes(t *testing.T) {
	dir, good := filled(t, 300)
	path := filepath.Join(dir, "state.db")
	want := strings.Repeat("v", 50)
	errs := 0
	for at := 0; at < len(good); at += 997 {
		bad := bytes.Clone(good)
		bad[at] ^= 0xff
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := checkpoint.OpenFile(dir)
		if err != nil {
			errs++
			continue
		}
		if f.Load(context.Background(), func(key, value []byte) error {
			if string(value) != want {
				t.Errorf("byte %d flipped: value %q of key %q", at, value, key)
			}
			return nil
		}) != nil {
			errs++
		}
		_ = f.Append(context.Background(), put("key/00070", want)) // an error or not, but no panic
		_ = f.Close()
	}
	if errs == 0 {
		t.Error("no flipped byte was noticed")
	}
}

func TestFileOfAnotherFormat(t *testing.T) {
	f := func(name, want string, write func(tx *bolt.Tx) error) {
		t.Helper()
		dir := t.TempDir()
		db, err := bolt.Open(filepath.Join(dir, "state.db"), 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Update(write), db.Close()); err != nil {
			t.Fatal(err)
		}
		for range 2 { // refused again: the lock is gone
			if _, err := checkpoint.OpenFile(dir); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want one with %q", name, err, want)
			}
		}
	}
	f("later format", `has format "2", this version of flowwatch reads "1"`, func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket([]byte("meta"))
		if err != nil {
			return err
		}
		return b.Put([]byte("format"), []byte("2"))
	})
	f("other program", "something else", func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("registry"))
		return err
	})
	f("no state", "holds no state", func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket([]byte("meta"))
		if err != nil {
			return err
		}
		return b.Put([]byte("format"), []byte("1"))
	})
}

func TestFileLoadLetsVisitPanic(t *testing.T) {
	f := openFile(t, t.TempDir())
	if err := f.Append(context.Background(), put("a", "1")); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if cause := recover(); cause != "visit" {
			t.Errorf("recovered %v, want the panic of visit", cause)
		}
		if err := f.Append(context.Background(), put("b", "2")); err != nil {
			t.Errorf("Append after it: %v", err)
		}
	}()
	_ = f.Load(context.Background(), func(_, _ []byte) error { panic("visit") })
}

func TestFileConfig(t *testing.T) {
	if err := (&checkpoint.FileConfig{Dir: "state"}).Validate(); err != nil {
		t.Errorf("dir: state: %v", err)
	}
	if err := (&checkpoint.FileConfig{}).Validate(); err == nil || !strings.HasPrefix(err.Error(), "dir: ") {
		t.Errorf("no dir: %v, want an error that begins with the key", err)
	}
}

func BenchmarkFileAppend(b *testing.B) {
	f := func(name string, keys, size int) {
		b.Run(name, func(b *testing.B) {
			store, err := checkpoint.OpenFile(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = store.Close() }()
			var d checkpoint.Delta
			for i := range keys {
				d.Puts = append(d.Puts, checkpoint.Entry{Key: fmt.Appendf(nil, "baseline/eni-%08d", i), Value: bytes.Repeat([]byte{'v'}, size)})
			}
			b.SetBytes(int64(keys * size))
			b.ReportAllocs()
			for b.Loop() {
				if err := store.Append(context.Background(), &d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	f("10", 10, 350)
	f("10000", 10_000, 350)
	f("one of 8 MiB", 1, 8<<20)
}
