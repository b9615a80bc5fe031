package main

import (
	"context"
	"net/netip"
	"time"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// bareOptions are what sets one bare pipeline apart from another.
type bareOptions struct {
	Internal, Allow []netip.Prefix
	Places          *enrich.Places // may be nil
	Outlets         []pipeline.Outlet
	Watch           func(detect.Detector) detect.Detector // put around each rule, when given
	Clock           func() time.Time
	Observe         func(partition string) pipeline.Observer
	Early           bool
}

// bare is a pipeline with the rules of a configuration, without views, which
// nobody would look at, and without a store: nothing has to survive.
func bare(ctx context.Context, e *env, cfg *Config, o bareOptions) (*pipeline.Pipeline, error) {
	plan, err := aggregate.NewPlan(nil, int64(cfg.Windows.Pane/time.Second))
	if err != nil {
		return nil, err
	}
	detectors, _ := rulesOf(&cfg.Rules, cfg.Windows.Pane)
	if o.Watch != nil {
		for i, d := range detectors {
			detectors[i] = o.Watch(d)
		}
	}
	return pipeline.New(ctx, pipeline.Config{
		IdleAfter: cfg.Windows.IdleAfter, CommitEvery: cfg.Checkpoint.Every, Sources: cfg.Limits.Sources, Early: o.Early,
	}, pipeline.Dependencies{
		Log: e.Log, Clock: o.Clock, Plan: plan, Enricher: enrich.New(o.Internal, o.Allow).With(o.Places),
		Detectors: detectors, Outlets: o.Outlets, Observe: o.Observe,
	})
}
