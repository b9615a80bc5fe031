package checkpoint

import (
	"errors"
	"fmt"
)

var (
	// ErrInUse says that somebody else holds the store.
	ErrInUse = errors.New("in use")
	// ErrClosed says that the store was closed before.
	ErrClosed = errors.New("checkpoint store is closed")
	// ErrDamaged says that what is stored cannot be read. What to do about it
	// is for people to decide: nothing is repaired, deleted or skipped.
	ErrDamaged = errors.New("damaged")
)

// MaxKey is the length that no key may exceed, in bytes.
const MaxKey = 32768

// validate refuses what not every store could keep.
func (d *Delta) validate() error {
	for _, put := range d.Puts {
		switch {
		case len(put.Key) == 0:
			return errors.New("put an empty key: keys have 1 byte or more")
		case len(put.Key) > MaxKey:
			return fmt.Errorf("put a key of %d bytes: keys have at most %d", len(put.Key), MaxKey)
		}
	}
	return nil
}
