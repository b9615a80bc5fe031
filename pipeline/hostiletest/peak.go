package hostiletest

import (
	"os"
	"os/exec"
	"testing"
)

// childVariable marks the process that does the work of Peak.
const childVariable = "FLOWWATCH_PEAK_CHILD"

// Peak does work in a process of its own, which runs this test alone, and
// fails when more than max bytes were resident in it, the test binary itself
// among them. Failures in work fail the test. It skips where that can't be
// measured.
func Peak(t *testing.T, max int64, work func()) {
	t.Helper()
	if os.Getenv(childVariable) == t.Name() {
		work()
		return
	}
	if raceDetector {
		t.Skip("the race detector needs many times the memory")
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), childVariable+"="+t.Name())
	output, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	peak, ok := peakOf(child.ProcessState)
	if !ok {
		t.Skip("how much memory a process had is not known on this system")
	}
	t.Logf("%d MiB were resident at the peak", peak>>20)
	if peak > max {
		t.Errorf("%d bytes were resident, want at most %d", peak, max)
	}
}
