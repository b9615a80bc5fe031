package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// ErrCrashed is what a Memory says after a fault that stands for the death of
// its process.
var ErrCrashed = errors.New("checkpoint store crashed")

// Memory keeps the entries in memory: for tests, and for work that needs no
// restart. It stands for a process's hold on a store; Reopen gives what the
// next process would find.
type Memory struct {
	// Fault, when set, is asked before each Append what happens to it; n
	// counts the Appends over all reopenings from 1.
	Fault func(n int, delta *Delta) Fault

	medium *medium
	mu     sync.Mutex
	ended  error // why this hold is over
}

// Fault says what happens to an Append.
type Fault uint8

// The faults. After a crash the hold is over, as if the process had died.
const (
	NoFault     Fault = iota
	Refuse            // an error, nothing is applied, the store stays usable: a full disk
	CrashBefore       // the process dies, nothing is applied
	CrashAfter        // all is applied, and the process dies before it learns so
)

// medium is what survives: the disk.
type medium struct {
	mu      sync.Mutex
	held    bool
	appends int
	entries map[string][]byte
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{medium: &medium{held: true, entries: map[string][]byte{}}}
}

// Reopen returns a new hold on the same entries, without a Fault. It is
// ErrInUse until the old hold is closed or has crashed.
func (m *Memory) Reopen() (*Memory, error) {
	m.medium.mu.Lock()
	defer m.medium.mu.Unlock()
	if m.medium.held {
		return nil, fmt.Errorf("open checkpoint in memory: %w by this process", ErrInUse)
	}
	m.medium.held = true
	return &Memory{medium: m.medium}, nil
}

// Crash ends the hold as the death of the process would. It may be called by
// any goroutine: an Append has then happened wholly or not at all.
func (m *Memory) Crash() { m.end(ErrCrashed) }

// Close implements Store.
func (m *Memory) Close() error {
	m.end(ErrClosed)
	return nil
}

func (m *Memory) end(why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.endLocked(why)
}

func (m *Memory) endLocked(why error) {
	if m.ended != nil {
		return
	}
	m.ended = why
	m.medium.mu.Lock()
	m.medium.held = false
	m.medium.mu.Unlock()
}

// Load implements Store.
func (m *Memory) Load(ctx context.Context, visit func(key, value []byte) error) error {
	m.mu.Lock()
	ended := m.ended
	m.mu.Unlock()
	if ended != nil {
		return ended
	}
	m.medium.mu.Lock()
	entries := maps.Clone(m.medium.entries) // values are never changed in place
	m.medium.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := visit([]byte(key), bytes.Clone(entries[key])); err != nil {
			return err
		}
	}
	return nil
}

// Append implements Store.
func (m *Memory) Append(ctx context.Context, delta *Delta) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended != nil {
		return m.ended
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("append to checkpoint in memory: %w", err)
	}
	if err := delta.validate(); err != nil {
		return fmt.Errorf("append to checkpoint in memory: %w", err)
	}
	n := m.medium.count()
	fault := NoFault
	if m.Fault != nil {
		fault = m.Fault(n, delta)
	}
	if fault == NoFault || fault == CrashAfter {
		m.medium.apply(delta)
	}
	switch fault {
	case Refuse:
		return fmt.Errorf("append %d to checkpoint in memory: refused", n)
	case CrashBefore, CrashAfter:
		m.endLocked(ErrCrashed)
		return m.ended
	}
	return nil
}

// Appends returns how many Appends there were over all reopenings, whatever
// became of them.
func (m *Memory) Appends() int {
	m.medium.mu.Lock()
	defer m.medium.mu.Unlock()
	return m.medium.appends
}

func (d *medium) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.appends++
	return d.appends
}

func (d *medium) apply(delta *Delta) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, prefix := range delta.DeletePrefixes {
		p := string(prefix)
		maps.DeleteFunc(d.entries, func(key string, _ []byte) bool { return strings.HasPrefix(key, p) })
	}
	for _, key := range delta.Deletes {
		delete(d.entries, string(key))
	}
	for _, put := range delta.Puts {
		d.entries[string(put.Key)] = append([]byte{}, put.Value...)
	}
}
