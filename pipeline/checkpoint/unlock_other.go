//go:build !unix || solaris || aix

package checkpoint

import "os"

// unlock does nothing: the lock ends when the file is closed, or with the
// process.
func unlock(*os.File) {}
