package kinesis

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/flowwatch/flowwatch/pipeline"
)

// run is one Run of a source: a goroutine per shard.
type run struct {
	source *Source
	host   pipeline.Host
	group  *errgroup.Group

	mu      sync.Mutex // guards what follows
	lineage *lineage
	starts  map[string]pipeline.Position // of announced children, by shard ID
}

func (s *Source) run(ctx context.Context, host pipeline.Host) error {
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { s.watchRetention(watching) })
	defer watch.Wait()
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	r := &run{source: s, host: host, group: group,
		lineage: newLineage(), starts: map[string]pipeline.Position{}}
	group.Go(func() error {
		if s.fanOut != nil {
			s.fanOut.off.Store(false) // a new start
			if err := s.fanOut.prepare(ctx); err != nil {
				return err
			}
		}
		resumed := host.Resume(s.Name())
		if len(resumed) == 0 {
			return r.begin(ctx)
		}
		return r.resume(ctx, resumed)
	})
	return group.Wait()
}

// begin reads a stream of which nothing is committed.
func (r *run) begin(ctx context.Context) error {
	shards, at, err := r.source.begin(ctx, r.host.Now())
	if err != nil {
		return err
	}
	r.source.log.Info("starting", zap.Int("shards", len(shards)), zap.String("at", string(at)))
	return r.follow(ctx, shards, at)
}

// resume continues from what is committed: shards under way go on, and those
// that are ready since (their parents have ended) begin.
func (r *run) resume(ctx context.Context, resumed map[string]pipeline.Resumed) error {
	under := map[string]pipeline.Position{}
	for partition, was := range resumed {
		shard, err := r.source.shardID(partition)
		if err != nil {
			return err
		}
		if _, err := iteratorAt(was.Position); err != nil && !was.Ended {
			return fmt.Errorf("resume shard %s of stream %s: %w", shard, r.source.cfg.Stream, err)
		}
		r.lineage.observe(shard)
		if !was.Ended {
			r.lineage.set(shard, reading)
			under[shard] = was.Position
			continue
		}
		r.lineage.set(shard, ended)
		if err := r.observe(was.Children); err != nil {
			return err
		}
	}
	shards, err := r.source.listAtStart(ctx, nil)
	if err != nil {
		return err
	}
	r.source.log.Info("resuming", zap.Int("shards", len(under)), zap.Int("committed", len(resumed)))
	for shard, position := range under {
		r.group.Go(func() error { return r.read(ctx, shard, position) })
	}
	return r.follow(ctx, shards, trimHorizon)
}

// follow registers the shards that are ready, after the given ones became
// known, and begins to read each: an announced child where its parent said, any
// other at the given position.
func (r *run) follow(ctx context.Context, known []listed, at pipeline.Position) error {
	starts := r.claim(known, at)
	if len(starts) == 0 {
		return nil
	}
	if err := r.host.Register(ctx, starts); err != nil {
		return fmt.Errorf("register %d shards of stream %s: %w", len(starts), r.source.cfg.Stream, err)
	}
	for _, start := range starts {
		shard, err := r.source.shardID(start.ID)
		if err != nil {
			return err
		}
		r.group.Go(func() error { return r.read(ctx, shard, start.At) })
	}
	return nil
}

// claim takes every shard that is ready; no other call gets it again.
func (r *run) claim(known []listed, at pipeline.Position) []pipeline.Start {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, shard := range known {
		r.lineage.observe(shard.id, shard.parents...)
	}
	var starts []pipeline.Start
	for _, shard := range r.lineage.ready() {
		r.lineage.set(shard, reading)
		start := pipeline.Start{ID: r.source.partitionID(shard), At: cmp.Or(r.starts[shard], at), Pull: true}
		for _, parent := range r.lineage.takenParents(shard) {
			start.Parents = append(start.Parents, r.source.partitionID(parent))
		}
		starts = append(starts, start)
	}
	return starts
}

// read reads a registered shard to its end, then its children follow.
func (r *run) read(ctx context.Context, shard string, at pipeline.Position) error {
	reader := r.source.open(shard, at, r.host.Now)
	defer reader.close()
	defer r.source.metrics.fanOut.DeleteLabelValues(reader.ID())
	defer r.source.metrics.lag.DeleteLabelValues(reader.ID())
	defer r.source.metrics.retentionLeft.DeleteLabelValues(reader.ID())
	if err := r.host.Work(ctx, reader); err != nil {
		return err
	}
	r.mu.Lock()
	r.lineage.set(shard, ended)
	err := r.observe(reader.Children())
	r.mu.Unlock()
	if err != nil {
		return err
	}
	r.source.log.Info("shard ended", zap.String("shard", shard), zap.Int("children", len(reader.Children())))
	return r.follow(ctx, nil, trimHorizon)
}

// observe adds announced children to the lineage. Where the parents of a merge
// name a time and the beginning, the time holds: it excludes nothing that the
// other would read.
func (r *run) observe(children []pipeline.Start) error {
	for _, child := range children {
		shard, err := r.source.shardID(child.ID)
		if err != nil {
			return err
		}
		if _, err := iteratorAt(child.At); err != nil {
			return fmt.Errorf("begin shard %s of stream %s: %w", shard, r.source.cfg.Stream, err)
		}
		parents := make([]string, len(child.Parents))
		for i, parent := range child.Parents {
			if parents[i], err = r.source.shardID(parent); err != nil {
				return err
			}
		}
		r.lineage.observe(shard, parents...)
		if _, isTime := timestampOf(child.At); isTime || r.starts[shard] == "" {
			r.starts[shard] = child.At
		}
	}
	return nil
}
