package envelope

import "fmt"

// Error says what of a payload could not be read. Everything before it was
// handed out.
type Error struct {
	Layer  string // gzip, zstd, json, or the name of a format that is not read
	Offset int    // into that layer's bytes, of the first trouble
	// Count is how many pieces were given up: 1 for a break, behind which
	// nothing can be read; one for each object or event without a message.
	Count int
	Err   error // the first trouble
}

// Error describes the first trouble.
func (e *Error) Error() string {
	if e.Count > 1 {
		return fmt.Sprintf("read %s at byte %d: %v (and %d more)", e.Layer, e.Offset, e.Err, e.Count-1)
	}
	return fmt.Sprintf("read %s at byte %d: %v", e.Layer, e.Offset, e.Err)
}

// Unwrap returns the trouble itself.
func (e *Error) Unwrap() error { return e.Err }
