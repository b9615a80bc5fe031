package file

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"sync"
	"time"

	"github.com/flowwatch/flowwatch/pipeline"
)

const (
	// poll is how often the paths are looked up, and a file for growth.
	poll = time.Second
	// settled is how long a file must not have grown until it is at its end,
	// where something else says so: its name is another's now and that one has
	// content, or it is compressed and whole.
	settled = 5 * time.Second
	// damaged is how long a file must not have grown until what cannot be read
	// of it is taken for damage and not for a file that is being written.
	damaged = time.Minute
	// quiet is how long a file must not have grown to count as empty.
	quiet = 15 * time.Minute
	// closed is how long a file must not have grown to be at its end, the last
	// one that is followed excepted. When it grows after all, a partition of its
	// own goes on there.
	closed = time.Hour
)

// followed is what a file has that is followed: one content, wherever it lies.
type followed struct {
	origin string // the path where it was first seen
	number int    // of the contents seen at origin, from 1
	prev   *file  // the content that was at origin before, and has to end first
	header []byte // goes before what is read first, when that is in the middle

	// Next alone uses these.
	tail   *tail // of a plain file that is open
	paused bool
	broken error // why reading stopped, if the file does not grow
	whole  bool  // a compressed file has been read to its end
	opened int64 // size as stored of a compressed file when it was opened
	last   place

	mu       sync.Mutex // guards what the follower and Next share
	identity identity
	path     string // where it is now, "" when nowhere
	held     bool   // a plain file is open, and Next looks at its size
	size     int64  // as stored, when it was last looked at
	modified int64
	grown    time.Time // when size last changed
	next     *file     // what is at origin now
	end      bool      // Next has returned io.EOF, or did in a run before
}

// nextFollowed is Next for a followed file.
func (f *file) nextFollowed(ctx context.Context) (pipeline.Batch, error) {
	w := f.followed
	if w.paused {
		select {
		case <-ctx.Done():
			return pipeline.Batch{}, ctx.Err()
		case <-time.After(f.source.poll):
		}
	}
	f.schedule.enter(f)
	defer f.schedule.leave(f)
	if err := f.source.turns.acquire(ctx, f.reached); err != nil {
		return pipeline.Batch{}, err
	}
	defer f.source.turns.release()
	for {
		chunk, err := f.readFollowed(ctx)
		switch {
		case ctx.Err() != nil:
			return pipeline.Batch{}, ctx.Err()
		case err == nil:
			w.paused = false
			f.payload[0] = pipeline.Payload{Data: chunk, Position: f.place()}
			f.advance(chunk)
			return pipeline.Batch{Payloads: f.payload[:]}, nil
		case tooManyOpen(err):
			return pipeline.Batch{}, f.descriptors(err)
		case err == io.EOF && !w.whole:
			f.finish()
			return pipeline.Batch{}, err
		}
		w.paused = true
		f.schedule.advance(f, math.MaxInt64) // it holds no other file back
		still := f.still()
		if !f.mayEnd(still) {
			return pipeline.Batch{Idle: still >= quiet}, nil
		}
		if w.broken != nil {
			f.source.report(Problem{w.origin, f.offset(), reason(w.broken)})
		}
		w.whole = false
		if w.tail == nil {
			f.finish()
			return pipeline.Batch{}, io.EOF
		}
		w.tail.final = true // its last line may have no end
	}
}

// readFollowed returns the next chunk, or errPaused, or io.EOF at the end of a
// file that does not grow any more.
func (f *file) readFollowed(ctx context.Context) ([]byte, error) {
	w := f.followed
	if w.paused && !f.goesOn() {
		return nil, errPaused
	}
	chunk, err := f.read(ctx)
	if err == nil && w.header != nil {
		chunk, w.header = append(w.header, chunk...), nil
	}
	switch {
	case err == nil || ctx.Err() != nil || errors.Is(err, errPaused) || tooManyOpen(err):
	case err == io.EOF && w.tail != nil:
	case err == io.EOF:
		w.whole = true
		f.reopenLater()
	default:
		w.broken = err
		f.reopenLater()
		return nil, errPaused
	}
	return chunk, err
}

// goesOn reports whether a paused file may have more: it has grown, or it lies
// where it can be opened.
func (f *file) goesOn() bool {
	w := f.followed
	if w.tail != nil {
		return f.sameContent()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.path == "" || (w.whole || w.broken != nil) && w.size == w.opened {
		return false
	}
	w.whole, w.broken = false, nil
	return true
}

// sameContent reports whether the open file still has the content that was
// read, and more. One that was emptied, perhaps after it was copied, is given
// up: the rest may be in the copy.
func (f *file) sameContent() bool {
	w := f.followed
	if w.tail.final {
		return true
	}
	st, err := w.tail.f.Stat()
	if err != nil {
		f.reopenLater()
		return false
	}
	head := make([]byte, maxPrint)
	n, err := w.tail.f.ReadAt(head, 0)
	w.mu.Lock()
	known := w.identity
	w.mu.Unlock()
	if st.Size() < f.chunks.off || err != nil && err != io.EOF || !known.begins(head[:n]) {
		f.reopenLater()
		w.mu.Lock()
		w.grown = f.source.now() // there is time to find the copy
		w.mu.Unlock()
		return false
	}
	f.note(st, known.of(head[:n]))
	return st.Size() > w.tail.at
}

// note takes in what is known of the file now.
func (f *file) note(st os.FileInfo, now identity) {
	w := f.followed
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.n > w.identity.n {
		w.identity = now
	}
	if st.Size() != w.size {
		w.grown = f.source.now()
	}
	w.size, w.modified = st.Size(), st.ModTime().UnixNano()
}

// reopenLater closes the file; what was not returned of it will be read again.
func (f *file) reopenLater() {
	f.resumeAt = f.offset()
	f.close()
	f.chunks = nil
	f.hold(nil)
}

// hold makes an open plain file the one that is read.
func (f *file) hold(t *tail) {
	w := f.followed
	w.tail = t
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = t != nil
}

// openFollowed opens the file where it is now and goes to where reading goes on.
func (f *file) openFollowed(ctx context.Context, size int) error {
	w := f.followed
	w.mu.Lock()
	path, known := w.path, w.identity
	w.mu.Unlock()
	if path == "" {
		return errPaused
	}
	raw, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return errPaused
	}
	if err != nil {
		return err
	}
	st, err := raw.Stat()
	if err != nil {
		_ = raw.Close()
		return err
	}
	begin, err := readBeginning(raw, st.Size())
	if err != nil || !known.begins(begin.head) { // it will be found again, or has gone
		_ = raw.Close()
		return errors.Join(err, errPaused)
	}
	f.note(st, known.of(begin.head))
	w.opened = st.Size()
	if begin.format != plain {
		_ = raw.Close()
		f.path, f.size = path, st.Size()
		return f.openAt(ctx, size)
	}
	f.hold(&tail{f: raw})
	f.raw, f.stored = raw, &counting{r: w.tail, total: &f.source.done}
	f.chunks = &chunker{r: f.stored, eager: true}
	if f.resumeAt > 0 && !isJSON(begin.head) {
		w.tail.at = f.resumeAt
		f.chunks.off, f.chunks.sniffed = f.resumeAt, true
	}
	return nil
}

// isJSON reports whether content that begins with head is JSON: whether it is
// one value a line shows at its beginning alone, so it is read through.
func isJSON(head []byte) bool {
	t := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	return len(t) == 0 || t[0] == '{' || t[0] == '['
}

// place is where the file has been read to.
func (f *file) place() place {
	w := f.followed
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = place{f.offset(), w.identity, w.size, w.modified}
	return w.last
}

// still is for how long the file has not grown.
func (f *file) still() time.Duration {
	w := f.followed
	w.mu.Lock()
	defer w.mu.Unlock()
	return f.source.now().Sub(w.grown)
}

// mayEnd reports whether the file is at its end. The last one never is: where
// all partitions have ended, event time has too.
func (f *file) mayEnd(still time.Duration) bool {
	w := f.followed
	w.mu.Lock()
	replaced := w.path != w.origin && w.next != nil
	others := w.next != nil
	w.mu.Unlock()
	wait := closed
	switch {
	case replaced || w.whole:
		wait = f.source.settled
	case w.broken != nil:
		wait = damaged
	}
	return still >= wait && f.source.leave(others)
}

// leave takes a file out of those that are followed; the last only if another
// will take its place.
func (s *Source) leave(replaced bool) bool {
	for {
		n := s.following.Load()
		if n < 2 && !replaced {
			return false
		}
		if s.following.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// continuation is what goes on where the file has ended.
func (f *file) continuation() []pipeline.Start {
	w := f.followed
	w.mu.Lock()
	next := w.next
	w.mu.Unlock()
	if next == nil {
		return nil
	}
	return []pipeline.Start{next.announce()}
}

// ends notes that the end of the file is merged.
func (w *followed) ends() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end, w.path = true, ""
}
