package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/simulate"
	"github.com/flowwatch/flowwatch/pipeline/source/kinesis"
	"github.com/flowwatch/flowwatch/pipeline/source/kinesis/localkinesis"
)

type demoCmd struct {
	Duration time.Duration `help:"How long to run; 0 is until it is interrupted." default:"0"`
	Speed    float64       `help:"How many times faster than the clock event time runs, 1 to 1000." default:"300"`
	Listen   string        `help:"host:port of /metrics, /healthz and /readyz." default:"127.0.0.1:9464"`
	Seed     uint64        `help:"Of the simulated traffic." default:"1"`
}

const (
	demoStream = "vpc-flow-logs"
	demoRegion = "eu-central-1"
	// demoPast is how far in the past the demo's event time begins: it can run
	// fast until it has caught up with the clock.
	demoPast = 7 * 24 * time.Hour
	// demoRound is how often the attacks come again: who looks at a dashboard
	// later sees some too.
	demoRound = 6 * time.Hour
	// demoSkipData is in how many minutes an interface has one with SKIPDATA: ten
	// times as often as elsewhere, so that the blind spots are seen soon.
	demoSkipData = 150
)

// demoAttacks are one round of attacks, in the order of time: what simulate.Demo
// has, and one over IPv6 and one on passwords.
func demoAttacks() []simulate.Scenario {
	all := append(simulate.Demo(),
		simulate.Scenario{Kind: simulate.ExternalScan + "-v6", At: 62 * time.Minute, VPC: 1},
		simulate.Scenario{Kind: "brute-force-ssh", At: 70 * time.Minute})
	slices.SortFunc(all, func(a, b simulate.Scenario) int { return cmp.Compare(a.At, b.At) })
	return all
}

// demoScenarios are the rounds of the past week, and of one more with the clock.
func demoScenarios() []simulate.Scenario {
	var all []simulate.Scenario
	for from := time.Duration(0); from < 2*demoPast; from += demoRound {
		for _, s := range demoAttacks() {
			s.At += from
			all = append(all, s)
		}
	}
	return all
}

// Validate is called by the command line.
func (c *demoCmd) Validate() error {
	switch {
	case c.Duration < 0:
		return fmt.Errorf("--duration: %s is negative; accepted: 0s or more", c.Duration)
	case !(c.Speed >= 1 && c.Speed <= 1000):
		return fmt.Errorf("--speed: %g; accepted: 1 to 1000", c.Speed)
	}
	return checkListen(c.Listen)
}

// Run runs the whole system on this machine: a Kinesis endpoint on loopback,
// simulated traffic with attacks on a stream of two shards, and the service
// that consumes it.
func (c *demoCmd) Run(ctx context.Context, e *env) (err error) {
	if c.Duration > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, c.Duration)
		defer stop()
	}
	clock := newFastClock(e.Now().Add(-demoPast).Truncate(time.Hour), c.Speed, e.Now)
	traffic, err := simulate.New(simulate.Config{Seed: c.Seed, Start: clock.start, Scenarios: demoScenarios(), SkipData: demoSkipData})
	if err != nil {
		return err
	}
	server, err := localkinesis.New(localkinesis.Options{Clock: clock.Now})
	if err != nil {
		return fmt.Errorf("start the local Kinesis endpoint: %w", err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	state, err := os.MkdirTemp("", "flowwatch-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(state)) }()

	inner := *e
	inner.Now = clock.Now
	// Some of the simulated lines are broken on purpose; the summary counts them.
	inner.Log = e.Log.WithOptions(zap.IncreaseLevel(zap.ErrorLevel))
	s, err := assemble(ctx, &inner, c.config(server.URL(), filepath.Join(state, "state"), traffic))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	feed, err := newFeed(ctx, server.URL(), clock, traffic)
	if err != nil {
		return interrupted(ctx, err)
	}
	c.greet(e, traffic)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var both errgroup.Group // whichever fails ends the other
	both.Go(func() error { defer stop(); return feed.run(ctx) })
	both.Go(func() error { defer stop(); return s.run(ctx, c.Listen, func(string) {}) })
	if err := both.Wait(); err != nil {
		return err
	}
	c.summarize(e, s.pipeline.Published())
	return nil
}

// config is the configuration of the demo's service.
func (c *demoCmd) config(endpoint, state string, traffic *simulate.Generator) *Config {
	cfg := defaultConfig()
	stream := &KinesisConfig{Config: kinesis.DefaultConfig()}
	stream.Stream, stream.Region, stream.Endpoint, stream.Start = demoStream, demoRegion, endpoint, kinesis.StartTrimHorizon
	cfg.Sources = []SourceConfig{{Kinesis: stream, Format: []string{traffic.Format()}}}
	cfg.Networks.Internal = append(cfg.Networks.Internal, traffic.Internal()...)
	// Idleness is told by the fast clock; on a slow machine the traffic may be
	// some seconds behind it, and must not be late for that.
	cfg.Windows.IdleAfter = time.Duration(float64(cfg.Windows.IdleAfter) * c.Speed)
	cfg.Checkpoint.File.Dir, cfg.Checkpoint.Every = state, time.Second
	cfg.Listen = c.Listen
	cfg.complete()
	return &cfg
}

// greet says what is about to happen, on Stderr: findings go to Stdout.
func (c *demoCmd) greet(e *env, traffic *simulate.Generator) {
	fmt.Fprintf(e.Stderr, `flowwatch demo: simulated VPC traffic on a local Kinesis stream, %gx the clock.
Metrics: http://%s/metrics    End: Ctrl-C
Attacks to come, by event time (findings follow when their windows close, 15 to
25 minutes later: a few seconds here):
`, c.Speed, c.Listen)
	for _, t := range traffic.Truth()[:len(demoAttacks())] {
		fmt.Fprintf(e.Stderr, "  %s  %-16s %-14s %s\n", t.Start.UTC().Format("2006-01-02 15:04Z"), t.Scenario, t.Rule, t.Key)
	}
	fmt.Fprintf(e.Stderr, "and the like again every %.0f hours of event time.\n\n", demoRound.Hours())
}

// summarize says what came out.
func (c *demoCmd) summarize(e *env, p *pipeline.Published) {
	malformed := int64(0)
	for _, n := range p.Malformed {
		malformed += n
	}
	fmt.Fprintf(e.Stderr, "\nflowwatch demo: %d records (%d ok, %d no data, %d skipped), %d malformed, %d late\n",
		p.OK+p.NoData+p.SkipData+malformed, p.OK, p.NoData, p.SkipData, malformed, p.Late)
	var rules []string
	for rule := range p.Findings {
		rules = append(rules, rule)
	}
	slices.Sort(rules)
	fmt.Fprint(e.Stderr, "findings:")
	if len(rules) == 0 {
		fmt.Fprint(e.Stderr, " none")
	}
	for _, rule := range rules {
		total := int64(0)
		for _, n := range p.Findings[rule] {
			total += n
		}
		fmt.Fprintf(e.Stderr, " %s %d", rule, total)
	}
	fmt.Fprintf(e.Stderr, "\nmetrics were on http://%s/metrics\n", c.Listen)
}
