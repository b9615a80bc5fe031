package file

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/sinktest"
)

func mustOpen(t *testing.T, path string) *Sink {
	t.Helper()
	s, err := Open(Config{Path: path}, Deps{Encode: sinktest.Encode})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// received reads a file; every line must be whole.
func received(t testing.TB, path string) []sinktest.Event {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	events := []sinktest.Event{}
	for in := bufio.NewReader(bytes.NewReader(content)); ; {
		line, err := in.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return events
		}
		var e sinktest.Event
		if err := errors.Join(err, json.Unmarshal(line, &e)); err != nil {
			t.Fatalf("line %.80q: %v", line, err)
		}
		events = append(events, e)
	}
}

func TestSinkContract(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) *sinktest.Rig {
		path := filepath.Join(t.TempDir(), "findings.jsonl")
		s := mustOpen(t, path)
		faulty := &faultyFile{osFile: s.file}
		s.file = faulty
		return &sinktest.Rig{
			Sink:     s,
			Received: func(t testing.TB) []sinktest.Event { return received(t, path) },
			Break: func() func() {
				faulty.room = 100 // the disk is full after as many bytes
				faulty.full = true
				return func() { faulty.full = false }
			},
		}
	})
}

// faultyFile is a file on a disk that fills up.
type faultyFile struct {
	osFile
	full       bool
	room       int
	noTruncate bool
	syncErr    error
	closeErr   error
	writes     int
}

func (f *faultyFile) Write(b []byte) (int, error) {
	f.writes++
	if !f.full {
		return f.osFile.Write(b)
	}
	n, _ := f.osFile.Write(b[:min(f.room, len(b))])
	f.room -= n
	return n, syscall.ENOSPC
}

func (f *faultyFile) Truncate(size int64) error {
	if f.noTruncate {
		return syscall.EIO
	}
	return f.osFile.Truncate(size)
}

func (f *faultyFile) Close() error { return errors.Join(f.closeErr, f.osFile.Close()) }

func (f *faultyFile) Sync() error { return errors.Join(f.syncErr, f.osFile.Sync()) }

func TestSinkSyncsEachSendInOneWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	s := mustOpen(t, path)
	f := &faultyFile{osFile: s.file, syncErr: syscall.EIO}
	s.file = f
	if err := s.Send(t.Context(), sinktest.Interleaved(2, 3)); !errors.Is(err, syscall.EIO) || sinks.IsPermanent(err) {
		t.Errorf("Send that is not synced: %v, want EIO", err)
	}
	if f.writes != 1 {
		t.Errorf("%d writes, want 1", f.writes)
	}
}

// When a half-written line cannot be taken back it ends before the next one.
func TestSinkTornLineThatStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	s := mustOpen(t, path)
	f := &faultyFile{osFile: s.file, full: true, room: 20, noTruncate: true}
	s.file = f
	all := sinktest.Interleaved(1, 1)
	for range 3 { // the later ones find no room at all
		if err := s.Send(t.Context(), all); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("Send: %v, want ENOSPC", err)
		}
	}
	f.full = false
	if err := s.Send(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	whole, err := sinktest.Encode(&all[0], time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	wantContent(t, path, string(whole[:20])+"\n"+string(whole)+"\n")
}

func wantContent(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("file holds %q, %v; want %q", got, err, want)
	}
}

func TestOpenAfterACrash(t *testing.T) {
	all := sinktest.Interleaved(1, 1)
	whole, err := sinktest.Encode(&all[0], time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	f := func(before, want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "findings.jsonl")
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		s := mustOpen(t, path)
		wantContent(t, path, before) // opening changes nothing
		for range 2 {
			if err := s.Send(t.Context(), all); err != nil {
				t.Fatal(err)
			}
		}
		wantContent(t, path, want+string(whole)+"\n"+string(whole)+"\n")
	}
	f("", "")
	f("{\"uid\":\"x\"}\n", "{\"uid\":\"x\"}\n")
	f("{\"uid\":\"x\"}\n{\"ui", "{\"uid\":\"x\"}\n{\"ui\n")
	f("{\"uid\":\"x\"}", "{\"uid\":\"x\"}\n")
}

// A finding that cannot be encoded leaves a torn line as it was.
func TestSinkEncodeError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	if err := os.WriteFile(path, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := true
	s, err := Open(Config{Path: path}, Deps{Encode: func(*detect.Finding, time.Time) ([]byte, error) {
		if bad {
			return nil, errors.New("cause")
		}
		return []byte("{}"), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Send(t.Context(), sinktest.Interleaved(1, 1)); !sinks.IsPermanent(err) {
		t.Errorf("Send: %v, want a Permanent error", err)
	}
	bad = false
	if err := s.Send(t.Context(), sinktest.Interleaved(1, 1)); err != nil {
		t.Fatal(err)
	}
	wantContent(t, path, "torn\n{}\n")
}

func TestSinkAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	all := sinktest.Interleaved(1, 2)
	for i := range all {
		s := mustOpen(t, path)
		if err := errors.Join(s.Send(t.Context(), all[i:i+1]), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if got := received(t, path); len(got) != 2 || got[1].Seq != 2 {
		t.Errorf("received %v, want both events", got)
	}
	stat, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := stat.Mode().Perm(); mode&^0o640 != 0 || mode&0o600 != 0o600 {
		t.Errorf("mode %o, want 640 or less for the group", mode)
	}
}

// What (*detect.Finding).OCSF writes goes in as it is, with the sink's clock.
func TestSinkWritesOCSF(t *testing.T) {
	path := filepath.Join(t.TempDir(), "findings.jsonl")
	now := time.UnixMilli(1795439401250)
	s, err := Open(Config{Path: path}, Deps{Name: "archive", Encode: (*detect.Finding).OCSF, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if s.Name() != "archive" {
		t.Errorf("name %q", s.Name())
	}
	f := detect.Finding{Rule: "spike", UID: "u", Seq: 3, Activity: detect.Update, Severity: detect.Medium, Time: 1795438500}
	if err := s.Send(context.Background(), []detect.Finding{f}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		ClassUID int `json:"class_uid"`
		Metadata struct {
			ProcessedTime int64 `json:"processed_time"`
		} `json:"metadata"`
		Info struct {
			UID string `json:"uid"`
		} `json:"finding_info"`
	}
	if err := json.Unmarshal(content, &got); err != nil {
		t.Fatal(err)
	}
	if got.ClassUID != 2004 || got.Info.UID != "u" || got.Metadata.ProcessedTime != now.UnixMilli() {
		t.Errorf("decoded %+v", got)
	}
	if bytes.Count(content, []byte("\n")) != 1 {
		t.Errorf("%d newlines, want 1", bytes.Count(content, []byte("\n")))
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	f := func(path, want string) {
		t.Helper()
		if _, err := Open(Config{Path: path}, Deps{Encode: sinktest.Encode}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("open %s: %v, want an error with it and %q", path, err, want)
		}
	}
	f(filepath.Join(dir, "missing", "findings.jsonl"), "no such file")
	f(dir, "not a regular file")
	f(os.DevNull, "not a regular file")
}

func TestConfig(t *testing.T) {
	for _, test := range []struct {
		name, want string // "" is valid
		cfg        Config
	}{
		{"path", "", Config{Path: "findings.jsonl"}},
		{"rotation", "", Config{Path: "findings.jsonl", MaxSize: 64 << 10, Keep: 1000}},
		{"no path", "path: empty", Config{}},
		{"small", "max_size: 1000 bytes are too few", Config{Path: "f", MaxSize: 1000}},
		{"none to keep", "keep: -1 is out of range", Config{Path: "f", Keep: -1}},
		{"too many to keep", "keep: 1001 is out of range", Config{Path: "f", Keep: 1001}},
	} {
		err := test.cfg.Validate()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}
