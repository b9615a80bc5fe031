package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// swingTries bounds how often a pointer is written that an earlier write of our
// own came before.
const swingTries = 3

var errPointerGone = errors.New("somebody has deleted it; with versioning, delete its delete marker, else start anew under another prefix")

// swing writes the next pointer in place of the one that is there. When that is
// another process's the store has ended for this one. When it is our own and
// not the one that was written last, the answer to an earlier write was lost,
// which only now turns out to have come through: it is overwritten.
func (s *S3) swing(ctx context.Context, change func(next *pointer)) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	next, expected, err := s.next()
	if err != nil {
		return err
	}
	before := len(next.Unwanted)
	change(next)
	body, err := next.encode()
	if err != nil {
		return err
	}
	for range swingTries {
		etag, err := s.put(ctx, pointerName, body, condition{etag: expected})
		if errors.Is(err, errCondition) {
			var written bool
			if etag, written, err = s.overtaken(ctx, body); err == nil && !written {
				expected = etag
				continue
			}
		}
		if err != nil {
			if errors.Is(err, errAbsent) {
				err = errPointerGone
			}
			return fmt.Errorf("put %s: %w", pointerName, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.now, s.etag, s.wrote = next, etag, time.Now()
		s.unwanted = append(s.unwanted, next.Unwanted[before:]...) // others may have changed it meanwhile
		return nil
	}
	return fmt.Errorf("put %s: %w", pointerName, errCondition)
}

// next returns a copy of the pointer with the number of another write, and the
// entity tag of the one that is expected to be there.
func (s *S3) next() (next *pointer, etag string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return nil, "", s.ended
	}
	next = s.now.clone()
	s.writes++
	next.Write, next.Unwanted = s.writes, slices.Clone(s.unwanted)
	return next, s.etag, nil
}

// overtaken looks at what is there in place of the pointer that was expected,
// and returns its entity tag. written says that it is the very one that was to
// be written; else it is an earlier one of our own, to be overwritten.
func (s *S3) overtaken(ctx context.Context, body []byte) (etag string, written bool, err error) {
	found, there, etag, err := s.pointer(ctx)
	switch {
	case err != nil:
		return "", false, err
	case bytes.Equal(there, body), found.Holder.ID == s.self.ID:
		return etag, bytes.Equal(there, body), nil
	}
	err = fmt.Errorf("%w by %s; this is %s", ErrInUse, found.Holder, s.self)
	s.end(err)
	return "", false, err
}

// pointer reads the pointer that is there.
func (s *S3) pointer(ctx context.Context) (p *pointer, body []byte, etag string, err error) {
	body, etag, err = s.get(ctx, pointerName, pointerLimit)
	if err == nil {
		p, err = decodePointer(body)
	}
	if err != nil {
		return nil, nil, "", fmt.Errorf("get %s: %w", pointerName, err)
	}
	return p, body, etag, nil
}

const (
	removals    = 8    // at a time
	maxUnwanted = 1000 // keys that are remembered while they can't be deleted
)

// sweep deletes what is unwanted. It is called after the pointer was written,
// which names all of that. What can't be deleted now is tried again after the
// next commit.
func (s *S3) sweep(ctx context.Context) {
	s.mu.Lock()
	keys := s.unwanted
	s.mu.Unlock()
	removed := make([]error, len(keys))
	var group errgroup.Group
	group.SetLimit(removals)
	for i, key := range keys {
		group.Go(func() error {
			removed[i] = s.bucket.remove(ctx, s.prefix+key)
			return removed[i]
		})
	}
	err := group.Wait()
	if err != nil && ctx.Err() == nil {
		s.log.Warn("an object of the checkpoint that is no longer needed can't be deleted; trying again after the next commit",
			zap.String("place", s.place), zap.Error(err))
	}
	var left []string
	for i, key := range keys {
		if removed[i] != nil {
			left = append(left, key)
		}
	}
	if over := len(left) - maxUnwanted; over > 0 {
		s.log.Error("objects of the checkpoint are left behind for a lifecycle rule to expire", zap.String("place", s.place), zap.Int("objects", over))
		left = left[over:]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unwanted = left
}

func (s *S3) put(ctx context.Context, key string, body []byte, when condition) (string, error) {
	return retried(ctx, func() (string, error) { return s.bucket.put(ctx, s.prefix+key, body, when) })
}

func (s *S3) get(ctx context.Context, key string, limit int64) (body []byte, etag string, err error) {
	body, err = retried(ctx, func() (b []byte, err error) {
		b, etag, err = s.bucket.get(ctx, s.prefix+key, limit)
		return b, err
	})
	return body, etag, err
}
