package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/evaluate"
	"github.com/flowwatch/flowwatch/pipeline/simulate"
	"github.com/flowwatch/flowwatch/pipeline/source/file"
)

type evaluateCmd struct {
	Paths      []string      `arg:"" optional:"" name:"path" help:"Labelled flow logs of your own, in place of simulated ones."`
	Truth      string        `help:"What is in them: JSON lines as simulate writes, or a .tsv of start, end, source and kind."`
	Format     []string      `help:"Field list of their lines without a header. Repeatable." sep:"none"`
	Seeds      string        `help:"Seeds of the simulation: numbers and ranges, such as 101-110,200." default:"101-102"`
	Suite      string        `help:"Scenarios of the simulation: background, attacks, floods, benign or all." enum:"background,attacks,floods,benign,all" default:"all"`
	Interfaces int           `help:"Network interfaces of the simulation." default:"60"`
	VPCs       int           `name:"vpcs" help:"Networks that they belong to." default:"3"`
	Days       float64       `help:"Length of the simulation in days." default:"4"`
	Learn      time.Duration `help:"From the start on, how long no finding counts as false." default:"48h"`
	Probes     float64       `help:"Unsolicited probes an hour for each public address." default:"300"`
	Fields     string        `help:"Format of the simulation: v2, or v5 with its 29 fields." enum:"v2,v5" default:"v5"`
	Interval   time.Duration `help:"Aggregation interval of the simulation: 1m or 10m." default:"1m"`
	Delivery   string        `help:"When simulated logs arrive: prompt, aws or rough, as simulate has them." enum:"prompt,aws,rough" default:"aws"`
	Misread    float64       `help:"Share of contacts whose outcome is turned into its opposite." default:"0"`
	Harsh      bool          `help:"Heavier tails and higher bursts in the simulation."`
	Early      bool          `help:"Judge panes that are still open, as run does with detect.early."`
	Config     string        `help:"Configuration whose rules are evaluated; by default the text in $$FLOWWATCH_CONFIG, else the defaults." placeholder:"FILE"`
	setFlag
	Parallel int    `help:"Seeds at a time." default:"2"`
	Output   string `help:"text or json." enum:"text,json" default:"text"`
}

// Validate is called by the command line.
func (c *evaluateCmd) Validate() error {
	switch {
	case len(c.Paths) > 0 && c.Truth == "":
		return errors.New("--truth: is needed with paths: a file of JSON lines or a .tsv")
	case len(c.Paths) == 0 && c.Truth != "":
		return errors.New("--truth: goes with paths of flow logs")
	case c.Parallel < 1:
		return fmt.Errorf("--parallel: %d; accepted: 1 or more", c.Parallel)
	case c.Days <= 0 || c.Days > 60:
		return fmt.Errorf("--days: %v; accepted: more than 0, up to 60", c.Days)
	case c.Misread < 0 || c.Misread > 0.5:
		return fmt.Errorf("--misread: %v; accepted: 0 to 0.5", c.Misread)
	}
	_, err := c.seeds()
	return err
}

// Run evaluates and writes the report.
func (c *evaluateCmd) Run(ctx context.Context, e *env) error {
	cfg := defaultConfig()
	if from := (configSource{c.Config, c.Set}); from.isGiven(e) {
		read, _, err := loadConfig(e, from)
		if err != nil {
			return err
		}
		cfg = *read
	}
	var err error
	if cfg.Networks.Allow, err = allowed(&cfg.Networks, e.Log); err != nil {
		return usageError{err}
	}
	var runs []evaluate.Run
	if len(c.Paths) > 0 {
		runs, err = c.captures(ctx, e, &cfg)
	} else {
		runs, err = c.simulations(ctx, e, &cfg)
	}
	if err != nil {
		return err
	}
	report := evaluate.Of(runs)
	report.PeakMemory = peakMemory()
	if c.Output == "json" {
		return report.WriteJSON(e.Stdout)
	}
	return report.WriteText(e.Stdout)
}

// simulatedFormat is the field list of a name that a flag accepts.
func simulatedFormat(name string) simulate.Format {
	if name == "v2" {
		return simulate.V2
	}
	return simulate.V5
}

// seeds reads numbers and ranges.
func (c *evaluateCmd) seeds() ([]uint64, error) {
	var all []uint64
	for part := range strings.SplitSeq(c.Seeds, ",") {
		from, to, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			to = from
		}
		a, err := strconv.ParseUint(from, 10, 64)
		b, err2 := strconv.ParseUint(to, 10, 64)
		if err != nil || err2 != nil || b < a || b-a > 10_000 {
			return nil, fmt.Errorf("--seeds: %q; accepted: numbers and ranges such as 101-110,200", part)
		}
		for s := a; s <= b; s++ {
			all = append(all, s)
		}
	}
	return all, nil
}

func (c *evaluateCmd) simulations(ctx context.Context, e *env, cfg *Config) ([]evaluate.Run, error) {
	seeds, err := c.seeds()
	if err != nil {
		return nil, usageError{err}
	}
	runs := make([]evaluate.Run, len(seeds))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(c.Parallel)
	for i, seed := range seeds {
		group.Go(func() error {
			run, err := c.simulation(ctx, e, cfg, seed)
			if err == nil {
				runs[i] = *run
			}
			return err
		})
	}
	return runs, group.Wait()
}

// simulated is the traffic of a seed, before anything happens in it.
func (c *evaluateCmd) simulated(seed uint64) (simulate.Config, error) {
	delivery, err := simulate.NamedDelivery(c.Delivery)
	return simulate.Config{
		Seed: seed, Start: evaluationStart, Interfaces: c.Interfaces, VPCs: c.VPCs, Format: simulatedFormat(c.Fields), Interval: c.Interval,
		Varied: true, Harsh: c.Harsh, Delivery: delivery, Radiation: exactly(c.Probes), Malformed: -1, Late: -1, Misread: c.Misread,
	}, err
}

// evaluationStart is a Monday, so that four days hold no weekend.
var evaluationStart = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func (c *evaluateCmd) simulation(ctx context.Context, e *env, cfg *Config, seed uint64) (*evaluate.Run, error) {
	lasts := time.Duration(c.Days * 24 * float64(time.Hour))
	sim, err := c.simulated(seed)
	if err != nil {
		return nil, usageError{err}
	}
	if sim.Scenarios, err = simulate.Suite(c.Suite, sim, lasts); err != nil {
		return nil, usageError{err}
	}
	if len(sim.Scenarios) == 0 && c.Suite != "background" {
		return nil, usagef("--suite %s: no scenario fits into %g days of %d interfaces: floods need more than 2 days, and each site rests between two; "+
			"accepted: longer --days, more --interfaces, or --suite background", c.Suite, c.Days, c.Interfaces)
	}
	traffic, err := simulate.New(sim)
	if err != nil {
		return nil, usageError{err}
	}
	own := append(slices.Clone(cfg.Networks.Internal), traffic.Internal()...)
	allow := append(slices.Clone(cfg.Networks.Allow), traffic.Allowed()...)
	var arrived *arrivals
	if c.Early {
		if arrived, err = newArrivals(traffic, enrich.New(own, allow), &cfg.Rules, cfg.Windows.Pane); err != nil {
			return nil, err
		}
	}
	replay := newReplay(traffic, lasts, arrived)
	formats, err := layouts([]string{traffic.Format()})
	if err != nil {
		return nil, err
	}
	found := &judge{clock: replay.Now}
	p, err := bare(ctx, e, cfg, bareOptions{Internal: own, Allow: allow, Watch: found.watch, Clock: replay.Now, Early: c.Early})
	if err != nil {
		return nil, err
	}
	if err := p.Run(ctx, pipeline.Input{Source: replay, Formats: formats, Lateness: cfg.Windows.AllowedLateness}); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return &evaluate.Run{
		Seed: seed, Truth: traffic.Truth(), Incidents: found.All(), Interfaces: c.Interfaces,
		From: evaluationStart, To: evaluationStart.Add(lasts), Learn: c.Learn, Pane: cfg.Windows.Pane,
		Records: p.Published().OK, Needed: arrived.needed,
	}, nil
}

// captures evaluates the user's own labelled logs, as one run.
func (c *evaluateCmd) captures(ctx context.Context, e *env, cfg *Config) ([]evaluate.Run, error) {
	text, err := os.ReadFile(c.Truth)
	if err != nil {
		return nil, usageError{fmt.Errorf("--truth: %w", err)}
	}
	read := simulate.ReadTruth
	if filepath.Ext(c.Truth) == ".tsv" {
		read = evaluate.ReadLabels
	}
	truth, err := read(bytes.NewReader(text))
	if err != nil {
		return nil, usageError{fmt.Errorf("--truth %s: %w", c.Truth, err)}
	}
	formats, err := layouts(c.Format)
	if err != nil {
		return nil, usageError{fmt.Errorf("--%w", err)}
	}
	const lateness = time.Hour
	source, err := file.Open(file.Config{Paths: c.Paths, Stdin: e.Stdin, Lateness: lateness, Probe: probe(formats, e.Now)})
	if err != nil {
		return nil, usageError{err}
	}
	seen := newLabelled(truth)
	found := &judge{clock: func() time.Time { return time.Time{} }}
	p, err := bare(ctx, e, cfg, bareOptions{Internal: cfg.Networks.Internal, Allow: cfg.Networks.Allow, Watch: found.watch, Clock: e.Now, Observe: seen.observe})
	if err != nil {
		return nil, err
	}
	if err := p.Run(ctx, pipeline.Input{Source: source, Formats: formats, Lateness: lateness}); err != nil {
		return nil, err
	}
	seen.tell()
	return []evaluate.Run{{
		Captured: true, Truth: truth, Incidents: found.All(), Interfaces: len(seen.interfaces), From: seen.first, To: seen.last,
		// A capture is seldom as long as --learn: then half of it counts.
		Learn: min(c.Learn, seen.last.Sub(seen.first)/2), Pane: cfg.Windows.Pane, Records: p.Published().OK,
		Why: func(t *simulate.Truth) string { return seen.why(t, &cfg.Rules) },
	}}, nil
}
