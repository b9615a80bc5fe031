// Package checkpointtest is the contract of checkpoint.Store as tests that
// every store must pass.
package checkpointtest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/google/go-cmp/cmp"
)

// Opener opens a store on one place. Called again after Close it finds what
// was appended; called before, it is refused.
type Opener func() (checkpoint.Store, error)

// Run checks the contract. Every call of fresh must give the Opener of a new
// and empty place.
func Run(t *testing.T, fresh func(t *testing.T) Opener) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, open Opener)
	}{
		{"an empty store", emptyStore},
		{"ascending order", ascendingOrder},
		{"deletes before puts", deletesBeforePuts},
		{"prefixes", prefixes},
		{"empty values", emptyValues},
		{"large values", largeValues},
		{"caller's memory", callersMemory},
		{"all or nothing", allOrNothing},
		{"cancelled", cancelled},
		{"visit's error", visitError},
		{"one owner", oneOwner},
		{"closed", closed},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, fresh(t)) })
	}
	t.Run("model", func(t *testing.T) { model(t, fresh) })
}

// Contents loads everything, and fails the test when it is out of order.
func Contents(t testing.TB, s checkpoint.Store) map[string]string {
	t.Helper()
	got := map[string]string{}
	var last []byte
	err := s.Load(context.Background(), func(key, value []byte) error {
		if last != nil && bytes.Compare(last, key) >= 0 {
			t.Errorf("key %q comes after %q", key, last)
		}
		last = bytes.Clone(key)
		got[string(key)] = string(value)
		return nil
	})
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return got
}

func mustOpen(t testing.TB, open Opener) checkpoint.Store {
	t.Helper()
	s, err := open()
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func reopen(t testing.TB, s checkpoint.Store, open Opener) checkpoint.Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	return mustOpen(t, open)
}

func mustAppend(t testing.TB, s checkpoint.Store, d checkpoint.Delta) {
	t.Helper()
	if err := s.Append(context.Background(), &d); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

func wantContents(t testing.TB, s checkpoint.Store, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, Contents(t, s)); diff != "" {
		t.Fatalf("contents (-want +got):\n%s", diff)
	}
}

func puts(entries map[string]string) checkpoint.Delta {
	var d checkpoint.Delta
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		d.Puts = append(d.Puts, checkpoint.Entry{Key: []byte(key), Value: []byte(entries[key])})
	}
	return d
}

func emptyStore(t *testing.T, open Opener) {
	s := mustOpen(t, open)
	wantContents(t, s, map[string]string{})
	mustAppend(t, s, checkpoint.Delta{DeletePrefixes: [][]byte{[]byte("a")}, Deletes: [][]byte{[]byte("b")}})
	wantContents(t, reopen(t, s, open), map[string]string{})
}

func ascendingOrder(t *testing.T, open Opener) {
	s := mustOpen(t, open)
	want := map[string]string{"b": "1", "a": "2", "\x00": "3", "\xff\xff": "4", "a\x00": "5", "ab": "6"}
	mustAppend(t, s, puts(want))
	wantContents(t, s, want) // Contents checks the order
	wantContents(t, reopen(t, s, open), want)
}

func deletesBeforePuts(t *testing.T, open Opener) {
	s := mustOpen(t, open)
	mustAppend(t, s, puts(map[string]string{"p/1": "old", "p/2": "old", "q": "old", "r": "old"}))
	d := puts(map[string]string{"p/1": "new", "p/3": "new", "q": "new"})
	d.DeletePrefixes = [][]byte{[]byte("p/")}
	d.Deletes = [][]byte{[]byte("q"), []byte("absent")}
	mustAppend(t, s, d)
	want := map[string]string{"p/1": "new", "p/3": "new", "q": "new", "r": "old"}
	wantContents(t, s, want)
	wantContents(t, reopen(t, s, open), want)
}

func prefixes(t *testing.T, open Opener) {
	s := mustOpen(t, open)
	all := map[string]string{}
	for i := range 1000 { // enough for many pages
		all[string([]byte{'k', byte(i % 7), byte(i >> 8), byte(i)})] = "value"
	}
	all["\xff"], all["\xff\xff"], all["k"] = "1", "2", "3"
	mustAppend(t, s, puts(all))
	for _, prefix := range []string{"k\x03", "\xff\xff", "none", "k", ""} {
		mustAppend(t, s, checkpoint.Delta{DeletePrefixes: [][]byte{[]byte(prefix)}})
		maps.DeleteFunc(all, func(key, _ string) bool { return bytes.HasPrefix([]byte(key), []byte(prefix)) })
		wantContents(t, s, all)
	}
}

func emptyValues(t *testing.T, open Opener) {
	s := mustOpen(t, open)
	mustAppend(t, s, checkpoint.Delta{Puts: []checkpoint.Entry{
		{Key: []byte("empty"), Value: []byte{}}, {Key: []byte("nil"), Value: nil},
	}})
	want := map[string]string{"empty": "", "nil": ""}
	wantContents(t, s, want)
	wantContents(t, reopen(t, s, open), want)
}

func largeValues(t *testing.T, open Opener) {
	s := mustOpen(t, open)
	large := bytes.Repeat([]byte("flowwatch"), 8<<20/9+1)
	want := map[string]string{"a": "1", "large": string(large), "z": "2", string(bytes.Repeat([]byte("k"), checkpoint.MaxKey)): "long"}
	mustAppend(t, s, puts(want))
	s = reopen(t, s, open)
	if got := Contents(t, s); !maps.Equal(got, want) {
		t.Fatalf("%d entries after reopening, or another value; want %d", len(got), len(want))
	}
	mustAppend(t, s, puts(map[string]string{"large": "small"}))
	want["large"] = "small"
	if got := Contents(t, s); !maps.Equal(got, want) {
		t.Fatal("the large value was not replaced")
	}
}

// What the caller does with its slices after Append, and with the copies that
// visit may make, changes nothing.
func callersMemory(t *testing.T, open Opener) {
	s := mustOpen(t, open)
	d := puts(map[string]string{"key": "value", "other": "value"})
	mustAppend(t, s, d)
	for _, put := range d.Puts {
		clear(put.Key)
		clear(put.Value)
	}
	wantContents(t, s, map[string]string{"key": "value", "other": "value"})
}

func allOrNothing(t *testing.T, open Opener) {
	s := mustOpen(t, open)
	want := map[string]string{"a": "1", "b": "2"}
	mustAppend(t, s, puts(want))
	for name, bad := range map[string][]byte{"empty": {}, "too long": make([]byte, checkpoint.MaxKey+1)} {
		d := puts(map[string]string{"a": "changed", "c": "new"})
		d.DeletePrefixes = [][]byte{[]byte("b")}
		d.Puts = append(d.Puts, checkpoint.Entry{Key: bad, Value: []byte("x")})
		if err := s.Append(context.Background(), &d); err == nil {
			t.Errorf("a key that is %s is accepted", name)
		}
		wantContents(t, s, want)
	}
	s = reopen(t, s, open)
	wantContents(t, s, want)
	mustAppend(t, s, puts(map[string]string{"c": "3"}))
	want["c"] = "3"
	wantContents(t, s, want)
}

func cancelled(t *testing.T, open Opener) {
	s := mustOpen(t, open)
	mustAppend(t, s, puts(map[string]string{"a": "1"}))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	d := puts(map[string]string{"a": "2"})
	if err := s.Append(ctx, &d); !errors.Is(err, context.Canceled) {
		t.Errorf("Append: %v, want context.Canceled", err)
	}
	err := s.Load(ctx, func(_, _ []byte) error { t.Error("Load visits all the same"); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Load: %v, want context.Canceled", err)
	}
	wantContents(t, s, map[string]string{"a": "1"})
}

func visitError(t *testing.T, open Opener) {
	s := mustOpen(t, open)
	mustAppend(t, s, puts(map[string]string{"a": "1", "b": "2", "c": "3"}))
	stop, visits := errors.New("stop"), 0
	err := s.Load(context.Background(), func(key, _ []byte) error {
		visits++
		if string(key) == "b" {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || visits != 2 {
		t.Errorf("Load: %v after %d visits, want the error of the second", err, visits)
	}
	mustAppend(t, s, puts(map[string]string{"d": "4"})) // nothing stays locked
}

func oneOwner(t *testing.T, open Opener) {
	s := mustOpen(t, open)
	mustAppend(t, s, puts(map[string]string{"a": "1"}))
	if second, err := open(); !errors.Is(err, checkpoint.ErrInUse) {
		t.Errorf("a second opener gets %v, want ErrInUse", err)
		if err == nil {
			_ = second.Close()
		}
	}
	mustAppend(t, s, puts(map[string]string{"b": "2"})) // the first is not disturbed
	wantContents(t, reopen(t, s, open), map[string]string{"a": "1", "b": "2"})
}

func closed(t *testing.T, open Opener) {
	s := mustOpen(t, open)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	d := puts(map[string]string{"a": "1"})
	if err := s.Append(context.Background(), &d); !errors.Is(err, checkpoint.ErrClosed) {
		t.Errorf("Append: %v, want ErrClosed", err)
	}
	if err := s.Load(context.Background(), func(_, _ []byte) error { return nil }); !errors.Is(err, checkpoint.ErrClosed) {
		t.Errorf("Load: %v, want ErrClosed", err)
	}
	wantContents(t, mustOpen(t, open), map[string]string{})
}
