package file

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
)

const (
	// MaxLine is the longest line that is passed whole, in bytes without its
	// end. Of a longer one at least the first MaxLine+1 bytes are passed, so
	// that whoever parses it counts it as malformed, and the rest is skipped.
	MaxLine = 1 << 20

	// MaxJSON is the largest JSON value that is passed: a payload holds whole
	// values, so one value is held in memory.
	MaxJSON = 64 << 20
)

// chunker cuts a stream into chunks of whole lines, or of whole JSON values
// when the content begins like JSON: exports may be pretty-printed over many
// lines, or hold values with nothing between them.
type chunker struct {
	r     io.Reader
	eager bool // return what has arrived: the stream may pause
	limit int  // of a JSON value, in bytes; MaxJSON when 0

	buf  []byte // buf[used:n] has been read and not returned
	used int
	n    int
	off  int64 // offset in the stream of buf[used], in bytes
	err  error // why reading ended

	skipping bool // the rest of a line that is too long

	sniffed bool
	values  *values // nil for lines
}

// incomplete is the end of a stream that broke off inside a line or value.
type incomplete struct {
	bytes int
	err   error
}

func (e *incomplete) Error() string {
	return fmt.Sprintf("%v (an incomplete last line of %d bytes was left out)", e.err, e.bytes)
}

func (e *incomplete) Unwrap() error { return e.err }

// next returns the next chunk, at most about size bytes unless one line or
// value is longer, valid until the next call; c.off then is the offset after
// it. It returns io.EOF at the end of the stream, and the reader's error when
// the stream broke, after all that was whole; errPaused when the reader did,
// and then can go on.
func (c *chunker) next(size int) ([]byte, error) {
	c.compact(size)
	for {
		if !c.sniffed && (c.n >= headSize || c.err != nil && !errors.Is(c.err, errPaused)) {
			c.sniff()
		}
		if c.skipping {
			c.skip()
		}
		enough := c.n >= size || c.err != nil || (c.eager && c.n > 0)
		if cut := c.boundary(enough); cut > 0 {
			return c.take(cut), nil
		}
		if errors.Is(c.err, errPaused) {
			return nil, c.pause()
		}
		if c.err != nil {
			return c.rest()
		}
		if c.values == nil && c.n > MaxLine {
			return c.overlong(), nil
		}
		if limit := cmp.Or(c.limit, MaxJSON); c.n > limit {
			return nil, fmt.Errorf("a JSON value larger than %d MiB at byte %d: accepted are smaller ones, best one on each line",
				limit>>20, c.off)
		}
		c.fill(size)
	}
}

// pause makes ready for a later call, with what is there of a line or value.
func (c *chunker) pause() error {
	c.err = nil
	if c.n == 0 {
		c.buf = nil
	}
	return errPaused
}

// skip leaves out what follows of a line that is too long.
func (c *chunker) skip() {
	end := bytes.IndexByte(c.buf[:c.n], '\n')
	c.skipping = end < 0
	if end < 0 {
		end = c.n - 1
	}
	c.off += int64(end + 1)
	c.n = copy(c.buf, c.buf[end+1:c.n])
}

// compact moves what is left to the front, and gives back a buffer that one
// huge line or value made grow.
func (c *chunker) compact(size int) {
	rest := c.buf[c.used:c.n]
	if len(c.buf) > 2*MaxLine && len(rest) < size {
		c.buf = make([]byte, size)
	}
	c.n = copy(c.buf, rest)
	c.used = 0
}

// sniff decides between lines and JSON values by the first byte that is no
// white space and no byte order mark.
func (c *chunker) sniff() {
	head := bytes.TrimPrefix(c.buf[:c.n], []byte("\xef\xbb\xbf"))
	head = bytes.TrimLeft(head, " \t\r\n")
	if len(head) == 0 && c.err == nil {
		return
	}
	c.sniffed = true
	if len(head) > 0 && (head[0] == '{' || head[0] == '[') {
		c.values = &values{}
	}
}

// boundary returns the length of the longest prefix that ends between two
// lines or values, 0 when there is none yet.
func (c *chunker) boundary(enough bool) int {
	if !c.sniffed {
		return 0
	}
	if c.values != nil {
		c.values.scan(c.buf[:c.n])
		if !enough {
			return 0
		}
		return c.values.boundary
	}
	if !enough {
		return 0
	}
	return bytes.LastIndexByte(c.buf[:c.n], '\n') + 1
}

func (c *chunker) take(cut int) []byte {
	c.used = cut
	c.off += int64(cut)
	if c.values != nil {
		c.values.shift(cut)
	}
	return c.buf[:cut:cut]
}

// rest returns what stands after the last boundary when reading has ended: at
// a proper end it is a line without its end; after damage nobody can say
// whether it is whole, and half a number would be a wrong number.
func (c *chunker) rest() ([]byte, error) {
	if c.n == 0 {
		return nil, c.err
	}
	if c.err == io.EOF {
		return c.take(c.n), nil
	}
	left := c.n
	c.n = 0
	return nil, &incomplete{left, c.err}
}

// overlong returns the beginning of a line that is too long and skips the rest
// of it.
func (c *chunker) overlong() []byte {
	const keep = MaxLine + 1
	end := bytes.IndexByte(c.buf[keep:c.n], '\n')
	c.off += keep
	for end < 0 {
		c.off += int64(c.n - keep)
		c.n = keep
		if c.err != nil {
			c.skipping = errors.Is(c.err, errPaused)
			c.used = c.n
			return c.buf[:keep:keep]
		}
		c.fill(2 * keep)
		end = bytes.IndexByte(c.buf[keep:c.n], '\n')
	}
	c.off += int64(end + 1)
	c.used = keep + end + 1
	return c.buf[:keep:keep]
}

// fill reads once more, into a buffer of at least size bytes with room left.
func (c *chunker) fill(size int) {
	if want := max(size, c.n+c.n/2); len(c.buf) < want && len(c.buf)-c.n < 4<<10 || len(c.buf) < size {
		grown := make([]byte, max(want, 4<<10))
		copy(grown, c.buf[:c.n])
		c.buf = grown
	}
	for range 100 {
		n, err := c.r.Read(c.buf[c.n:])
		c.n += n
		c.err = err
		if n > 0 || err != nil {
			return
		}
	}
	c.err = io.ErrNoProgress
}
