package file

import (
	"os"
	"strings"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
)

// A file, and an object in S3, is read as a stream, however long; what inflates
// to hundreds of times its size is no flow log.
func TestBombsAreRefused(t *testing.T) {
	t.Run("gzip", func(t *testing.T) {
		bombRefused(t, func() []byte { return hostiletest.GzipBomb(64<<20, "") })
	})
	t.Run("gzip in gzip", func(t *testing.T) {
		bombRefused(t, func() []byte { return []byte(gzipOf(t, string(hostiletest.GzipBomb(8<<20, "")))) })
	})
	t.Run("zstd", func(t *testing.T) {
		bombRefused(t, func() []byte { return hostiletest.ZstdBomb(1<<30, maxWindow) })
	})
	t.Run("empty members in gzip", func(t *testing.T) {
		bombRefused(t, func() []byte { return []byte(gzipOf(t, strings.Repeat(gzipOf(t, ""), 4<<20))) })
	})
}

func bombRefused(t *testing.T, bomb func() []byte) {
	t.Helper()
	hostiletest.Peak(t, bomb, func(path string) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := NewReader(f, nil, 0)
		for err == nil {
			_, _, err = r.Next(maxChunk)
		}
		if !strings.Contains(err.Error(), "times its size") {
			t.Errorf("got %v", err)
		}
	})
}
