package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
)

// readAhead is how many segments are read at a time, and how many more wait for
// their turn.
const readAhead = 4

// entries visits what a pointer refers to, in ascending order of keys.
func (s *S3) entries(ctx context.Context, p *pointer, visit func(key, value []byte) error) error {
	changed := newOverlay()
	err := s.read(ctx, p.Deltas, func(_ *segment, raw []byte) error { return changed.apply(raw) })
	if err != nil {
		return err
	}
	all := changed.over(visit)
	var last []byte
	err = s.read(ctx, p.Base, func(from *segment, raw []byte) error {
		return changes(raw, func(op byte, key, value []byte) error {
			if op != opPut || last != nil && bytes.Compare(last, key) >= 0 {
				return fmt.Errorf("%s is %w: key %q after %q", from.Key, ErrDamaged, key, last)
			}
			last = key
			return all.base(key, value)
		})
	})
	if err != nil {
		return err
	}
	return all.until(nil)
}

// read gets segments, several at a time, and hands them on in their order.
func (s *S3) read(ctx context.Context, segments []segment, use func(from *segment, raw []byte) error) error {
	type answer struct {
		raw []byte
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	ahead := make(chan chan answer, readAhead-1) // and one in hand
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	group.Go(func() {
		defer close(ahead)
		for i := range segments {
			turn := make(chan answer, 1)
			select {
			case ahead <- turn:
			case <-ctx.Done():
				return
			}
			group.Go(func() {
				raw, err := s.segment(ctx, &segments[i])
				turn <- answer{raw, err}
			})
		}
	})
	i := 0
	for turn := range ahead {
		got := <-turn
		if got.err != nil {
			return got.err
		}
		if err := use(&segments[i], got.raw); err != nil {
			return err
		}
		i++
	}
	return ctx.Err()
}

// segment gets one segment and checks that it is what was put.
func (s *S3) segment(ctx context.Context, from *segment) ([]byte, error) {
	object, _, err := s.get(ctx, from.Key, from.Stored+1) // a longer one is damaged, which opened tells
	switch {
	case errors.Is(err, errAbsent):
		return nil, fmt.Errorf("%s is %w: it is missing", from.Key, ErrDamaged)
	case errors.Is(err, errDenied):
		return nil, fmt.Errorf("get %s: it is missing, or the permission s3:GetObject is: %w", from.Key, err)
	case err != nil:
		return nil, fmt.Errorf("get %s: %w", from.Key, err)
	}
	raw, err := s.codec.opened(object, from)
	if err != nil {
		return nil, fmt.Errorf("%s is %w: %w", from.Key, ErrDamaged, err)
	}
	return raw, nil
}
