package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/sinktest"
)

// number encodes a finding as its number: two bytes and a newline, or as many
// as its Count says.
func number(f *detect.Finding, _ time.Time) ([]byte, error) {
	return []byte(fmt.Sprintf("%02d", f.Seq) + strings.Repeat("x", int(f.Count))), nil
}

func numbered(from, to int) (findings []detect.Finding) {
	for seq := from; seq <= to; seq++ {
		findings = append(findings, detect.Finding{UID: "u", Seq: seq})
	}
	return findings
}

// content reads the files of a folder, by the part of their names behind the
// sink's.
func content(t *testing.T, path string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimPrefix(file, path)] = strings.ReplaceAll(string(b), "\n", " ")
	}
	return found
}

func openRotating(t *testing.T, path string, size int64, keep int) *Sink {
	t.Helper()
	s, err := Open(Config{Path: path, MaxSize: size, Keep: keep}, Deps{Encode: number})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Nine findings of three bytes each.
func TestRotation(t *testing.T) {
	large := numbered(1, 3)
	large[1].Count = 20
	for _, test := range []struct {
		name  string
		size  int64
		keep  int
		sends [][]detect.Finding
		want  map[string]string
	}{
		{"no limit", 0, 0, [][]detect.Finding{numbered(1, 4), numbered(5, 9)}, map[string]string{"": "01 02 03 04 05 06 07 08 09 "}},
		{"between two sends", 12, 5, [][]detect.Finding{numbered(1, 4), numbered(5, 8)}, map[string]string{".1": "01 02 03 04 ", "": "05 06 07 08 "}},
		{"within a send", 9, 5, [][]detect.Finding{numbered(1, 9)}, map[string]string{".2": "01 02 03 ", ".1": "04 05 06 ", "": "07 08 09 "}},
		{"a file is not quite filled", 11, 5, [][]detect.Finding{numbered(1, 4)}, map[string]string{".1": "01 02 03 ", "": "04 "}},
		{"the oldest goes", 6, 2, [][]detect.Finding{numbered(1, 9)}, map[string]string{".2": "05 06 ", ".1": "07 08 ", "": "09 "}},
		{"one is kept", 6, 1, [][]detect.Finding{numbered(1, 9)}, map[string]string{".1": "07 08 ", "": "09 "}},
		{"none is kept", 6, 0, [][]detect.Finding{numbered(1, 9)}, map[string]string{"": "09 "}},
		{"one larger than a file", 9, 5, [][]detect.Finding{large}, map[string]string{".2": "01 ", ".1": "02" + strings.Repeat("x", 20) + " ", "": "03 "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "findings.jsonl")
			s := openRotating(t, path, test.size, test.keep)
			for _, send := range test.sends {
				if err := s.Send(t.Context(), send); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(test.want, content(t, path)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// A rotation that was cut off between two of its steps is completed by the next
// one, and no file is lost to that.
func TestRotationCutOff(t *testing.T) {
	for _, test := range []struct {
		name          string
		before, after map[string]string
	}{
		{
			"nothing was moved yet",
			map[string]string{"": "cc ", ".1": "bb ", ".2": "aa "},
			map[string]string{"": "01 ", ".1": "cc ", ".2": "bb ", ".3": "aa "},
		},
		{
			"the older ones were moved",
			map[string]string{"": "cc ", ".1": "bb ", ".3": "aa "},
			map[string]string{"": "01 ", ".1": "cc ", ".2": "bb ", ".3": "aa "},
		},
		{
			"all but the current one were moved",
			map[string]string{"": "cc ", ".2": "bb ", ".3": "aa "},
			map[string]string{"": "01 ", ".1": "cc ", ".2": "bb ", ".3": "aa "},
		},
		{
			"all were moved and none is open",
			map[string]string{".1": "cc ", ".2": "bb ", ".3": "aa "},
			map[string]string{"": "01 ", ".1": "cc ", ".2": "bb ", ".3": "aa "},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "findings.jsonl")
			for name, text := range test.before {
				if err := os.WriteFile(path+name, []byte(strings.ReplaceAll(text, " ", "\n")), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := openRotating(t, path, 3, 3).Send(t.Context(), numbered(1, 1)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.after, content(t, path)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// A rotation that fails is an error that passes; what was written before it has
// arrived, and nothing is written twice.
func TestRotationFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	s := openRotating(t, path, 6, 1)
	obstacle := filepath.Join(path+".1", "full")
	if err := os.MkdirAll(obstacle, 0o700); err != nil { // a file can't be renamed over a folder
		t.Fatal(err)
	}
	all := numbered(1, 3)
	for range 2 {
		err := s.Send(t.Context(), all)
		if err == nil || sinks.IsPermanent(err) || !strings.Contains(err.Error(), "rotate "+path) {
			t.Fatalf("Send: %v, want an error that passes", err)
		}
		var left []detect.Finding
		for _, i := range sinks.Left(err, len(all)) {
			left = append(left, all[i])
		}
		all = left
	}
	if diff := cmp.Diff(numbered(3, 3), all); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if err := os.RemoveAll(path + ".1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{".1": "01 02 ", "": "03 "}, content(t, path)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// The contract holds over files.
func TestRotatingSinkContract(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) *sinktest.Rig {
		path := filepath.Join(t.TempDir(), "findings.jsonl")
		s, err := Open(Config{Path: path, MaxSize: 1000, Keep: 1000}, Deps{Encode: sinktest.Encode})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return &sinktest.Rig{
			Sink: s,
			Received: func(t testing.TB) []sinktest.Event {
				events := []sinktest.Event{}
				former := 0
				for ; ; former++ {
					if _, err := os.Stat(path + "." + strconv.Itoa(former+1)); err != nil {
						break
					}
				}
				for ; former > 0; former-- {
					events = append(events, received(t, path+"."+strconv.Itoa(former))...)
				}
				return append(events, received(t, path)...)
			},
		}
	})
}

// A file that says at its close that something was lost is closed all the same:
// the findings of that send come again, and go to a file that is open.
func TestRotationAfterACloseThatFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	s := openRotating(t, path, 6, 3)
	if err := s.Send(t.Context(), numbered(1, 2)); err != nil {
		t.Fatal(err)
	}
	s.file = &faultyFile{osFile: s.file, closeErr: syscall.EIO}
	if err := s.Send(t.Context(), numbered(3, 3)); !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v, want the error of the close", err)
	}
	if err := s.Send(t.Context(), numbered(3, 3)); err != nil {
		t.Errorf("sent again: %v", err)
	}
	if diff := cmp.Diff(map[string]string{".1": "01 02 ", "": "03 "}, content(t, path)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
