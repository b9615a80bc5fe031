//go:build unix && !solaris && !aix

package checkpoint

import (
	"os"
	"syscall"
)

// unlock gives up the lock on a file whose mapping cannot be undone any more:
// closing it is not enough then.
func unlock(file *os.File) { _ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN) }
