package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// A segment is a sequence of changes, compressed with zstd: a byte for what is
// done, the length of the key and the key, and of a put the length of the value
// and the value. Lengths are varints.
const (
	opPrefix = 'p' // delete every key that begins with this one
	opDelete = 'd'
	opPut    = '='
)

// segmentSize is where a commit or a base goes on in another segment. One
// entry is never split.
const segmentSize = 8 << 20

// maxSegment is what no segment can say, in bytes: a large one is one large
// entry.
const maxSegment = 2 << 30

// segmenter cuts changes into segments and hands each on, uncompressed.
type segmenter struct {
	size int // where a segment ends
	raw  []byte
	emit func(raw []byte) error
}

func (s *segmenter) change(op byte, key, value []byte) error {
	if len(s.raw) > 0 && len(s.raw)+len(key)+len(value) > s.size {
		if err := s.flush(); err != nil {
			return err
		}
	}
	s.raw = append(s.raw, op)
	s.raw = binary.AppendUvarint(s.raw, uint64(len(key)))
	s.raw = append(s.raw, key...)
	if op == opPut {
		s.raw = binary.AppendUvarint(s.raw, uint64(len(value)))
		s.raw = append(s.raw, value...)
	}
	return nil
}

// flush ends the segment, if anything is in it.
func (s *segmenter) flush() error {
	if len(s.raw) == 0 {
		return nil
	}
	err := s.emit(s.raw)
	s.raw = s.raw[:0]
	return err
}

// delta cuts a commit.
func (s *segmenter) delta(d *Delta) error {
	for _, prefix := range d.DeletePrefixes {
		if err := s.change(opPrefix, prefix, nil); err != nil {
			return err
		}
	}
	for _, key := range d.Deletes {
		if err := s.change(opDelete, key, nil); err != nil {
			return err
		}
	}
	for _, put := range d.Puts {
		if err := s.change(opPut, put.Key, put.Value); err != nil {
			return err
		}
	}
	return s.flush()
}

var errCut = errors.New("it ends in the middle of an entry")

// changes visits what a segment says. Key and value are parts of raw.
func changes(raw []byte, visit func(op byte, key, value []byte) error) error {
	for len(raw) > 0 {
		op := raw[0]
		key, rest, err := text(raw[1:])
		if err != nil {
			return err
		}
		var value []byte
		switch op {
		case opPut:
			if value, rest, err = text(rest); err != nil {
				return err
			}
		case opPrefix, opDelete:
		default:
			return fmt.Errorf("it has the unknown change %q", op)
		}
		if err := visit(op, key, value); err != nil {
			return err
		}
		raw = rest
	}
	return nil
}

// text takes a length and so many bytes off.
func text(b []byte) (text, rest []byte, err error) {
	n, width := binary.Uvarint(b)
	if width <= 0 || n > uint64(len(b)-width) {
		return nil, nil, errCut
	}
	end := width + int(n)
	return b[width:end:end], b[end:], nil
}

// codec compresses segments and back. Safe for concurrent use.
type codec struct {
	to   *zstd.Encoder
	from *zstd.Decoder
}

func newCodec() (codec, error) {
	to, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return codec{}, err
	}
	from, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(readAhead), zstd.WithDecoderMaxMemory(maxSegment))
	return codec{to, from}, err
}

// sealed returns the object of a segment, and what the pointer says of it.
func (c codec) sealed(key string, raw []byte) ([]byte, segment) {
	object := c.to.EncodeAll(raw, nil)
	return object, segment{Key: key, Stored: int64(len(object)), Raw: int64(len(raw)), SHA256: sumOf(object)}
}

// opened returns what the object of a segment says, and an error unless it is
// the one that was written.
func (c codec) opened(object []byte, s *segment) ([]byte, error) {
	if int64(len(object)) != s.Stored || sumOf(object) != s.SHA256 || s.Raw < 0 || s.Raw > maxSegment {
		return nil, errChecksum
	}
	raw, err := c.from.DecodeAll(object, make([]byte, 0, s.Raw))
	if err == nil && int64(len(raw)) != s.Raw {
		err = fmt.Errorf("it says %d bytes, not %d", len(raw), s.Raw)
	}
	return raw, err
}
