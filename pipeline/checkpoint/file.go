package checkpoint

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	fileName  = "state.db"
	ownerName = "owner" // who holds the lock: only read to tell people
	format    = "1"
)

var (
	stateBucket = []byte("state")
	metaBucket  = []byte("meta")
	formatKey   = []byte("format")
	commitsKey  = []byte("commits")
	castagnoli  = crc32.MakeTable(crc32.Castagnoli)
	errChecksum = errors.New("checksum differs")
	errPanic    = errors.New("unreadable page")
)

// File keeps the entries in one file of a folder of its own (bbolt). An Append
// is one transaction: it returns when the disk has it. Every value carries a
// checksum, so a damaged file is an error and never a wrong answer.
type File struct {
	db      *bolt.DB
	dir     string
	commits uint64 // transactions in the file
	broken  error  // why no Append can be trusted any more
}

// Load implements Store.
func (f *File) Load(ctx context.Context, visit func(key, value []byte) error) error {
	var last []byte
	visiting := false
	each := func(key, stored []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		value, err := opened(key, stored)
		if err == nil && last != nil && bytes.Compare(last, key) >= 0 {
			err = fmt.Errorf("key %q after %q", key, last)
		}
		if err != nil {
			return fmt.Errorf("load state from %s: %s is %w: %w", f.dir, fileName, ErrDamaged, err)
		}
		last = key
		visiting = true
		err = visit(key, value)
		visiting = false
		return err
	}
	err := guardUnless(&visiting, func() error {
		return f.closed(f.db.View(func(tx *bolt.Tx) error {
			return tx.Bucket(stateBucket).ForEach(each)
		}))
	})
	if errors.Is(err, errPanic) {
		return fmt.Errorf("load state from %s: %w", f.dir, err)
	}
	return err
}

// Append implements Store. A full disk is an error after which the store is as
// before and can be used. When the disk fails so that nobody can tell whether
// the commit is there, every later Append fails too: opening the store again
// is what tells.
func (f *File) Append(ctx context.Context, delta *Delta) error {
	if f.broken != nil {
		return f.broken
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("append to state directory %s: %w", f.dir, err)
	}
	if err := delta.validate(); err != nil {
		return fmt.Errorf("append to state directory %s: %w", f.dir, err)
	}
	err := guard(func() error {
		return f.db.Update(func(tx *bolt.Tx) error { return f.apply(tx, delta) })
	})
	if err == nil {
		f.commits++
		return nil
	}
	if err = f.closed(err); errors.Is(err, ErrClosed) {
		return err
	}
	err = fmt.Errorf("append to state directory %s: %w", f.dir, err)
	if errors.Is(err, ErrDamaged) {
		f.broken = err
		return err
	}
	if !f.unchanged() {
		f.broken = fmt.Errorf("%w (whether that commit is on the disk is unknown: start again to find out)", err)
		return f.broken
	}
	return err
}

// unchanged reports whether the file surely holds no more than it did before
// a failed transaction.
func (f *File) unchanged() bool {
	var now uint64
	err := guard(func() error {
		return f.db.View(func(tx *bolt.Tx) error {
			now = commits(tx.Bucket(metaBucket))
			return nil
		})
	})
	return err == nil && now == f.commits
}

func (f *File) apply(tx *bolt.Tx, delta *Delta) error {
	state := tx.Bucket(stateBucket)
	for _, prefix := range delta.DeletePrefixes {
		if err := deletePrefix(state, prefix); err != nil {
			return err
		}
	}
	for _, key := range delta.Deletes {
		if err := state.Delete(key); err != nil {
			return err
		}
	}
	size := 0
	for _, put := range delta.Puts {
		size += len(put.Value) + crc32.Size
	}
	sealed := make([]byte, 0, size) // bbolt keeps the slices until the commit
	for _, put := range delta.Puts {
		start := len(sealed)
		sealed = append(sealed, put.Value...)
		sealed = binary.BigEndian.AppendUint32(sealed, checksum(put.Key, put.Value))
		if err := state.Put(put.Key, sealed[start:len(sealed):len(sealed)]); err != nil {
			return err
		}
	}
	return tx.Bucket(metaBucket).Put(commitsKey, binary.BigEndian.AppendUint64(nil, f.commits+1))
}

// deletePrefix collects the keys first: a cursor may skip one after a deletion.
func deletePrefix(state *bolt.Bucket, prefix []byte) error {
	var keys [][]byte
	cursor := state.Cursor()
	for key, _ := cursor.Seek(prefix); key != nil && bytes.HasPrefix(key, prefix); key, _ = cursor.Next() {
		keys = append(keys, bytes.Clone(key))
	}
	for _, key := range keys {
		if err := state.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// Close implements Store. A second Close does nothing.
func (f *File) Close() error {
	if errors.Is(f.broken, errPanic) {
		return nil // bbolt may hold a lock of its own for ever; the end of the process frees all
	}
	if err := f.db.Close(); err != nil {
		return fmt.Errorf("close state directory %s: %w", f.dir, err)
	}
	return nil
}

// closed translates bbolt's word for it.
func (f *File) closed(err error) error {
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

func checksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

// opened takes the checksum off a stored value.
func opened(key, stored []byte) ([]byte, error) {
	n := len(stored) - crc32.Size
	if n < 0 || binary.BigEndian.Uint32(stored[n:]) != checksum(key, stored[:n]) {
		return nil, fmt.Errorf("value of key %q: %w", key, errChecksum)
	}
	return stored[:n:n], nil
}

// guard runs f and turns what bbolt does on damaged pages, which is to panic
// or to touch memory that the file no longer backs, into an error.
func guard(f func() error) error {
	never := false
	return guardUnless(&never, f)
}

// guardUnless is guard, but lets a panic pass that comes while *foreign is
// true: it is not bbolt's.
func guardUnless(foreign *bool, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if *foreign {
			return
		}
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%s is %w: %w: %v", fileName, ErrDamaged, errPanic, cause)
		}
	}()
	return f()
}
