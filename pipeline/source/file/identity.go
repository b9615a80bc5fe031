package file

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// maxPrint is how many bytes of content tell one file from another: more than
// the longest header line, so that records are among them.
const maxPrint = 4096

// identity tells a followed file wherever it is moved or copied to: by its
// device and inode and the beginning of its content, or where that is long
// enough by the content alone. A file that has been emptied and written anew is
// another one.
type identity struct {
	n        int    // bytes of content that the print is of, at most maxPrint
	print    uint64 // FNV-1a of them
	dev, ino uint64 // 0 where the system does not tell
}

func printOf(content []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(content) // never fails
	return h.Sum64()
}

// of returns the identity of content that begins with head.
func (i identity) of(head []byte) identity {
	i.n = min(len(head), maxPrint)
	i.print = printOf(head[:i.n])
	return i
}

// begins reports whether content that begins with head is that of i.
func (i identity) begins(head []byte) bool {
	return i.n > 0 && len(head) >= i.n && printOf(head[:i.n]) == i.print
}

// sameInode reports whether both are one file to the system.
func (i identity) sameInode(o identity) bool {
	return i.ino != 0 && i.ino == o.ino && i.dev == o.dev
}

// place is where a payload of a followed file ends. It implements
// pipeline.Place.
type place struct {
	off      int64 // in uncompressed bytes
	identity identity
	size     int64 // of the file as stored
	modified int64 // Unix nanoseconds
}

const followedPrefix = "gen"

// Position implements pipeline.Place.
func (p place) Position() pipeline.Position {
	return pipeline.Position(fmt.Sprintf("%s:%d:%d:%x:%x:%x:%d:%d", followedPrefix,
		p.off, p.identity.n, p.identity.print, p.identity.dev, p.identity.ino, p.size, p.modified))
}

func parsePlace(at pipeline.Position) (p place, err error) {
	fields := strings.Split(string(at), ":")
	if len(fields) != 8 || fields[0] != followedPrefix {
		return p, fmt.Errorf("position %q: want %s and seven numbers of a followed file", at, followedPrefix)
	}
	number := func(i int) (n int64) {
		n, failed := strconv.ParseInt(fields[i], 10, 64)
		if failed != nil || n < 0 {
			err = fmt.Errorf("position %q: %q is no number from 0", at, fields[i])
		}
		return n
	}
	hash := func(i int) (n uint64) {
		n, failed := strconv.ParseUint(fields[i], 16, 64)
		if failed != nil {
			err = fmt.Errorf("position %q: %q is no hexadecimal number", at, fields[i])
		}
		return n
	}
	p = place{number(1), identity{int(number(2)), hash(3), hash(4), hash(5)}, number(6), number(7)}
	if p.identity.n > maxPrint {
		return p, fmt.Errorf("position %q: a print of %d bytes: want up to %d", at, p.identity.n, maxPrint)
	}
	return p, err
}

// beginning is what the first bytes of a file tell.
type beginning struct {
	head   []byte // of the content, at most maxPrint bytes
	format format
	whole  bool // the content ends, properly, or is longer than head
}

// readBeginning reads the beginning of a file. Of Parquet, whose files begin
// alike, it takes the end instead, which describes all of it.
func readBeginning(f *os.File, size int64) (beginning, error) {
	var b beginning
	magic := make([]byte, headSize)
	n, err := f.ReadAt(magic, 0)
	if err != nil && err != io.EOF {
		return b, err
	}
	if b.format, err = sniff(magic[:n]); err != nil {
		return b, err
	}
	b.head = make([]byte, maxPrint)
	if b.format == columnar {
		n, err = f.ReadAt(b.head, max(0, size-maxPrint))
		b.head = b.head[:n]
		b.whole = n > 2*len("PAR1") && bytes.HasSuffix(b.head, []byte("PAR1"))
	} else {
		var unaccounted atomic.Int64
		c, failed := openContent(&counting{r: io.NewSectionReader(f, 0, size), total: &unaccounted}, nil)
		if failed != nil {
			b.head = nil
			return b, unlessCut(failed)
		}
		defer c.close()
		n, err = io.ReadFull(c, b.head)
		b.head = b.head[:n]
		b.whole = err == nil || err == io.EOF || err == io.ErrUnexpectedEOF // a wrapped one is of a file that is cut short
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return b, unlessCut(err)
}

// unlessCut takes the end of a file that is still being written for no error.
func unlessCut(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// Header returns the first line of a chunk when it names the columns: who reads
// on in the middle of a file has to know them.
func Header(chunk []byte) []byte {
	end := bytes.IndexByte(chunk, '\n') + 1
	var r flowlog.Record
	if kind, _ := flowlog.NewParser(nil).Parse(bytes.TrimSpace(chunk[:end]), &r); kind != flowlog.Header {
		return nil
	}
	return bytes.Clone(chunk[:end])
}
