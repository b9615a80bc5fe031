//go:build unix

package file

import (
	"io/fs"
	"syscall"
)

// inodeOf is the device and inode of a file.
func inodeOf(st fs.FileInfo) (dev, ino uint64) {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0
	}
	return uint64(sys.Dev), sys.Ino //nolint:unconvert // Dev is an int32 on some systems
}
