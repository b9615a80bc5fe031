package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// pace is how a holder shows that it lives, and how long others look for that.
// Waiting is a courtesy: what keeps two from committing is the condition of
// every write of the pointer.
type pace struct {
	renew    time.Duration // between two writes of the pointer, by a commit or as it is
	watch    time.Duration // between two looks at another's pointer
	takeOver time.Duration // without a write: the holder is taken for dead
}

var usualPace = pace{renew: 15 * time.Second, watch: 3 * time.Second, takeOver: 45 * time.Second}

const (
	releaseTimeout = 5 * time.Second
	renewTimeout   = 15 * time.Second
)

// OpenS3 opens the store beneath a prefix of a bucket; log may be nil. A
// process that closed it, or that has shown no life for 45 s, is followed; of
// one that lives, OpenS3 says who it is with ErrInUse. It needs
// s3:GetObject, s3:PutObject and s3:DeleteObject beneath the prefix.
func OpenS3(ctx context.Context, cfg S3Config, log *zap.Logger) (*S3, error) {
	b, err := newSDKBucket(&cfg)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", &cfg, err)
	}
	return openBucket(ctx, &cfg, b, usualPace, log)
}

func openBucket(ctx context.Context, cfg *S3Config, b bucket, p pace, log *zap.Logger) (*S3, error) {
	if log == nil {
		log = zap.NewNop()
	}
	c, err := newCodec()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", cfg, err)
	}
	s := &S3{place: cfg.String(), bucket: b, codec: c, size: segmentSize, pace: p, log: log, self: newHolder(ctx), stopped: make(chan struct{}), turn: make(chan struct{}, 1)}
	if cfg.Prefix != "" {
		s.prefix = cfg.Prefix + "/"
	}
	if err := s.hold(ctx); err != nil {
		return nil, fmt.Errorf("open %s: %w", s.place, err)
	}
	s.sweep(ctx)
	renewing, stop := context.WithCancel(context.Background())
	s.stop = stop
	go s.renewals(renewing)
	return s, nil
}

// hold makes the pointer this process's. A new one is written before an old
// one is looked for: without the permission to list, S3 does not say of an
// object that it is not there.
func (s *S3) hold(ctx context.Context) error {
	fresh := &pointer{Holder: s.self, Based: time.Now().UTC()}
	body, err := fresh.encode()
	if err != nil {
		return err
	}
	etag, err := s.put(ctx, pointerName, body, condition{absent: true})
	if err == nil {
		s.holding(fresh, etag)
		return nil
	} else if !errors.Is(err, errCondition) {
		return fmt.Errorf("put %s: %w", pointerName, err)
	}
	found, _, etag, err := s.pointer(ctx)
	if err != nil {
		return err
	}
	if found.Holder.ID == s.self.ID { // the answer to the put was lost
		s.holding(found, etag)
		return nil
	}
	if !found.Released {
		if found, etag, err = s.watch(ctx, found, etag); err != nil {
			return err
		}
	}
	s.holding(found, etag)
	return s.swing(ctx, func(next *pointer) { next.Holder, next.Released = s.self, false })
}

// holding takes note of the pointer that is in the bucket.
func (s *S3) holding(found *pointer, etag string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.etag, s.wrote = found, etag, time.Now()
	s.writes, s.unwanted = found.Write, found.Unwanted
}

// watch waits for a holder to release the pointer, or to show no life for so
// long that it must be dead. It is ErrInUse when it lives.
func (s *S3) watch(ctx context.Context, seen *pointer, etag string) (*pointer, string, error) {
	s.log.Warn("the checkpoint is held; waiting to see whether its holder lives",
		zap.String("place", s.place), zap.Stringer("holder", seen.Holder), zap.Duration("at_most", s.pace.takeOver))
	for deadline := time.Now().Add(s.pace.takeOver); time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return nil, "", ctx.Err()
		case <-time.After(s.pace.watch):
		}
		found, _, now, err := s.pointer(ctx)
		switch {
		case err != nil:
			return nil, "", err
		case found.Released:
			return found, now, nil
		case now != etag:
			return nil, "", fmt.Errorf("%w by %s", ErrInUse, found.Holder)
		}
	}
	s.log.Warn("the checkpoint's holder shows no life: taking its place", zap.String("place", s.place), zap.Stringer("holder", seen.Holder))
	return seen, etag, nil
}

// renewals show that this process lives while it commits nothing.
func (s *S3) renewals(ctx context.Context) {
	defer close(s.stopped)
	wait := s.pace.renew
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		s.mu.Lock()
		wait = s.pace.renew - time.Since(s.wrote)
		s.mu.Unlock()
		if wait > 0 {
			continue
		}
		wait = s.pace.renew
		if err := s.renew(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("renewing the hold of the checkpoint fails", zap.String("place", s.place), zap.Error(err))
			if errors.Is(err, ErrInUse) {
				return
			}
			wait = s.pace.watch
		}
	}
}

func (s *S3) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	return s.swing(ctx, func(*pointer) {})
}
