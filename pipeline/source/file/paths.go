package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Stdin is the path that stands for standard input.
const Stdin = "-"

// input is one file that is to be read.
type input struct {
	path  string
	size  int64 // in bytes as stored; 0 for a pipe
	pipe  bool  // standard input, or no regular file: read once, from the beginning
	named bool  // given by its own path, not found in a folder
}

// expand turns paths, folders and globs into files, in the order given, the
// files of a folder in lexical order. A file that is named twice is read once.
// All problems are reported at once.
func expand(paths []string) ([]input, error) {
	if len(paths) == 0 {
		return nil, errors.New("no path given: name files, folders, globs, or - for standard input")
	}
	e := expansion{seen: make(map[string]bool)}
	for _, p := range paths {
		e.add(p)
	}
	wrong := slices.Concat(e.missing, e.problems)
	if len(e.rejected) == len(e.inputs) {
		wrong = append(wrong, e.rejected...)
	}
	var errs []error
	for _, p := range wrong {
		errs = append(errs, p)
	}
	return e.inputs, errors.Join(errs...)
}

// lookUp is expand for paths that may not exist yet, and for files that may go
// meanwhile.
func lookUp(paths []string) ([]input, []unusable) {
	e := expansion{seen: make(map[string]bool)}
	for _, p := range paths {
		e.add(p)
	}
	return e.inputs, e.problems
}

// unusable is a path that can't be read.
type unusable struct {
	kind, path string
	err        error
}

func (u unusable) Error() string { return u.kind + " " + u.path + ": " + u.err.Error() }

// Unwrap returns why.
func (u unusable) Unwrap() error { return u.err }

type expansion struct {
	inputs   []input
	seen     map[string]bool // by real path
	missing  []unusable      // nothing is there
	problems []unusable
	rejected []unusable // one for each file in a folder whose format is not accepted
}

func (e *expansion) add(path string) {
	if path == Stdin {
		e.take(input{path: Stdin, pipe: true, named: true})
		return
	}
	st, err := os.Stat(path)
	switch {
	case err == nil:
		e.addExisting(path, st)
	case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(path, "*?["):
		e.addGlob(path)
	case errors.Is(err, fs.ErrNotExist):
		e.miss("path", path, "no such file or folder")
	default:
		e.fail("path", path, reason(err))
	}
}

func (e *expansion) addGlob(pattern string) {
	matches, err := filepath.Glob(pattern)
	if err != nil {
		e.fail("glob", pattern, err)
		return
	}
	if len(matches) == 0 {
		e.miss("glob", pattern, "no file matches")
	}
	for _, m := range matches {
		st, err := os.Stat(m)
		if err != nil {
			e.fail("path", m, reason(err))
			continue
		}
		e.addExisting(m, st)
	}
}

func (e *expansion) addExisting(path string, st fs.FileInfo) {
	if st.IsDir() {
		e.addFolder(path)
		return
	}
	e.addFile(path, st, true)
}

// addFolder takes every regular file below the folder; names that begin with a
// dot, links to folders, sockets and the like are no flow logs.
func (e *expansion) addFolder(dir string) {
	found := 0
	// The separator makes WalkDir follow dir itself when it is a link.
	root := filepath.Clean(dir) + string(filepath.Separator)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			e.fail("path", filepath.Clean(path), reason(err))
			return nil
		}
		if path != root && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		st, err := os.Stat(path)
		if err != nil {
			e.fail("path", path, reason(err))
			return nil
		}
		if st.Mode().IsRegular() {
			found++
			e.addFile(path, st, false)
		}
		return nil
	})
	if err != nil {
		e.fail("folder", dir, reason(err))
	}
	if found == 0 {
		e.miss("folder", dir, "no file in it")
	}
}

// addFile checks that the file can be read and that its format is known. A
// file of an unknown format stops the run only when it was named: one that
// merely lies in a folder is left to be reported by whoever reads it.
func (e *expansion) addFile(path string, st fs.FileInfo, named bool) {
	in := input{path: filepath.Clean(path), size: st.Size(), named: named}
	if !st.Mode().IsRegular() {
		in.pipe, in.size = true, 0
		e.take(in)
		return
	}
	head, err := readHead(path)
	if err != nil {
		e.fail("path", path, reason(err))
		return
	}
	if _, err := sniff(head); err != nil {
		if named {
			e.fail("path", path, err)
			return
		}
		if e.take(in) {
			e.rejected = append(e.rejected, unusable{"path", path, err})
		}
		return
	}
	e.take(in)
}

// take adds the file, unless it is there already.
func (e *expansion) take(in input) bool {
	real := in.path
	if p, err := filepath.EvalSymlinks(in.path); err == nil {
		real = p
	}
	if p, err := filepath.Abs(real); err == nil && in.path != Stdin {
		real = p
	}
	if e.seen[real] {
		return false
	}
	e.seen[real] = true
	e.inputs = append(e.inputs, in)
	return true
}

func (e *expansion) fail(kind, path string, err error) {
	if errors.Is(err, fs.ErrNotExist) { // it went while this looked
		e.missing = append(e.missing, unusable{kind, path, err})
		return
	}
	e.problems = append(e.problems, unusable{kind, path, err})
}

func (e *expansion) miss(kind, path, why string) {
	e.missing = append(e.missing, unusable{kind, path, errors.New(why)})
}

// reason strips the operation and the path from an error of package os: the
// caller names both.
func reason(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
