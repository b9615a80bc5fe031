//go:build unix

package hostiletest

import (
	"os"
	"runtime"
	"syscall"
	"time"
)

// processTime is how long the processor has worked for this process.
func processTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0 // not for these arguments
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// peakOf is the most memory that an ended process had resident, in bytes.
func peakOf(ended *os.ProcessState) (bytes int64, ok bool) {
	usage, ok := ended.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, false
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(usage.Maxrss), true
	}
	return int64(usage.Maxrss) << 10, true
}
