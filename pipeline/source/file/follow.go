package file

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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

func newFollower(s *Source, host pipeline.Host) *follower {
	return &follower{
		source: s, host: host, newest: map[string]*file{}, numbers: map[string]int{}, seen: map[string]candidate{},
	}
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
