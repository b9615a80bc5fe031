package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/flowwatch/flowwatch/pipeline"
)

// Config says what is read and how.
type Config struct {
	// Name is the source's name, "file" by default: unique among the sources
	// of one pipeline. A partition's ID is the name, a slash and the path.
	Name string
	// Paths are files, folders, globs, or "-" for Stdin.
	Paths []string
	Stdin io.Reader
	// Objects are read beside Paths, which may be none then.
	Objects []Object
	// Parallel is how many files are read at one moment; GOMAXPROCS by default.
	Parallel int
	// Lateness is how long before a file's first record its watermark begins.
	Lateness time.Duration
	// Probe finds the start of the first record in a chunk of content; ok is
	// false when it finds none. It is called for the beginning of every file
	// before reading begins, and then for what tells how far a file is. It
	// must be safe for concurrent use. Without it, no start is known: no
	// partition begins with a watermark, and all files are open at once.
	Probe func(chunk []byte) (start time.Time, ok bool)
	// Follow goes on reading files that grow, and what comes to the paths later.
	// A path that does not exist, or a glob that matches nothing, is waited for.
	Follow bool
	// Log and Registerer hear of files that can't be read; nil is nobody.
	Log        *zap.Logger
	Registerer prometheus.Registerer
}

// Source reads files, a fixed set each to its end, or with Config.Follow
// whatever comes. It implements pipeline.Source; Run is called once.
type Source struct {
	cfg   Config
	files []*file
	turns turns
	chunk int          // bytes of a payload, about
	open  atomic.Int64 // files being worked on

	done  atomic.Int64 // stored bytes read
	total int64

	following atomic.Int64 // files that are followed and have not ended
	poll      time.Duration
	settled   time.Duration
	now       func() time.Time

	metrics  *metrics
	mu       sync.Mutex
	problems []Problem
}

// Problem is a file that could not be read to its end.
type Problem struct {
	Path   string
	Offset int64 // uncompressed bytes that were delivered before it
	Err    error
}

func (p Problem) Error() string {
	return fmt.Sprintf("read %s: after %d bytes: %v", p.Path, p.Offset, p.Err)
}

// Unwrap returns Err.
func (p Problem) Unwrap() error { return p.Err }

// maxProblems is how many of them are kept; all are counted.
const maxProblems = 1000

// unknown stands for an event time that is not known: before all others.
const unknown = math.MinInt64

// Open finds the files. It reports every path that does not exist, cannot be
// read, holds no file, or is a named file of a format that is not accepted,
// all in one error: the paths are wrong, and nothing has been read.
func Open(cfg Config) (*Source, error) {
	if cfg.Name == "" {
		cfg.Name = "file"
	}
	if cfg.Parallel <= 0 {
		cfg.Parallel = runtime.GOMAXPROCS(0)
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	var inputs []input
	var err error
	if len(cfg.Paths) > 0 || len(cfg.Objects) == 0 {
		inputs, err = cfg.inputs()
	}
	if err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, turns: turns{free: cfg.Parallel}, chunk: maxChunk, poll: poll, settled: settled}
	if s.metrics, err = newMetrics(cfg.Registerer); err != nil {
		return nil, fmt.Errorf("register the metrics of %s: %w", cfg.Name, err)
	}
	for _, in := range inputs {
		if cfg.Follow && !in.pipe {
			continue // the follower will find it
		}
		s.files = append(s.files, &file{source: s, input: in, start: unknown, reached: unknown})
		s.total += in.size
	}
	for i := range cfg.Objects {
		o := &cfg.Objects[i]
		s.files = append(s.files, &file{source: s, input: input{path: o.Name, size: o.Size, named: true}, object: o, start: unknown, reached: unknown})
		s.total += o.Size
	}
	return s, nil
}

// inputs looks the paths up. Where files are followed only what is there and
// can't be read is wrong.
func (c *Config) inputs() ([]input, error) {
	if !c.Follow || len(c.Paths) == 0 {
		return expand(c.Paths)
	}
	inputs, problems := lookUp(c.Paths)
	var errs []error
	for _, p := range problems {
		errs = append(errs, p)
	}
	return inputs, errors.Join(errs...)
}

// Name returns Config.Name.
func (s *Source) Name() string { return s.cfg.Name }

// Files returns the paths of the files found that are not followed, in the
// order of Paths.
func (s *Source) Files() []string {
	var paths []string
	for _, f := range s.files {
		paths = append(paths, f.path)
	}
	return paths
}

// Progress returns how many bytes have been read and how many there are, as
// stored: before decompression, pipes left out of the total.
func (s *Source) Progress() (done, total int64) { return s.done.Load(), s.total }

// Problems returns the files that could not be read to their end so far, by
// path.
func (s *Source) Problems() []Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	sorted := slices.Clone(s.problems)
	slices.SortFunc(sorted, func(a, b Problem) int { return cmp.Compare(a.Path, b.Path) })
	return sorted
}

func (s *Source) report(p Problem) {
	s.metrics.problems.Inc()
	s.cfg.Log.Warn("a file can't be read", zap.String("path", p.Path), zap.Int64("offset", p.Offset), zap.Error(p.Err))
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.problems) < maxProblems {
		s.problems = append(s.problems, p)
	}
}

// Run registers every file, each with the watermark that its first record
// allows, and hands them to host in the order of these. A file that cannot be
// read to its end is one of Problems and the others go on.
func (s *Source) Run(ctx context.Context, host pipeline.Host) error {
	s.now = host.Now
	resumed := host.Resume(s.cfg.Name)
	var follow *follower
	var found []*file
	if s.cfg.Follow {
		follow = newFollower(s, host)
		var err error
		if found, err = follow.begins(resumed); err != nil {
			return err
		}
	}
	rest, err := s.resume(resumed)
	if err != nil {
		return err
	}
	s.probe(ctx, rest)
	if ctx.Err() != nil {
		return nil
	}
	rest = append(rest, found...)
	slices.SortStableFunc(rest, func(a, b *file) int { return cmp.Compare(a.start, b.start) })
	var starts []pipeline.Start
	for _, f := range rest {
		starts = append(starts, f.announce())
	}
	if err := host.Register(ctx, starts); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("register files: %w", err)
	}
	err = runSchedule(ctx, s, host, rest, follow)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// resume returns the files that have not been read to their end. A file that
// was begun and is no longer there is among them, as an empty one: its
// partition would otherwise hold back the watermark for ever.
func (s *Source) resume(resumed map[string]pipeline.Resumed) ([]*file, error) {
	var rest []*file
	for _, f := range s.files {
		r, known := resumed[f.ID()]
		delete(resumed, f.ID())
		if known && r.Ended {
			s.done.Add(f.size)
			continue
		}
		offset, err := parsePosition(r.Position)
		if err != nil {
			return nil, fmt.Errorf("resume %s: %w", f.path, err)
		}
		f.resumeAt = offset
		rest = append(rest, f)
	}
	for id, r := range resumed {
		if !r.Ended {
			f := &file{source: s, id: id, start: unknown, reached: unknown, ended: true}
			f.path = id[min(len(s.cfg.Name)+1, len(id)):]
			s.report(Problem{Path: f.path, Err: errGone})
			rest = append(rest, f)
		}
	}
	return rest, nil
}

// probe finds the start of every file. A file that cannot be read has none,
// and its problem is reported when its turn comes.
func (s *Source) probe(ctx context.Context, files []*file) {
	if s.cfg.Probe == nil {
		return
	}
	var group errgroup.Group
	group.SetLimit(s.cfg.Parallel)
	for _, f := range files {
		if f.pipe || f.ended || ctx.Err() != nil {
			continue
		}
		group.Go(func() error {
			f.probe(ctx)
			return nil
		})
	}
	_ = group.Wait() // no probe returns an error
}
