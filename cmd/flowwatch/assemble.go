package main

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/enrich/mmdb"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
	"github.com/flowwatch/flowwatch/pipeline/source/file"
	"github.com/flowwatch/flowwatch/pipeline/source/firehose"
	"github.com/flowwatch/flowwatch/pipeline/source/kinesis"
	"github.com/flowwatch/flowwatch/pipeline/source/s3"
	"github.com/flowwatch/flowwatch/sinks"
	promsink "github.com/flowwatch/flowwatch/sinks/prometheus"
)

// service is a pipeline with everything around it that a configuration asks
// for: sources, sinks, the state, metrics.
type service struct {
	cfg      *Config
	log      *zap.Logger
	clock    func() time.Time
	status   string // where the page listens, or statusOff
	registry *prometheus.Registry
	pipeline *pipeline.Pipeline
	inputs   []pipeline.Input
	outboxes []*sinks.Outbox
	store    checkpoint.Store
	places   *enrich.Places
	watcher  *mmdb.Watcher // of the databases
	closers  []func() error
}

// assemble builds a service. What it opened is closed by close, also after an
// error of its own.
func assemble(ctx context.Context, e *env, cfg *Config) (s *service, err error) {
	s = &service{cfg: cfg, log: e.Log, clock: e.Now, status: statusAddress(e, cfg), registry: prometheus.NewRegistry()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	s.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(),
	)
	if err := s.openSources(e); err != nil {
		return s, err
	}
	outlets, err := s.openSinks(e)
	if err != nil {
		return s, err
	}
	store, err := cfg.Checkpoint.open(ctx, s.log)
	if err != nil {
		return s, err
	}
	s.store = store
	s.closers = append(s.closers, store.Close)
	if err := s.openPlaces(); err != nil {
		return s, err
	}
	plan, err := planOf(cfg, s.places, s.log)
	if err != nil {
		return s, usageError{err}
	}
	allow, err := allowed(&cfg.Networks, s.log)
	if err != nil {
		return s, usageError{err}
	}
	detectors, names := rulesOf(&cfg.Rules, cfg.Windows.Pane)
	s.pipeline, err = pipeline.New(ctx, pipeline.Config{
		IdleAfter: cfg.Windows.IdleAfter, CommitEvery: cfg.Checkpoint.Every, LastCommit: cfg.Checkpoint.lastCommit(),
		Sources: cfg.Limits.Sources, Early: cfg.Detect.Early,
	}, pipeline.Dependencies{
		Log: s.log, Registerer: s.registry, Clock: e.Now, Plan: plan,
		Enricher:  enrich.New(cfg.Networks.Internal, allow).With(s.places),
		Detectors: detectors, Suppress: cfg.Suppress, Outlets: outlets, Store: store,
	})
	if err != nil {
		return s, err
	}
	return s, s.registry.Register(promsink.New(s.pipeline.Published, names))
}

// openPlaces reads what is known of addresses, and watches the files of it that
// may change.
func (s *service) openPlaces() error {
	places, databases, err := openPlaces(&s.cfg.Enrich, s.cfg.Networks.Internal, s.log)
	if err != nil {
		return usageError{err}
	}
	s.places = places
	s.watcher, err = mmdb.NewWatcher(databases, s.log, s.registry)
	return err
}

// allowed returns the scanners that are the user's own, with those of the
// allow lists.
func allowed(cfg *NetworksConfig, log *zap.Logger) ([]netip.Prefix, error) {
	lists, err := readLists(cfg.AllowLists, log)
	if err != nil {
		return nil, fmt.Errorf("networks.allow_lists: %w", err)
	}
	return slices.Concat(cfg.Allow, lists.Prefixes()), nil
}

// planOf compiles the views that are on; a view on a field that nothing
// supplies is off, and the log says so.
func planOf(cfg *Config, places *enrich.Places, log *zap.Logger) (*aggregate.Plan, error) {
	var supply aggregate.Supply
	supply.Country, supply.ASN = places.Tells()
	var views []aggregate.View
	for _, v := range cfg.Views {
		if field, ok := v.Unsupplied(supply); !ok && !v.Off {
			log.Info("view is off: nothing supplies a field of it", zap.String("view", v.Name), zap.String("field", field))
			continue
		}
		views = append(views, v)
	}
	return aggregate.NewPlan(views, int64(cfg.Windows.Pane/time.Second))
}

// rulesOf makes the detectors that are on, in their fixed order.
func rulesOf(cfg *RulesConfig, pane time.Duration) (detectors []detect.Detector, names []string) {
	if cfg.Spike.Enabled {
		detectors = append(detectors, detect.NewSpike(cfg.Spike.SpikeConfig, pane))
	}
	if cfg.ScanInternal.Enabled {
		detectors = append(detectors, detect.NewScanInternal(cfg.ScanInternal.ScanInternalConfig, pane))
	}
	if cfg.ScanExternal.Enabled {
		detectors = append(detectors, detect.NewScanExternal(cfg.ScanExternal.ScanExternalConfig, pane))
	}
	if cfg.ScanSlow.Enabled {
		var fast *detect.ScanInternalConfig
		if cfg.ScanInternal.Enabled {
			fast = &cfg.ScanInternal.ScanInternalConfig
		}
		detectors = append(detectors, detect.NewScanSlow(cfg.ScanSlow.ScanSlowConfig, fast, pane))
	}
	if cfg.ScanDistributed.Enabled {
		detectors = append(detectors, detect.NewScanDistributed(cfg.ScanDistributed.ScanDistributedConfig, pane))
	}
	if cfg.ScanSuccess.Enabled {
		detectors = append(detectors, detect.NewScanSuccess(cfg.ScanSuccess.ScanSuccessConfig, pane))
	}
	if cfg.BruteForce.Enabled {
		detectors = append(detectors, detect.NewBruteForce(cfg.BruteForce.BruteForceConfig, pane))
	}
	if cfg.Ceiling.Enabled() {
		detectors = append(detectors, detect.NewCeiling(cfg.Ceiling, pane))
	}
	for _, d := range detectors {
		names = append(names, d.Name())
	}
	return detectors, names
}

func (s *service) openSources(e *env) error {
	for i := range s.cfg.Sources {
		c := &s.cfg.Sources[i]
		formats, err := layouts(c.Format)
		if err != nil {
			return usageError{err}
		}
		var source pipeline.Source
		switch {
		case c.Kinesis != nil:
			source, err = kinesis.New(c.Kinesis.Config, kinesis.Dependencies{Log: s.log, Registerer: s.registry})
		case c.Firehose != nil:
			source, err = firehose.New(c.Firehose.Config, firehose.Dependencies{Log: s.log, Registerer: s.registry})
		case c.S3 != nil:
			source, err = s3.New(c.S3.Config, s3.Dependencies{Log: s.log, Registerer: s.registry})
		default:
			source, err = file.Open(file.Config{
				Name: fileSourceName(c.File.Paths), Paths: c.File.Paths, Stdin: e.Stdin,
				Lateness: s.cfg.Windows.AllowedLateness, Probe: probe(formats, e.Now),
				Follow: c.File.Follow, Log: s.log, Registerer: s.registry,
			})
		}
		if err != nil {
			return usageError{fmt.Errorf("sources[%d]: %w", i, err)}
		}
		s.inputs = append(s.inputs, pipeline.Input{Source: source, Formats: formats, Lateness: s.cfg.lateness(c)})
	}
	return nil
}

// deliveredLateness is the allowed lateness of sources behind a buffer that
// holds records for minutes, unless windows.allowed_lateness allows more.
const deliveredLateness = 25 * time.Minute

// lateness is how late the records of a source may be.
func (c *Config) lateness(source *SourceConfig) time.Duration {
	if source.Firehose != nil || source.S3 != nil {
		return max(c.Windows.AllowedLateness, deliveredLateness)
	}
	return c.Windows.AllowedLateness
}

// fileSourceName names a source by what it reads and not by its place in the
// configuration: positions are kept under it.
func fileSourceName(paths []string) string {
	return fmt.Sprintf("file:%08x", crc32.ChecksumIEEE([]byte(strings.Join(paths, "\n"))))
}

func layouts(formats []string) ([]*flowlog.Layout, error) {
	var all []*flowlog.Layout
	for _, f := range formats {
		l, err := flowlog.ParseLayout(f)
		if err != nil {
			return nil, fmt.Errorf("format: %w", err)
		}
		all = append(all, l)
	}
	return all, nil
}

// columns returns the width of a terminal, 0 when w is none.
func columns(w any) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// buildInfo is flowwatch_build_info.
func buildInfo() prometheus.Collector {
	b := thisBuild()
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "flowwatch_build_info", Help: "The build that runs: always 1.",
		ConstLabels: prometheus.Labels{"version": b.Version, "commit": b.Commit, "go": b.Go},
	})
	g.Set(1)
	return g
}

// run reads until ctx ends or all inputs have, delivers what was found and
// commits. ready is called when the endpoints answer.
func (s *service) run(ctx context.Context, listenOn string, ready func(addr string)) error {
	ln, err := listen(ctx, listenOn)
	if err != nil {
		return err
	}
	page, err := s.openStatus(ctx)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	defer stopSending()
	var servers, senders errgroup.Group
	servers.Go(func() error {
		web := endpoints{Gatherer: s.registry, Health: s.pipeline.Health, Ready: s.pipeline.Ready, Log: s.log}
		return web.Serve(serving, ln)
	})
	if page != nil {
		servers.Go(func() error { page.Run(serving); return nil })
		servers.Go(func() error { return serve(serving, page.ln, page.Handler(), s.log) })
	}
	senders.Go(func() error { return s.watcher.Run(sending) })
	for _, box := range s.outboxes {
		senders.Go(func() error { return box.Run(sending) })
	}
	ready(ln.Addr().String())
	err = s.pipeline.Run(ctx, s.inputs...)
	stopSending()
	err = errors.Join(err, senders.Wait(), s.pipeline.Commit(context.WithoutCancel(ctx)))
	stopServing()
	return errors.Join(err, servers.Wait())
}

// close closes what was opened, the last first.
func (s *service) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}
