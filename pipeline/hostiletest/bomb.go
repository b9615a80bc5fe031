package hostiletest

import (
	"bytes"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const member = 8 << 20 // bytes of content

// GzipBomb is gzip of about size bytes that inflates to a thousand times as
// much: prefix, and then one letter again and again.
func GzipBomb(size int, prefix string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	add := func(text []byte) {
		if _, err := w.Write(text); err != nil { // into memory
			panic(err)
		}
	}
	add([]byte(prefix))
	letters := bytes.Repeat([]byte{'a'}, 1<<20)
	for range member >> 20 {
		add(letters)
	}
	closed(w.Close())
	first := b.Len()
	var rest bytes.Buffer
	w.Reset(&rest)
	for range member >> 20 {
		add(letters)
	}
	closed(w.Close())
	for size -= first; size > 0; size -= rest.Len() {
		b.Write(rest.Bytes())
	}
	return b.Bytes()
}

// ZstdBomb is a bomb in zstd, of content bytes of content, for which a decoder
// needs a window of so many bytes.
func ZstdBomb(content, window int) []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))
	closed(err)
	letters := bytes.Repeat([]byte{'a'}, 1<<20)
	for range content >> 20 {
		_, err := w.Write(letters)
		closed(err)
	}
	closed(w.Close())
	return b.Bytes()
}

func closed(err error) {
	if err != nil {
		panic(err) // memory is written to
	}
}
