package file

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flowwatch/flowwatch/pipeline"
)

// begins returns the contents that are to be read at first. It takes what it
// knows out of resumed.
func (w *follower) begins(resumed map[string]pipeline.Resumed) ([]*file, error) {
	own := map[string]pipeline.Resumed{}
	for id, r := range resumed {
		own[id] = r
	}
	for _, pipe := range w.source.files {
		delete(own, pipe.ID())
	}
	for id := range own {
		delete(resumed, id)
	}
	w.wrong = map[string]bool{}
	if err := w.restore(own); err != nil {
		return nil, err
	}
	var files []*file
	for _, f := range w.known {
		if !f.followed.end {
			files = append(files, f)
		}
	}
	files = append(files, w.look()...)
	w.source.following.Add(int64(len(files)))
	return files, nil
}

// restore takes in what was committed.
func (w *follower) restore(resumed map[string]pipeline.Resumed) error {
	starts := map[string]pipeline.Resumed{}
	for id, r := range resumed {
		starts[id] = r
		for _, child := range r.Children { // it may not have been registered yet
			if _, ok := resumed[child.ID]; !ok {
				starts[child.ID] = pipeline.Resumed{Position: child.At}
			}
		}
	}
	for id, r := range starts {
		path, ok := strings.CutPrefix(id, w.source.cfg.Name+"/")
		if !ok {
			return fmt.Errorf("resume %s: want an ID that begins with %s/", id, w.source.cfg.Name)
		}
		origin, number := splitNumber(path)
		at, err := parsePlace(r.Position)
		if number == 0 && err != nil { // from before files were followed
			at, err = w.adopt(path, r.Position)
		}
		if err != nil {
			return fmt.Errorf("resume %s: %w", id, err)
		}
		f := w.add(origin, number, at)
		f.id = id
		f.followed.end, f.ended = r.Ended, r.Ended
	}
	slices.SortFunc(w.known, func(a, b *file) int {
		return cmp.Or(cmp.Compare(a.followed.origin, b.followed.origin), cmp.Compare(a.followed.number, b.followed.number))
	})
	for _, f := range w.known {
		w.newest[f.followed.origin] = f
	}
	return nil
}

// splitNumber takes a path and the number of its content apart; 0 is none.
func splitNumber(path string) (origin string, number int) {
	i := strings.LastIndexByte(path, '#')
	if i < 0 {
		return path, 0
	}
	number, err := strconv.Atoi(path[i+1:])
	if err != nil || number < 1 {
		return path, 0
	}
	return path[:i], number
}

// adopt takes over a file that was read without being followed: what lies there
// now is taken for what was read.
func (w *follower) adopt(path string, position pipeline.Position) (at place, err error) {
	if at.off, err = parsePosition(position); err != nil {
		return at, err
	}
	c, ok := w.candidate(path, "")
	if !ok {
		return at, nil
	}
	at.identity, at.size, at.modified = c.identity.of(c.head), c.size, c.modified
	if c.format == plain {
		at.size = at.off
	}
	return at, nil
}
