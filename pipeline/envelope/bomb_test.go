package envelope

import (
	"os"
	"strings"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
)

// The largest Kinesis record, that would inflate to 10 GiB.
func TestGzipBombIsRefused(t *testing.T) {
	refused(t, func() []byte { return hostiletest.GzipBomb(10<<20, "") })
}

func TestZstdBombIsRefused(t *testing.T) {
	refused(t, func() []byte { return hostiletest.ZstdBomb(1<<30, maxWindow) })
}

func TestBombInJSONIsRefused(t *testing.T) {
	refused(t, func() []byte { return hostiletest.GzipBomb(1<<20, `{"message":"`) })
}

func refused(t *testing.T, bomb func() []byte) {
	t.Helper()
	hostiletest.Peak(t, bomb, func(path string) {
		payload, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d := NewDecoder(Limits{})
		for d.Reset(payload); d.Next(); {
			t.Errorf("a line of %d bytes", len(d.Line()))
		}
		if err := d.Err(); err == nil || !strings.Contains(err.Error(), "inflates to more than") {
			t.Errorf("got %v", err)
		}
	})
}
