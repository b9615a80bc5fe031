package file

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// candidate is a file on the disk.
type candidate struct {
	path     string
	sibling  string // the path beside which it was found, when it is not of the paths itself
	identity identity
	size     int64
	modified int64
	since    time.Time // when it was first seen with this size
	beginning
}

// candidates are the files on the disk that are or may be of the paths: first
// those that rotation put beside a path, since what lies at the path now came
// later, whatever a compressor left as their time; then the least recently
// modified first.
func (w *follower) candidates() []candidate {
	w.wrong = map[string]bool{}
	inputs, problems := lookUp(w.source.cfg.Paths)
	for _, problem := range problems {
		w.reject(problem.path, problem.err)
	}
	of := map[string]bool{}
	for _, in := range inputs {
		of[in.path] = true
	}
	now := map[string]candidate{}
	for _, in := range inputs {
		if c, ok := w.candidate(in.path, ""); ok {
			now[in.path] = c
		}
	}
	for path, of := range w.siblings(of) {
		if c, ok := w.candidate(path, of); ok {
			now[path] = c
		}
	}
	w.seen, w.rejected = now, w.wrong
	var beside, at []candidate
	for _, c := range now {
		if c.sibling != "" {
			beside = append(beside, c)
		} else {
			at = append(at, c)
		}
	}
	byAge := func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.modified, b.modified), cmp.Compare(a.path, b.path))
	}
	slices.SortFunc(beside, byAge)
	slices.SortFunc(at, byAge)
	return append(beside, at...)
}

// siblings are the files beside known ones, other than those of the paths, that
// rotation may have named after them: log.1, log-20261124.gz. It maps each to
// the path that it is named after.
func (w *follower) siblings(of map[string]bool) map[string]string {
	folders := map[string]bool{}
	for origin := range w.newest {
		folders[filepath.Dir(origin)] = true
	}
	found := map[string]string{}
	for folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			continue // it has gone, or the paths in it say so
		}
		for _, e := range entries {
			path := filepath.Join(folder, e.Name())
			if of[path] || !e.Type().IsRegular() {
				continue
			}
			for i := len(path) - 1; i > len(folder); i-- {
				if (path[i] == '.' || path[i] == '-') && w.newest[path[:i]] != nil {
					found[path] = path[:i]
					break
				}
			}
		}
	}
	return found
}

// candidate looks at one file, at its content only when it has changed.
func (w *follower) candidate(path, sibling string) (c candidate, ok bool) {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() {
		return c, false // it has gone
	}
	c = candidate{path: path, sibling: sibling, size: st.Size(), modified: st.ModTime().UnixNano(), since: w.source.now()}
	c.identity.dev, c.identity.ino = inodeOf(st)
	if last, ok := w.seen[path]; ok && last.size == c.size && last.modified == c.modified && last.identity == c.identity {
		c.since, c.beginning = last.since, last.beginning
		return c, true
	}
	f, err := os.Open(path)
	if err != nil {
		w.reject(path, err)
		return c, false
	}
	defer f.Close()
	if c.beginning, err = readBeginning(f, st.Size()); err != nil {
		w.reject(path, err)
		return c, false
	}
	if c.format == plain && len(c.head) < maxPrint && bytes.IndexByte(c.head, '\n') < 0 {
		c.whole = false // not one line yet
	}
	return c, true
}

// reject reports what can't be read, once.
func (w *follower) reject(path string, err error) {
	again := w.rejected[path] || w.wrong[path]
	w.wrong[path] = true
	if !again {
		w.source.report(Problem{Path: path, Err: reason(err)})
	}
}
