package file

import (
	"io"
)

// Reader cuts one stored object into payloads of whole lines or JSON values,
// as this package cuts a file: plain, gzip, zstd or Parquet, by its magic.
type Reader struct {
	content *content
	chunks  *chunker
}

// NewReader reads raw. whole is the same object for reading anywhere, of size
// bytes, which only Parquet needs; nil where it can't be had. It owns neither.
func NewReader(raw io.Reader, whole io.ReaderAt, size int64) (*Reader, error) {
	var at *stored
	if whole != nil {
		at = &stored{whole, size}
	}
	c, err := openContent(raw, at)
	if err != nil {
		return nil, err
	}
	return &Reader{content: c, chunks: &chunker{r: c}}, nil
}

// Next returns the next payload, of about size bytes unless one line or value
// is longer, valid until the next call, and the offset in
// the uncompressed content after it. It returns io.EOF at the end, and the
// error of a damaged object after all that was whole.
func (r *Reader) Next(size int) (payload []byte, after int64, err error) {
	payload, err = r.chunks.next(size)
	return payload, r.chunks.off, err
}

// Close frees what reading needed.
func (r *Reader) Close() { r.content.close() }
