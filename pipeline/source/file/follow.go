package file

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowwatch/flowwatch/pipeline"
)

// follower looks the paths up again and again, finds out which content each
// file on the disk has, and hands what is new to the schedule. All its state
// follows from the committed positions and what lies on the disk, so after a
// restart it finds whatever was moved, copied or compressed meanwhile.
//
// Each content is a partition, "source/path#1" and so on by the path where it
// was first seen. What comes to a path later continues what was there before.
type follower struct {
	source   *Source
	host     pipeline.Host
	schedule *schedule
	known    []*file              // every content ever seen, those that have ended among them
	newest   map[string]*file     // by origin: what came there last
	numbers  map[string]int       // by origin: the highest
	seen     map[string]candidate // by path, at the last look
	waiting  []*file              // for the end of what was at their path before
	rejected map[string]bool      // paths that were reported and still are wrong
	wrong    map[string]bool      // of this look
}

// index finds known contents.
type index struct {
	inodes map[[2]uint64][]*file
	prints map[uint64]*file // whose print is of maxPrint bytes
	short  []*file          // the others
}

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

func newFollower(s *Source, host pipeline.Host) *follower {
	return &follower{
		source: s, host: host, newest: map[string]*file{}, numbers: map[string]int{}, seen: map[string]candidate{},
	}
}

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

// add makes a content known.
func (w *follower) add(origin string, number int, at place) *file {
	f := &file{source: w.source, start: unknown, reached: unknown, resumeAt: at.off}
	f.path = origin
	f.followed = &followed{
		origin: origin, number: number, identity: at.identity,
		size: at.size, modified: at.modified, grown: w.source.now(),
	}
	f.id = fmt.Sprintf("%s/%s#%d", w.source.cfg.Name, origin, number)
	w.known = append(w.known, f)
	w.numbers[origin] = max(w.numbers[origin], number)
	return f
}

// run looks every poll until ctx ends.
func (w *follower) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(w.source.poll):
		}
		if ready := w.look(); len(ready) > 0 {
			if err := w.register(ctx, ready); err != nil {
				return err
			}
			w.schedule.add(ready)
		}
	}
}

// register announces partitions, all in one call.
func (w *follower) register(ctx context.Context, files []*file) error {
	var starts []pipeline.Start
	for _, f := range files {
		starts = append(starts, f.announce())
		w.source.following.Add(1)
	}
	if err := w.host.Register(ctx, starts); err != nil && ctx.Err() == nil {
		return fmt.Errorf("register files: %w", err)
	}
	return ctx.Err()
}

// look finds what each file on the disk is and returns the contents that can
// be read from now on and could not before.
func (w *follower) look() []*file {
	candidates := w.candidates()
	taken := map[*file]*candidate{}
	of := make([]*file, len(candidates))
	known := w.index()
	for _, byInode := range []bool{true, false} {
		for i := range candidates {
			c := &candidates[i]
			if of[i] == nil {
				of[i] = known.match(c, byInode)
			}
			if f := of[i]; f != nil && taken[f] == nil {
				taken[f] = c
			}
		}
	}
	var fresh []*file
	for i := range candidates {
		switch c := &candidates[i]; {
		case of[i] == nil && w.isNew(c):
			fresh = append(fresh, w.begin(c))
			taken[fresh[len(fresh)-1]] = c
		case of[i] != nil && taken[of[i]] == c && w.grew(of[i], c):
			f := w.goOn(of[i], c)
			fresh, taken[f] = append(fresh, f), c
		}
	}
	for _, f := range w.known {
		f.found(taken[f])
	}
	w.waiting = append(w.waiting, fresh...)
	return w.ready()
}

// ready takes the contents out of those that wait whose predecessor has ended.
func (w *follower) ready() (ready []*file) {
	w.waiting = slices.DeleteFunc(w.waiting, func(f *file) bool {
		prev := f.followed.prev
		if prev != nil && !prev.hasEnded() {
			return false
		}
		ready = append(ready, f)
		return true
	})
	return ready
}

func (f *file) hasEnded() bool {
	f.followed.mu.Lock()
	defer f.followed.mu.Unlock()
	return f.followed.end
}

// found notes where the file is now.
func (f *file) found(c *candidate) {
	w := f.followed
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.end {
		return
	}
	was := w.path
	w.path = ""
	if c == nil {
		return
	}
	w.path = c.path
	if !w.held && (c.size != w.size || was != c.path) {
		w.size, w.modified, w.grown = c.size, c.modified, f.source.now()
	}
}

// index sorts the known contents, so that the newer ones are found first.
func (w *follower) index() *index {
	x := &index{inodes: map[[2]uint64][]*file{}, prints: map[uint64]*file{}}
	for _, f := range w.known {
		known := f.identity()
		if known.ino != 0 {
			inode := [2]uint64{known.dev, known.ino}
			x.inodes[inode] = append(x.inodes[inode], f)
		}
		if known.n == maxPrint {
			x.prints[known.print] = f
		} else {
			x.short = append(x.short, f)
		}
	}
	return x
}

// match returns the content that a file has, told by its inode and beginning or
// else by enough of the content alone; nil when it is none of them. Little
// content tells something only under a name like the one it had.
func (x *index) match(c *candidate, byInode bool) *file {
	if byInode {
		for _, f := range slices.Backward(x.inodes[[2]uint64{c.identity.dev, c.identity.ino}]) {
			if f.identity().begins(c.head) {
				return f
			}
		}
		return nil
	}
	if len(c.head) >= maxPrint {
		if f := x.prints[printOf(c.head[:maxPrint])]; f != nil {
			return f
		}
	}
	for _, f := range slices.Backward(x.short) {
		if strings.HasPrefix(c.path, f.followed.origin) && f.identity().begins(c.head) {
			return f
		}
	}
	return nil
}

func (f *file) identity() identity {
	f.followed.mu.Lock()
	defer f.followed.mu.Unlock()
	return f.followed.identity
}

// isNew reports whether a file that is none of the known contents is to be
// read: one of the paths, or one beside them that got there after the last
// look, by two rotations while nobody was looking.
func (w *follower) isNew(c *candidate) bool {
	if len(c.head) == 0 || !c.whole && w.source.now().Sub(c.since) < damaged {
		return false
	}
	if c.sibling == "" {
		return true
	}
	last := w.newest[c.sibling]
	if last == nil {
		return false
	}
	last.followed.mu.Lock()
	defer last.followed.mu.Unlock()
	return c.modified > last.followed.modified
}

// begin makes the content of a file known that was not.
func (w *follower) begin(c *candidate) *file {
	origin := cmp.Or(c.sibling, c.path)
	prev := w.newest[origin]
	f := w.add(origin, w.numbers[origin]+1, place{identity: c.identity.of(c.head), size: c.size, modified: c.modified})
	f.start = f.startOf(c.head)
	f.reached = f.start
	w.newest[origin] = f
	if prev != nil {
		f.followed.prev = prev
		prev.followed.mu.Lock()
		prev.followed.next = f
		prev.followed.mu.Unlock()
	}
	return f
}

// grew reports whether a content that had ended has more.
func (w *follower) grew(f *file, c *candidate) bool {
	f.followed.mu.Lock()
	defer f.followed.mu.Unlock()
	if !f.followed.end {
		return false
	}
	if f.followed.identity.sameInode(c.identity) {
		return c.size != f.followed.size
	}
	return c.format == plain && c.size > f.offset()
}

// goOn follows a content that had ended under a new partition.
func (w *follower) goOn(old *file, c *candidate) *file {
	origin := old.followed.origin
	f := w.add(origin, w.numbers[origin]+1, place{old.offset(), c.identity.of(c.head), c.size, c.modified})
	f.followed.header = Header(c.head)
	if w.newest[origin] == old {
		w.newest[origin] = f
	}
	return f
}

// startOf is the start of the first record in the beginning of a file.
func (f *file) startOf(head []byte) int64 {
	if f.source.cfg.Probe == nil {
		return unknown
	}
	first := firstLine(head)
	if _, ok := f.source.cfg.Probe(first); !ok {
		f.header = slices.Clone(first)
	}
	if start, ok := f.source.cfg.Probe(head); ok {
		return start.Unix()
	}
	return unknown
}

// candidates are the files on the disk that are or may be of the paths, the
// least recently modified first.
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
	var all []candidate
	for _, c := range now {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.modified, b.modified), cmp.Compare(a.path, b.path))
	})
	return all
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
