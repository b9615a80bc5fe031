// Package checkpoint keeps what the back half has committed: a set of
// key-value entries that changes by atomic deltas.
package checkpoint

import "context"

// Entry is one piece of committed state.
type Entry struct{ Key, Value []byte }

// Delta is one commit: first the deletions, then the puts. It may hold a key
// at most once among Puts.
type Delta struct {
	DeletePrefixes [][]byte // every key that begins with one of these
	Deletes        [][]byte // absent keys are no error
	Puts           []Entry
}

// Store keeps the entries. One process owns a store at a time: opening one
// that another process holds is an error that says so.
//
// Append is the commit: when it returns nil the whole delta is durable, when
// it returns an error none of it has been applied, also after a crash in the
// middle. Append and Load are called by one goroutine at a time.
type Store interface {
	// Load visits every entry in ascending order of keys. Key and value are
	// valid during the visit only.
	Load(ctx context.Context, visit func(key, value []byte) error) error
	Append(ctx context.Context, delta *Delta) error
	Close() error
}
