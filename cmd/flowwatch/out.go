package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// checkOut judges the file that a result is to be written to before the work is
// done that makes it.
func checkOut(path string) error {
	if path == "" {
		return nil
	}
	folder := filepath.Dir(path)
	switch at, err := os.Stat(folder); {
	case err != nil:
		return fmt.Errorf("--out: %w; accepted: a file in a folder that exists", err)
	case !at.IsDir():
		return fmt.Errorf("--out: %s is no folder; accepted: a file in a folder that exists", folder)
	}
	if at, err := os.Stat(path); err == nil && !at.Mode().IsRegular() {
		return fmt.Errorf("--out: %s is no regular file; accepted: a file that may be replaced, or none for standard output", path)
	}
	return nil
}

// writeWhole writes a file in one step: it is there with all of its content, or
// as it was.
func writeWhole(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(write(f), f.Chmod(0o644), f.Close()); err != nil { // others may read it, as with >
		return err
	}
	return os.Rename(f.Name(), path)
}
