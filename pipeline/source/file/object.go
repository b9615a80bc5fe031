package file

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Object is a file that lies elsewhere, such as in S3. It is read like one of
// Config.Paths.
type Object struct {
	Name string // in place of a path
	Size int64  // bytes as stored
	// Open begins to read it. It is called twice: to see when its records
	// begin, and to read it.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// maxParquet bounds a Parquet object, which is kept in a temporary file while
// it is read.
const maxParquet = 1 << 30

// Spooled is the body of an object, made readable anywhere where that is
// needed. It owns the body.
type Spooled struct {
	io.Reader
	body io.Closer
	temp *os.File // of Parquet, nil for what is a stream
	size int64
}

// Spool reads as much of a body as tells whether it is Parquet, and all of it
// when it is. It closes the body where it fails.
func Spool(body io.ReadCloser) (*Spooled, error) {
	buffered := bufio.NewReaderSize(body, 64<<10)
	s := &Spooled{Reader: buffered, body: body}
	magic, err := buffered.Peek(4)
	if err == io.EOF {
		err = nil
	}
	if err == nil && string(magic) == "PAR1" {
		err = s.spool(buffered)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Spooled) spool(r io.Reader) (err error) {
	if s.temp, err = os.CreateTemp("", "flowwatch-*.parquet"); err != nil {
		return err
	}
	if err := os.Remove(s.temp.Name()); err != nil { // it lives while it is open
		return err
	}
	if s.size, err = io.Copy(s.temp, io.LimitReader(r, maxParquet+1)); err != nil {
		return err
	}
	if s.size > maxParquet {
		return fmt.Errorf("a Parquet object larger than %d MiB", maxParquet>>20)
	}
	s.Reader = io.NewSectionReader(s.temp, 0, s.size)
	return nil
}

// stored is the body for reading anywhere, nil for what is a stream.
func (s *Spooled) stored() *stored {
	if s.temp == nil {
		return nil
	}
	return &stored{s.temp, s.size}
}

// NewReader reads the body with a Reader, which does not own it.
func (s *Spooled) NewReader() (*Reader, error) {
	if s.temp == nil {
		return NewReader(s, nil, 0)
	}
	return NewReader(s, s.temp, s.size)
}

// Close closes the body; a temporary file is gone with that.
func (s *Spooled) Close() error {
	err := s.body.Close()
	if s.temp != nil {
		err = errors.Join(err, s.temp.Close())
	}
	return err
}
