package hostiletest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	// childVariable marks the process that does the work of Peak, and names the
	// file that holds its input.
	childVariable = "FLOWWATCH_PEAK_CHILD"

	// MaxResident is what a process may need for a bomb, in bytes.
	MaxResident = 128 << 20
)

// Peak makes an input, does work with it in a process of its own, which runs
// this test alone, and fails when more than MaxResident bytes were resident in
// it, the test binary itself among them. Failures in work fail the test. It
// skips where that can't be measured.
func Peak(t *testing.T, input func() []byte, work func(path string)) {
	t.Helper()
	if path := os.Getenv(childVariable); path != "" {
		work(path)
		checkResident(t)
		return
	}
	if raceDetector {
		t.Skip("the race detector needs many times the memory")
	}
	if _, err := resident(); err != nil {
		t.Skipf("how much memory a process had is not known on this system: %v", err)
	}
	path := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(path, input(), 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v") //nolint:gosec // the test itself, once more
	child.Env = append(os.Environ(), childVariable+"="+path)
	output, err := child.CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Error(err)
	}
}

func checkResident(t *testing.T) {
	t.Helper()
	peak, err := resident()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MiB were resident at the peak", peak>>20)
	if peak > MaxResident {
		t.Errorf("%d bytes were resident, want at most %d", peak, MaxResident)
	}
}

// resident is the most memory that this program had resident, in bytes. (What
// the system says of an ended process counts that of its parent too.)
func resident() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		var n int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &n); err == nil {
			return n << 10, nil
		}
	}
	return 0, errors.New("no VmHWM in /proc/self/status")
}
