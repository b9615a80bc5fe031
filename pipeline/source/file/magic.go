package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

type format uint8

const (
	plain format = iota
	gzipped
	zstandard
	columnar // Parquet
)

// maxNesting is how often compressed content may itself be compressed: a
// Firehose that compresses what CloudWatch had compressed gives two.
const maxNesting = 3

// maxWindow is the largest window of zstd, which is held in memory: level 20
// and above, or --long, may ask for more.
const maxWindow = 32 << 20 // bytes

// headSize is how many bytes tell the format.
const headSize = 6

var magics = []struct {
	magic  string
	format format
	reject string // why such content cannot be read
}{
	{magic: "\x1f\x8b", format: gzipped},
	{magic: "\x28\xb5\x2f\xfd", format: zstandard},
	{magic: "PAR1", format: columnar},
	{magic: "BZh", reject: "compressed with bzip2: accepted are Parquet and plain, gzip and zstd text"},
	{magic: "\xfd7zXZ", reject: "compressed with xz: accepted are Parquet and plain, gzip and zstd text"},
	{magic: "PK\x03\x04", reject: "a zip archive: accepted are Parquet and plain, gzip and zstd text"},
	{magic: "\xff\xfe", reject: "UTF-16 text: accepted is UTF-8"},
	{magic: "\xfe\xff", reject: "UTF-16 text: accepted is UTF-8"},
}

// sniff tells the format by the first bytes.
func sniff(head []byte) (format, error) {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			if m.reject != "" {
				return plain, errors.New(m.reject)
			}
			return m.format, nil
		}
	}
	return plain, nil
}

func readHead(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, headSize)
	n, err := io.ReadFull(f, head)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return head[:n], err
}

// content is the uncompressed bytes of one file.
type content struct {
	io.Reader
	compressed bool
	closers    []func()
}

// stored is a file as it is stored, readable anywhere: what Parquet needs.
type stored struct {
	io.ReaderAt
	size int64 // bytes
}

var errNotAtOnce = errors.New("a Parquet file that is compressed again or comes through a pipe: accepted is one that is stored as it is")

// openContent reads as much of raw as tells the format and returns a reader of
// what it holds. The content does not own raw. whole is the same file for
// reading anywhere, nil where there is no such thing.
func openContent(raw io.Reader, whole *stored) (*content, error) {
	var read atomic.Int64
	raw = &counting{r: raw, total: &read}
	c := &content{}
	size := 32 << 10
	for range maxNesting {
		// Reads that are larger than this buffer pass it by.
		peek := bufio.NewReaderSize(raw, size)
		head, err := peek.Peek(headSize)
		if err != nil && err != io.EOF {
			c.close()
			return nil, err
		}
		kind, err := sniff(head)
		if err != nil {
			c.close()
			return nil, err
		}
		if kind == plain {
			c.Reader = peek
			return c, nil
		}
		if kind == columnar {
			if whole == nil || c.compressed {
				c.close()
				return nil, errNotAtOnce
			}
			lines, err := flowlog.OpenParquet(whole, whole.size)
			if err != nil {
				c.close()
				return nil, err
			}
			c.closers = append(c.closers, func() { _ = lines.Close() }) // it was only read
			c.Reader = bufio.NewReaderSize(lines, size)
			return c, nil
		}
		c.compressed = true
		inflated, err := c.decompress(kind, peek)
		if err != nil {
			c.close()
			return nil, err
		}
		raw = &inflating{r: inflated, stored: &read}
		size = 4 << 10
	}
	c.close()
	return nil, fmt.Errorf("compressed more than %d times over", maxNesting-1)
}

func (c *content) decompress(kind format, r io.Reader) (io.Reader, error) {
	if kind == zstandard {
		// One decoder goroutine less: concurrency 1 decodes in Read itself.
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		c.closers = append(c.closers, z.Close)
		return named{"zstd", z}, nil
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, named{"gzip", nil}.explain(err)
	}
	return named{"gzip", z}, nil
}

const (
	// maxRatio is how many times its size a file may inflate to, layers taken
	// together, and maxRatioFrom from how many bytes on that is judged. Flow
	// logs compress to a tenth, NODATA lines alone to a fiftieth.
	maxRatio     = 300
	maxRatioFrom = 64 << 20
)

// inflating refuses what no flow log inflates to: a file is read as a stream
// and may be of any length, but a small one must not take hours.
type inflating struct {
	r      io.Reader
	n      int64
	stored *atomic.Int64 // bytes read of the file
}

func (i *inflating) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	i.n += int64(n)
	if i.n > maxRatioFrom && i.n > maxRatio*i.stored.Load() {
		return 0, fmt.Errorf("inflates to more than %d times its size: no flow log does", maxRatio)
	}
	return n, err
}

func (c *content) close() {
	for _, f := range c.closers {
		f()
	}
	c.closers = nil
}

// named says in errors which decompressor it was.
type named struct {
	name string
	r    io.Reader
}

func (n named) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	if err != nil && err != io.EOF {
		err = n.explain(err)
	}
	return k, err
}

func (n named) explain(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		return fmt.Errorf("%s: the file is cut short: %w", n.name, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("%s: %w", n.name, err)
}
