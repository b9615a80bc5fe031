package file

import (
	"bytes"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
)

// Whatever an object holds, reading it ends, at a cost that is bounded.
func FuzzReader(f *testing.F) {
	text := lines(1000, 20)
	for _, seed := range []string{text, gzipOf(f, text), zstdOf(f, text), gzipOf(f, gzipOf(f, text)), gzipOf(f, zstdOf(f, text)), "PAR1PAR1"} {
		f.Add([]byte(seed))
	}
	hostiletest.Seeds(f, "vpc/*", func(seed []byte) { f.Add(seed) })
	f.Fuzz(func(t *testing.T, object []byte) {
		defer hostiletest.Bound(t)()
		whole := bytes.NewReader(object)
		r, err := NewReader(bytes.NewReader(object), whole, whole.Size())
		if err != nil {
			return
		}
		defer r.Close()
		for read, at := 0, int64(0); read < 1<<20; { // a few bytes can stand for any number of rows
			payload, after, err := r.Next(4 << 10)
			if err != nil {
				return
			}
			if len(payload) == 0 || after <= at || after-at < int64(len(payload)) {
				t.Fatalf("a payload of %d bytes goes from %d to %d", len(payload), at, after)
			}
			read, at = read+len(payload), after
		}
	})
}
