//go:build !unix

package hostiletest

import (
	"time"
)

// processTime is not known here.
func processTime() time.Duration { return 0 }
