package file

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flowwatch/flowwatch/pipeline"
)

const (
	// ahead is how long before the others come to its start a file is opened,
	// in seconds of event time. It covers what the probing of chunks does not
	// see: the length of a record (at most 1 h) and some disorder.
	ahead = 2 * 60 * 60

	// stallAfter is how long no open file asks for more before the next file
	// is opened all the same.
	stallAfter = 100 * time.Millisecond
)

// schedule opens files in the order of their first record, the next one when
// fewer than Parallel are open or when every open file has come to its start.
//
// Why it cannot stop for ever. The host holds back a partition that is more
// than an hour ahead of the global watermark, the least over all registered
// files that have not ended; let f be a file that has the least.
//   - If f is open, the host does not hold it back, and it gets a turn: a turn
//     is held inside Next only, where nothing but the file itself is waited
//     for. So f goes on, until it has ended or another file has the least.
//   - If f is not open, neither is any file before it in the order waiting for
//     anything but this schedule, and every open file either goes on or is
//     held back. Going on ends when the files end, which opens the next. When
//     all are held back, none of them is inside Next, and after stallAfter the
//     next file in order is opened, and so on until f is.
//
// The stall is the last resort: it is only needed where times within a file
// are so disordered that its last line says too little about it. Opening a
// file early is never wrong, it only costs a descriptor and a buffer.
type schedule struct {
	source *Source
	host   pipeline.Host
	ctx    context.Context
	group  *errgroup.Group

	mu     sync.Mutex
	queue  []*file        // not opened yet, by start
	open   map[*file]bool // open files; true while inside Next
	inside int            // how many are
	stall  *time.Timer
}

// runSchedule works on all the files, and on what the follower adds to them
// unless that is nil, and returns the first error of the host.
func runSchedule(ctx context.Context, source *Source, host pipeline.Host, files []*file, follow *follower) error {
	group, ctx := errgroup.WithContext(ctx)
	s := &schedule{source: source, host: host, ctx: ctx, group: group, open: make(map[*file]bool)}
	s.stall = time.AfterFunc(stallAfter, s.stalled)
	defer s.stall.Stop()
	s.add(files)
	if follow != nil {
		follow.schedule = s
		group.Go(func() error { return follow.run(ctx) })
	}
	return group.Wait()
}

// add puts files into the queue.
func (s *schedule) add(files []*file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range files {
		f.schedule = s
	}
	s.queue = append(s.queue, files...)
	slices.SortStableFunc(s.queue, func(a, b *file) int { return cmp.Compare(a.start, b.start) })
	s.openReached()
	s.watch()
}

// openReached opens every file whose time has come. s.mu is held.
func (s *schedule) openReached() {
	for len(s.queue) > 0 && s.ctx.Err() == nil && (len(s.open) < s.source.cfg.Parallel || s.queue[0].start <= s.front()) {
		s.openNext()
	}
}

// front is the event time up to which files are to be open. s.mu is held.
func (s *schedule) front() int64 {
	least := int64(unknown)
	first := true
	for f := range s.open {
		if first || f.reached < least {
			least, first = f.reached, false
		}
	}
	if least == unknown {
		return unknown
	}
	return least + ahead
}

// openNext hands the next file to the host. s.mu is held.
func (s *schedule) openNext() {
	f := s.queue[0]
	s.queue = s.queue[1:]
	s.open[f] = false
	s.source.open.Add(1)
	s.group.Go(func() error {
		err := s.host.Work(s.ctx, f)
		f.close()
		if f.followed != nil && err == nil {
			f.followed.ends()
		}
		s.end(f)
		return err
	})
}

func (s *schedule) end(f *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(f, false)
	delete(s.open, f)
	s.source.open.Add(-1)
	s.openReached()
	s.watch()
}

func (s *schedule) enter(f *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A pipe may wait inside Next for its writer, which is no sign of going on.
	s.settle(f, !f.pipe)
	s.watch()
}

func (s *schedule) leave(f *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(f, false)
	s.openReached()
	s.watch()
}

// advance notes that f has come to the event time at.
func (s *schedule) advance(f *file, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.reached = max(f.reached, at)
}

func (s *schedule) settle(f *file, inside bool) {
	if s.open[f] == inside {
		return
	}
	s.open[f] = inside
	if inside {
		s.inside++
	} else {
		s.inside--
	}
}

// watch starts the wait for a stall when no file is inside Next. s.mu is held.
func (s *schedule) watch() {
	if s.inside > 0 || len(s.queue) == 0 {
		s.stall.Stop()
		return
	}
	s.stall.Reset(stallAfter)
}

func (s *schedule) stalled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inside == 0 && len(s.queue) > 0 && len(s.open) > 0 && s.ctx.Err() == nil {
		s.openNext()
		s.watch()
	}
}
