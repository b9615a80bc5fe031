package envelope

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// maxLayers is how often a payload may be compressed. Two is seen: what
	// CloudWatch Logs compressed, Firehose compresses again.
	maxLayers = 4

	// maxWindow is what any decoder of zstd should know (RFC 8878), and levels
	// up to 19 need.
	maxWindow = 8 << 20 // bytes

	// keepBuffer is the size above which a buffer is dropped when a payload
	// needs less than an eighth of it: one huge payload is no reason to hold
	// its size for ever.
	keepBuffer = 4 << 20
)

// inflater undoes compression into buffers that it keeps.
type inflater struct {
	limit   int
	src     bytes.Reader
	gzip    *gzip.Reader
	zstd    *zstd.Decoder
	buffers [2][]byte // a layer is read from one into the other
}

// unwrap returns the content of a payload: the payload itself when it is not
// compressed, else bytes that are valid until the next call. After an error,
// the outermost one, the content is what could be read.
func (f *inflater) unwrap(payload []byte) (content []byte, failed *Error) {
	content = payload
	for layer := range maxLayers {
		name := sniff(content)
		if name == "" {
			return content, failed
		}
		inflated, err := f.undo(name, content, f.buffers[layer&1][:0])
		if err != nil && failed == nil {
			failed = &Error{Layer: name, Offset: len(content) - f.src.Len(), Count: 1, Err: err}
		}
		f.buffers[layer&1] = inflated
		content = inflated
	}
	if name := sniff(content); name != "" && failed == nil {
		failed = &Error{Layer: name, Count: 1, Err: fmt.Errorf("compressed more than %d times", maxLayers)}
		content = nil
	}
	return content, failed
}

// breaksOff reports whether content stops in the middle of something. It does
// not where whole gzip members or zstd frames are followed by something else.
func (e *Error) breaksOff() bool {
	return e != nil && !errors.Is(e.Err, gzip.ErrHeader) && !errors.Is(e.Err, zstd.ErrMagicMismatch)
}

// undo undoes one layer of compression, into the buffer.
func (f *inflater) undo(name string, content, buffer []byte) ([]byte, error) {
	used := f.gzip != nil || f.zstd != nil
	inflated, err := f.open(name, content, buffer)
	if err != nil && used {
		// A reader that was used before can read corrupt input by the tables
		// of the payload before it. What a payload holds must not depend on
		// that, so a new one has the last word.
		f.gzip, f.zstd = nil, nil
		return f.open(name, content, inflated[:0])
	}
	return inflated, err
}

func (f *inflater) open(name string, content, buffer []byte) ([]byte, error) {
	f.src.Reset(content)
	var reader io.Reader
	var err error
	switch name {
	case "gzip":
		reader, err = f.openGzip()
	case "zstd":
		reader, err = f.openZstd()
	default:
		err = errors.New("a payload of this format is not read: want gzip, zstd, JSON or lines")
	}
	if err != nil {
		return buffer, unexpectedEOF(err)
	}
	return f.inflate(reader, buffer, estimate(name, content))
}

// sniff names the format of bytes that are not text, "" for those that are.
func sniff(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte("\x1f\x8b")):
		return "gzip"
	case bytes.HasPrefix(b, []byte("\x28\xb5\x2f\xfd")):
		return "zstd"
	case len(b) >= 4 && b[0]>>4 == 5 && bytes.HasPrefix(b[1:], []byte("\x2a\x4d\x18")):
		return "zstd" // a frame to be skipped, before the others
	case bytes.HasPrefix(b, []byte("\xf3\x89\x9a\xc2")):
		return "kpl aggregate"
	case bytes.HasPrefix(b, []byte("PAR1")):
		return "parquet"
	}
	return ""
}

func (f *inflater) openGzip() (io.Reader, error) {
	if f.gzip == nil {
		f.gzip = new(gzip.Reader)
	}
	return f.gzip, f.gzip.Reset(&f.src)
}

func (f *inflater) openZstd() (io.Reader, error) {
	if f.zstd == nil {
		var err error
		f.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(uint64(max(f.limit, maxWindow))), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
	}
	return f.zstd, f.zstd.Reset(&f.src)
}

// estimate guesses how many bytes a layer will grow to. The last four bytes of
// gzip say it for the last member, modulo 2^32, and may lie.
func estimate(layer string, content []byte) int {
	if layer == "gzip" && len(content) >= 18 {
		return min(int(binary.LittleEndian.Uint32(content[len(content)-4:])), 64*len(content))
	}
	return 4 * len(content)
}

// inflate reads all of r into the buffer.
func (f *inflater) inflate(r io.Reader, buffer []byte, size int) ([]byte, error) {
	size = min(size, f.limit) + bytes.MinRead // room to see the end without growing
	if cap(buffer) < size || cap(buffer) > keepBuffer && size < cap(buffer)/8 {
		buffer = make([]byte, 0, size)
	}
	for {
		if len(buffer) == cap(buffer) {
			// The last step is a long one: what was grown out of stays until it is
			// collected, and what is not written to costs nothing.
			room := 2 * cap(buffer)
			if room > keepBuffer {
				room = f.limit + bytes.MinRead
			}
			grown := make([]byte, len(buffer), min(room, f.limit+bytes.MinRead))
			copy(grown, buffer)
			buffer = grown
		}
		n, err := r.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		if len(buffer) > f.limit {
			return buffer[:f.limit], fmt.Errorf("inflates to more than %d bytes", f.limit)
		}
		if err == io.EOF {
			return buffer, nil
		}
		if err != nil {
			return buffer, unexpectedEOF(err)
		}
	}
}

// unexpectedEOF tells a stream that breaks off from one that ends.
func unexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
