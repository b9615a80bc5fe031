// Package file appends findings to a file, one OCSF object a line.
package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
)

// Config configures a Sink.
type Config struct {
	Path string // created when missing (0640), in a folder that exists
	// MaxSize is how many bytes the file may have: what would make it larger
	// goes to a new file. 0: it grows without end.
	MaxSize int64
	Keep    int // former files that are kept: path.1, the newest, to path.Keep
}

const (
	leastSize = 64 << 10
	mostKept  = 1000
)

// Validate reports every problem, each beginning with its key.
func (c *Config) Validate() error {
	var errs []error
	if c.Path == "" {
		errs = append(errs, errors.New("path: empty, a file is needed, such as findings.jsonl"))
	}
	if c.MaxSize != 0 && c.MaxSize < leastSize {
		errs = append(errs, fmt.Errorf("max_size: %d bytes are too few; accepted: at least 64KiB, or 0B for no limit", c.MaxSize))
	}
	if c.Keep < 0 || c.Keep > mostKept {
		errs = append(errs, fmt.Errorf("keep: %d is out of range; accepted: 0 to %d former files", c.Keep, mostKept))
	}
	return errors.Join(errs...)
}

// Deps is what a Sink needs.
type Deps struct {
	Name   string           // default "file"
	Encode sinks.Encode     // one finding as JSON
	Now    func() time.Time // default time.Now: processed_time
}

// Sink appends to one file. What Send has returned nil for is on the disk.
//
// A reader of the file finds whole lines: each Send is one write. A write that
// fails half-way is taken back. What a crash left half-written stays, alone on
// its line, because a reader that follows the file may have seen it already;
// the finding comes again, whole, on a line of its own.
//
// A finding is never divided between two files, and one that is larger than a
// file may be has a file of its own.
type Sink struct {
	cfg  Config
	deps Deps
	file osFile
	buf  []byte
	torn bool // the last line has no end
}

// osFile is the part of *os.File that a Sink uses.
type osFile interface {
	io.Writer
	io.ReaderAt
	Stat() (os.FileInfo, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

// Open opens the file for appending. It is an error when the folder does not
// exist, or when the path is not a regular file.
func Open(cfg Config, deps Deps) (*Sink, error) {
	if deps.Name == "" {
		deps.Name = "file"
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	s := &Sink{cfg: cfg, deps: deps}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open file sink: %w", err)
	}
	return s, nil
}

// open opens the file and finds out how it ends.
func (s *Sink) open() error {
	// Looking first keeps a FIFO without a reader from blocking.
	if stat, err := os.Stat(s.cfg.Path); err == nil && !stat.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", s.cfg.Path)
	}
	f, err := os.OpenFile(s.cfg.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o640) //nolint:gosec // for the group of what ships logs
	if err != nil {
		return err
	}
	torn, err := endsTorn(f)
	if err == nil {
		err = syncFolder(filepath.Dir(s.cfg.Path))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", s.cfg.Path, err), f.Close())
	}
	s.file, s.torn = f, torn
	return nil
}

// endsTorn reports whether the last line of a file has no end.
func endsTorn(f osFile) (bool, error) {
	stat, err := f.Stat()
	if err != nil || stat.Size() == 0 {
		return false, err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], stat.Size()-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}

// Name implements sinks.Sink.
func (s *Sink) Name() string { return s.deps.Name }

// Send implements sinks.Sink. A disk that is full is no Permanent error.
func (s *Sink) Send(ctx context.Context, findings []detect.Finding) error {
	if err := ctx.Err(); err != nil || len(findings) == 0 {
		return err
	}
	lines, err := s.deps.Encode.AppendLines(s.buf[:0], findings, s.deps.Now())
	if err != nil {
		return err
	}
	s.buf = lines
	for done := 0; done < len(lines); {
		n, err := s.some(lines[done:])
		if err != nil {
			left := bytes.Count(lines[done:], []byte("\n"))
			return sinks.PartialFrom(err, len(findings)-left, len(findings))
		}
		done += n
	}
	return nil
}

// some appends the first lines, as many as one file takes, and returns how many
// bytes these have.
func (s *Sink) some(lines []byte) (int, error) {
	size, err := s.size()
	if err != nil {
		return 0, fmt.Errorf("append to file: %w", err)
	}
	n := s.room(lines, size)
	if n == 0 {
		if err := s.rotate(); err != nil {
			return 0, fmt.Errorf("rotate %s: %w", s.cfg.Path, err)
		}
		return 0, nil
	}
	if err := s.append(lines[:n], size); err != nil {
		return 0, fmt.Errorf("append to file: %w", err)
	}
	return n, nil
}

// append writes and syncs whole lines at the end of a file of that size.
func (s *Sink) append(lines []byte, size int64) error {
	if s.torn {
		lines = append([]byte("\n"), lines...)
	}
	if n, err := s.file.Write(lines); err != nil {
		if n > 0 && s.file.Truncate(size) != nil {
			s.torn = lines[n-1] != '\n'
		}
		return err
	}
	s.torn = false
	return s.file.Sync()
}

// Close closes the file.
func (s *Sink) Close() error {
	if s.file == nil { // a rotation failed half-way
		return nil
	}
	return s.file.Close()
}

// size returns the size of the file, which it opens when a rotation left none.
func (s *Sink) size() (int64, error) {
	if s.file == nil {
		if err := s.open(); err != nil {
			return 0, err
		}
	}
	stat, err := s.file.Stat()
	if err != nil {
		return 0, err
	}
	return stat.Size(), nil
}

// syncFolder makes a file that was just created outlive a loss of power.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	// Not every file system can do it, and then there is nothing to do.
	_ = folder.Sync()
	return folder.Close()
}
