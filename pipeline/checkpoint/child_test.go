package checkpoint_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
)

// Some tests need a process of their own: they run this test binary again
// with the name of a child in childVariable.
const childVariable = "FLOWWATCH_CHECKPOINT_TEST_CHILD"

var children = map[string]func(dir string) error{"append": appendUntilKilled}

func TestMain(m *testing.M) {
	child, ok := children[os.Getenv(childVariable)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := child(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// command runs a child on a folder.
func command(t *testing.T, child, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, dir)
	cmd.Env = append(os.Environ(), childVariable+"="+child)
	cmd.Stderr = os.Stderr
	return cmd
}

const (
	fixedKeys   = 40
	movingKeys  = 3
	valueLength = 3000 // so that a commit writes many pages
)

// appendUntilKilled appends counted deltas, each of which rewrites all fixed
// keys and moves the others on, and reports each when it is durable.
func appendUntilKilled(dir string) error {
	store, err := checkpoint.OpenFile(dir)
	if err != nil {
		return err
	}
	n, err := consistent(store)
	if err != nil {
		return err
	}
	for {
		n++
		d := checkpoint.Delta{DeletePrefixes: [][]byte{[]byte("moving/")}}
		value := binary.BigEndian.AppendUint64(bytes.Repeat([]byte{byte(n)}, valueLength), n)
		for i := range fixedKeys {
			d.Puts = append(d.Puts, checkpoint.Entry{Key: fmt.Appendf(nil, "fixed/%02d", i), Value: value})
		}
		for i := range uint64(movingKeys) {
			d.Puts = append(d.Puts, checkpoint.Entry{Key: fmt.Appendf(nil, "moving/%d", n+i), Value: value})
		}
		if err := store.Append(context.Background(), &d); err != nil {
			return err
		}
		if _, err := fmt.Println(n); err != nil {
			return err
		}
	}
}

// consistent returns the number of the last delta in a store, and an error
// unless the store holds that delta, whole, and nothing of any other.
func consistent(store checkpoint.Store) (n uint64, err error) {
	keys := map[string]bool{}
	err = store.Load(context.Background(), func(key, value []byte) error {
		keys[string(key)] = true
		if len(value) != valueLength+8 {
			return fmt.Errorf("key %s has %d bytes", key, len(value))
		}
		got := binary.BigEndian.Uint64(value[valueLength:])
		if len(keys) == 1 {
			n = got
		}
		if got != n || value[0] != byte(n) || value[valueLength-1] != byte(n) {
			return fmt.Errorf("key %s is of delta %d, an earlier one of %d", key, got, n)
		}
		return nil
	})
	if err != nil || len(keys) == 0 {
		return n, err
	}
	for i := range uint64(movingKeys) {
		if key := fmt.Sprintf("moving/%d", n+i); !keys[key] {
			return n, fmt.Errorf("delta %d is there, its key %s is not", n, key)
		}
	}
	if len(keys) != fixedKeys+movingKeys {
		return n, fmt.Errorf("%d keys, want %d", len(keys), fixedKeys+movingKeys)
	}
	return n, nil
}

func TestFileKilledInMidAppend(t *testing.T) {
	dir := t.TempDir()
	for round := range 8 {
		cmd := command(t, "append", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Reading to the end after the kill finds what was reported before it.
		var acknowledged uint64
		reports := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if acknowledged, err = strconv.ParseUint(strings.TrimSpace(lines.Text()), 10, 64); err != nil {
				t.Fatal(err)
			}
			if reports++; reports == 1+round%3 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // killed
		if reports == 0 {
			t.Fatalf("round %d: the child reported nothing", round)
		}
		store := openFile(t, dir) // the lock died with its holder
		n, err := consistent(store)
		if err != nil {
			t.Fatalf("round %d: after delta %d was acknowledged: %v", round, acknowledged, err)
		}
		if n != acknowledged && n != acknowledged+1 {
			t.Fatalf("round %d: delta %d is there, %d was acknowledged last", round, n, acknowledged)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFileHeldByAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	cmd := command(t, "append", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_, err = checkpoint.OpenFile(dir)
	if want := fmt.Sprintf("in use by process %d on ", cmd.Process.Pid); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

// fullDisk appends to a store when the disk is full and after it has room
// again; fill and free do that.
func fullDisk(dir string, fill, free func() error) error {
	store, err := checkpoint.OpenFile(dir)
	if err != nil {
		return err
	}
	ctx := context.Background()
	if err := store.Append(ctx, put("before", "1")); err != nil {
		return err
	}
	if err := fill(); err != nil {
		return err
	}
	large := put("large", strings.Repeat("x", 1<<20))
	large.DeletePrefixes = [][]byte{[]byte("before")}
	for range 3 {
		if err := store.Append(ctx, large); err == nil {
			return fmt.Errorf("a full disk takes 1 MiB")
		} else if fmt.Println(err); !strings.Contains(err.Error(), dir) {
			return fmt.Errorf("error does not name the folder: %w", err)
		}
		if err := holds(store, "before"); err != nil {
			return fmt.Errorf("after the error: %w", err)
		}
	}
	if err := free(); err != nil {
		return err
	}
	if err := store.Append(ctx, large); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	if err := store.Close(); err != nil {
		return err
	}
	if store, err = checkpoint.OpenFile(dir); err != nil {
		return err
	}
	return holds(store, "large")
}

// holds is an error unless key is the only one in the store.
func holds(store checkpoint.Store, key string) error {
	var keys []string
	err := store.Load(context.Background(), func(got, _ []byte) error {
		keys = append(keys, string(got))
		return nil
	})
	if err == nil && !slices.Equal(keys, []string{key}) {
		return fmt.Errorf("the store has keys %q, want %q alone", keys, key)
	}
	return err
}
