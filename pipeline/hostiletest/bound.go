package hostiletest

import (
	"os"
	"runtime/metrics"
	"testing"
	"time"
)

const (
	maxMemory = 256 << 20 // bytes that one input may allocate
	maxTime   = time.Second
)

// LongVariable is set by a long fuzzing run, which also watches the time: what
// an input takes depends on the machine, so that no other test does.
const LongVariable = "FLOWWATCH_FUZZ_LONG"

var long = os.Getenv(LongVariable) != ""

// Bound fails the test when more than 256 MiB are allocated until the function
// that it returns is called, or in a long run more than a second of the
// processor's time is spent:
//
//	f.Fuzz(func(t *testing.T, input []byte) {
//		defer hostiletest.Bound(t)()
func Bound(t testing.TB) (done func()) {
	memory := allocated()
	var spent time.Duration
	if long {
		spent = processTime()
	}
	return func() {
		if n := allocated() - memory; n > maxMemory {
			t.Errorf("allocates %d bytes, want at most %d", n, maxMemory)
		}
		if !long {
			return
		}
		if took := processTime() - spent; took > maxTime {
			t.Errorf("takes %v of the processor, want at most %v", took, maxTime)
		}
	}
}

// allocated is how many bytes the process has allocated on its heap.
func allocated() uint64 {
	sample := [1]metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample[:])
	return sample[0].Value.Uint64()
}
