//go:build unix

package hostiletest

import (
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
