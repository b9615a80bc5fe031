package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// OpenFile opens the store in dir. The folder is created when missing
// (0700; its parent as well), and so is the file (0600). It returns at once
// with ErrInUse when another store is open there, here or in another process,
// and with ErrDamaged when the file is not what a store wrote.
func OpenFile(dir string) (*File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create state directory: %w", err)
	}
	f := &File{dir: dir}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("open state directory %s: %w", dir, err)
	}
	f.tellOwner()
	return f, nil
}

func (f *File) open() error {
	var file *os.File
	options := &bolt.Options{
		Timeout:      time.Nanosecond, // 0 would wait for ever
		FreelistType: bolt.FreelistMapType,
		OpenFile: func(name string, flag int, mode fs.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	}
	err := guard(func() (err error) {
		if f.db, err = bolt.Open(filepath.Join(f.dir, fileName), 0o600, options); err != nil {
			return err
		}
		fresh := false
		if err := f.db.View(func(tx *bolt.Tx) (err error) {
			fresh, err = f.check(tx)
			return err
		}); err != nil || !fresh {
			return err
		}
		return f.db.Update(create)
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%w by %s", ErrInUse, f.owner())
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		err = fmt.Errorf("%s is %w: %w", fileName, ErrDamaged, err)
	}
	if f.db != nil {
		return errors.Join(err, f.db.Close())
	}
	if errors.Is(err, errPanic) && file != nil { // then bbolt left it open
		unlock(file)
		_ = file.Close()
	}
	return err
}

// check refuses a file that is not a store of this format. A fresh one has
// nothing in it yet.
func (f *File) check(tx *bolt.Tx) (fresh bool, err error) {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		if k, _ := tx.Cursor().First(); k != nil {
			return false, fmt.Errorf("%s is %w: it holds something else than flowwatch's state", fileName, ErrDamaged)
		}
		return true, nil
	}
	if got := string(meta.Get(formatKey)); got != format {
		return false, fmt.Errorf("%s has format %q, this version of flowwatch reads %q", fileName, got, format)
	}
	if tx.Bucket(stateBucket) == nil {
		return false, fmt.Errorf("%s is %w: it holds no state", fileName, ErrDamaged)
	}
	f.commits = commits(meta)
	return false, nil
}

// create makes an empty file a store.
func create(tx *bolt.Tx) error {
	if _, err := tx.CreateBucket(stateBucket); err != nil {
		return err
	}
	meta, err := tx.CreateBucket(metaBucket)
	if err != nil {
		return err
	}
	return meta.Put(formatKey, []byte(format))
}

func commits(meta *bolt.Bucket) uint64 {
	if b := meta.Get(commitsKey); len(b) == 8 {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// tellOwner writes who holds the lock. Only the text of an error depends on
// it, so that a full disk is no reason to fail here.
func (f *File) tellOwner() {
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	path := filepath.Join(f.dir, ownerName)
	if os.WriteFile(path, []byte("process "+strconv.Itoa(os.Getpid())+" on "+host+"\n"), 0o600) != nil {
		_ = os.Remove(path) // better nobody than somebody else
	}
}

func (f *File) owner() string {
	b, err := os.ReadFile(filepath.Join(f.dir, ownerName))
	if who := strings.TrimSpace(string(b)); err == nil && who != "" {
		return who
	}
	return "another process"
}
