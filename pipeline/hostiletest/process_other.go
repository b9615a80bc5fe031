//go:build !unix

package hostiletest

import (
	"os"
	"time"
)

// processTime is not known here.
func processTime() time.Duration { return 0 }

// peakOf is not known here.
func peakOf(*os.ProcessState) (bytes int64, ok bool) { return 0, false }
