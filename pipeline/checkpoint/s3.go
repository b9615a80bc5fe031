package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// rebaseDeltas bounds the objects that a start has to read, and the pointer.
	rebaseDeltas = 64
	// rebaseAge is when an old base is written anew, so that no object that is
	// in use is much older: a lifecycle rule may then expire what is.
	rebaseAge = 24 * time.Hour
	// rebaseTime is what a new base may take.
	rebaseTime = 30 * time.Second
)

// S3 keeps the entries in a bucket: segments, objects with keys that are used
// once and never change, and a pointer that says which of them are the state.
// A commit puts its delta as a new segment and then writes the pointer on the
// condition that it is still the one that was read or written last; that is the
// moment at which it takes effect. A holder that another one has taken the
// place of can therefore commit nothing more.
//
// A crash between two requests leaves objects that nothing refers to, and no
// other trace: of what one commit or one base was about to put. What a pointer
// supersedes is named in it until it has been deleted, so that the next holder
// does what a crash prevented. Nothing is ever listed.
//
// The segments are kept in the bucket alone: a new base is merged from them
// while it is written, and memory holds no more than the deltas and a few
// segments meanwhile.
type S3 struct {
	place  string // for messages
	prefix string // of keys, with its slash
	bucket bucket
	codec  codec
	size   int // of a segment
	pace   pace
	log    *zap.Logger
	self   holder
	puts   uint64 // segments put so far, by which they are named

	stop    context.CancelFunc // ends the renewals
	stopped chan struct{}

	turn chan struct{} // full while the pointer is written; to wait for it ends with a context

	mu       sync.Mutex // of what follows; never held over a request
	now      *pointer   // as last acknowledged
	etag     string     // of the pointer in the bucket
	wrote    time.Time
	writes   uint64
	unwanted []string // objects to delete, beneath the prefix
	ended    error    // why nothing more can be done
}

// Load implements Store.
func (s *S3) Load(ctx context.Context, visit func(key, value []byte) error) error {
	now, err := s.current()
	if err != nil {
		return err
	}
	foreign := false // an error of visit is handed on as it is
	err = s.entries(ctx, now, func(key, value []byte) error {
		err := ctx.Err()
		if err == nil {
			err = visit(key, value)
			foreign = err != nil
		}
		return err
	})
	if err == nil || foreign {
		return err
	}
	return fmt.Errorf("load state from %s: %w", s.place, err)
}

// Append implements Store. Whether a commit took effect whose answer was lost
// is found out before the next: it then holds, or is as if it had never been.
// An error that wraps ErrInUse is for good: another process has the store now.
func (s *S3) Append(ctx context.Context, delta *Delta) error {
	now, err := s.current()
	if err != nil {
		return err
	}
	if err = s.append(ctx, now, delta); err != nil {
		return fmt.Errorf("append to %s: %w", s.place, err)
	}
	s.sweep(ctx)
	return nil
}

func (s *S3) append(ctx context.Context, now *pointer, delta *Delta) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := delta.validate(); err != nil {
		return err
	}
	if s.stale(now) && !hurried(ctx) {
		if err := s.rebase(ctx, now); err != nil {
			return fmt.Errorf("write a new base: %w", err)
		}
	}
	written, err := s.write(ctx, func(to *segmenter) error { return to.delta(delta) })
	if err != nil {
		return err
	}
	return s.commit(ctx, written, nil, func(next *pointer) {
		next.Commits++
		next.Deltas = append(next.Deltas, written...)
	})
}

// hurried reports whether a commit has to be there soon, as the last one of a
// process: a new base is then left to the next.
func hurried(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < rebaseTime
}

// stale reports whether the deltas ask for a new base: when they are a segment
// and half the base, so that what is read at a start stays within one and a half
// times the state, and what is written within three times.
func (s *S3) stale(p *pointer) bool {
	base, deltas := int64(0), int64(0)
	for i := range p.Base {
		base += p.Base[i].Raw
	}
	for i := range p.Deltas {
		deltas += p.Deltas[i].Raw
	}
	return deltas > max(int64(s.size), base/2) || len(p.Deltas) >= rebaseDeltas ||
		time.Since(p.Based) > rebaseAge
}

// rebase writes all entries as a new base, in place of base and deltas.
func (s *S3) rebase(ctx context.Context, now *pointer) error {
	base, err := s.write(ctx, func(to *segmenter) error {
		err := s.entries(ctx, now, func(key, value []byte) error { return to.change(opPut, key, value) })
		if err != nil {
			return err
		}
		return to.flush()
	})
	if err != nil {
		return err
	}
	return s.commit(ctx, base, now.segments(), func(next *pointer) {
		next.Base, next.Deltas, next.Based = base, nil, time.Now().UTC()
	})
}

// write puts new segments. After an error those that may be there are unwanted.
func (s *S3) write(ctx context.Context, fill func(to *segmenter) error) ([]segment, error) {
	var written []segment
	to := &segmenter{size: s.size, emit: func(raw []byte) error {
		s.puts++
		object, next := s.codec.sealed(fmt.Sprintf("%s/%06d", s.self.ID, s.puts), raw)
		written = append(written, next)
		if _, err := s.put(ctx, next.Key, object, condition{}); err != nil {
			return fmt.Errorf("put %s: %w", next.Key, err)
		}
		return nil
	}}
	if err := fill(to); err != nil {
		s.forget(written)
		return nil, err
	}
	return written, nil
}

// commit writes a pointer that refers to segments that were written for it and
// no longer to superseded ones. If that fails, the written ones are unwanted:
// from the next pointer on, since this one may have come through.
func (s *S3) commit(ctx context.Context, written, superseded []segment, change func(next *pointer)) error {
	err := s.swing(ctx, func(next *pointer) {
		change(next)
		for i := range superseded {
			next.Unwanted = append(next.Unwanted, superseded[i].Key)
		}
	})
	if err != nil {
		s.forget(written)
	}
	return err
}

// forget marks segments as not referred to.
func (s *S3) forget(segments []segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range segments {
		s.unwanted = append(s.unwanted, segments[i].Key)
	}
}

// current returns the pointer that was acknowledged last, or why there is none
// any more.
func (s *S3) current() (*pointer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.ended
}

// Close implements Store: whoever opens the store next need not wait. A second
// Close does nothing.
func (s *S3) Close() error {
	s.stop()
	<-s.stopped
	if _, err := s.current(); err != nil {
		s.end(ErrClosed)
		return nil // closed before, or another's now
	}
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	err := s.swing(ctx, func(next *pointer) { next.Released = true })
	s.end(ErrClosed)
	if err != nil && !errors.Is(err, ErrInUse) {
		return fmt.Errorf("close %s: whoever opens it next has to wait for %s: %w", s.place, s.pace.takeOver, err)
	}
	return nil
}

func (s *S3) end(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = why
}
