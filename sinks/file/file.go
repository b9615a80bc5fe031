// Package file appends findings to a file, one OCSF object a line.
package file

import (
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
	Path string `yaml:"path"` // created when missing (0640), in a folder that exists
}

// Validate reports what is wrong with the configuration.
func (c *Config) Validate() error {
	if c.Path == "" {
		return errors.New("path: empty, a file is needed, such as findings.jsonl")
	}
	return nil
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
type Sink struct {
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
	// Looking first keeps a FIFO without a reader from blocking.
	if stat, err := os.Stat(cfg.Path); err == nil && !stat.Mode().IsRegular() {
		return nil, fmt.Errorf("open file sink: %s is not a regular file", cfg.Path)
	}
	f, err := os.OpenFile(cfg.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open file sink: %w", err)
	}
	s, err := newSink(f, deps)
	if err == nil {
		err = syncFolder(filepath.Dir(cfg.Path))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open file sink %s: %w", cfg.Path, err), f.Close())
	}
	return s, nil
}

// newSink finds out how the file ends.
func newSink(f osFile, deps Deps) (*Sink, error) {
	s := &Sink{deps: deps, file: f}
	size, err := s.size()
	if err != nil || size == 0 {
		return s, err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], size-1); err != nil {
		return nil, err
	}
	s.torn = last[0] != '\n'
	return s, nil
}

// Name implements sinks.Sink.
func (s *Sink) Name() string { return s.deps.Name }

// Send implements sinks.Sink. A disk that is full is no Permanent error.
func (s *Sink) Send(ctx context.Context, findings []detect.Finding) error {
	if err := ctx.Err(); err != nil || len(findings) == 0 {
		return err
	}
	s.buf = s.buf[:0]
	if s.torn {
		s.buf = append(s.buf, '\n')
	}
	lines, err := s.deps.Encode.AppendLines(s.buf, findings, s.deps.Now())
	if err != nil {
		return err
	}
	s.buf = lines
	size, err := s.size()
	if err != nil {
		return fmt.Errorf("append to file: %w", err)
	}
	if n, err := s.file.Write(s.buf); err != nil {
		if n > 0 && s.file.Truncate(size) != nil {
			s.torn = s.buf[n-1] != '\n'
		}
		return fmt.Errorf("append to file: %w", err)
	}
	s.torn = false
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("append to file: %w", err)
	}
	return nil
}

// Close closes the file.
func (s *Sink) Close() error { return s.file.Close() }

func (s *Sink) size() (int64, error) {
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
