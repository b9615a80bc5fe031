package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

type simulateCmd struct {
	Seed       uint64        `help:"Of everything that is drawn: the same flags give the same bytes." default:"1"`
	Start      string        `help:"First simulated minute, RFC 3339. By default 2026-03-02T00:00:00Z; with --stream such that the last minute is now."`
	For        time.Duration `help:"How long, in whole minutes." default:"1h"`
	Interfaces int           `help:"Network interfaces." default:"20"`
	VPCs       int           `name:"vpcs" help:"Networks that they belong to." default:"2"`
	Format     string        `help:"v2, or v5 with its 29 fields." enum:"v2,v5" default:"v5" aliases:"fields"`
	Interval   time.Duration `help:"What one record covers: 60s or 600s." default:"60s"`
	Level      float64       `help:"Times the normal traffic." default:"1"`
	Probes     float64       `help:"Unsolicited probes an hour for each public address." default:"300"`
	Varied     bool          `help:"Give every interface a rate of its own, days and weekends, and bursts to a few." default:"true" negatable:""`
	Harsh      bool          `help:"With --varied: heavier tails and higher bursts."`
	Suite      string        `help:"Scenarios, many of each kind: background (none: the default), attacks, benign or all." xor:"what"`
	Scenario   []string      `help:"One scenario: KIND@OFFSET[xFACTOR][,size=N][,for=DURATION][,vpc=N][,site=N], such as flood@50hx10. Repeatable." sep:"none" xor:"what"`
	List       bool          `help:"Say what kinds there are and what is expected of each, and end."`
	Delivery   string        `help:"When lines arrive: prompt (22 to 44 s), aws (median 30 s, tail to 12 min, a few never or twice) or rough (and an outage a day)." enum:"prompt,aws,rough" default:"prompt"`
	Malformed  float64       `help:"Share of lines that are broken." default:"0"`

	Out    string `help:"Directory for flow.log and truth.jsonl, or - for lines on standard output." placeholder:"DIR" xor:"where"`
	Gzip   bool   `help:"Write flow.log.gz."`
	Header bool   `help:"Begin with the line of field names that S3 files begin with." default:"true" negatable:""`
	Truth  string `help:"File for the truth; by default truth.jsonl in --out." placeholder:"FILE" type:"path"`

	Stream   string  `help:"Kinesis stream on which CloudWatch envelopes are put." xor:"where"`
	Region   string  `help:"Of the stream."`
	Endpoint string  `help:"URL of a Kinesis server, for one that is not that of AWS."`
	Speed    float64 `help:"How many times faster than the clock lines arrive on the stream; 0 is as fast as they can be put." default:"1"`
}

// Validate is called by the command line.
func (c *simulateCmd) Validate() error {
	if c.List {
		return nil
	}
	switch {
	case c.Out == "" && c.Stream == "":
		return errors.New("--out or --stream: one is needed; --out - is standard output")
	case c.Suite != "" && !slices.Contains(simulate.Suites(), c.Suite):
		return fmt.Errorf("--suite: %q; accepted: %s", c.Suite, strings.Join(simulate.Suites(), ", "))
	case c.For < time.Minute || c.For%time.Minute != 0:
		return fmt.Errorf("--for: %v; accepted: whole minutes, at least one", c.For)
	case c.Interval != time.Minute && c.Interval != 10*time.Minute:
		return fmt.Errorf("--interval: %v; accepted: 60s and 600s", c.Interval)
	case !(c.Level > 0 && c.Level <= 1000):
		return fmt.Errorf("--level: %v; accepted: above 0, up to 1000", c.Level)
	case !(c.Probes >= 0 && c.Probes <= 1e6):
		return fmt.Errorf("--probes: %v; accepted: 0 to 1000000", c.Probes)
	case !(c.Malformed >= 0 && c.Malformed <= 1):
		return fmt.Errorf("--malformed: %v; accepted: 0 to 1", c.Malformed)
	case !(c.Speed >= 0) || math.IsInf(c.Speed, 1):
		return fmt.Errorf("--speed: %v; accepted: 0 or more", c.Speed)
	case c.Gzip && (c.Stream != "" || c.Out == "-"):
		return errors.New("--gzip: goes with --out DIR")
	case c.Out == "-" && c.Truth == "":
		return errors.New("--truth: a file is needed with --out -, or it would be lost")
	}
	if c.Start != "" {
		if _, err := time.Parse(time.RFC3339, c.Start); err != nil {
			return fmt.Errorf("--start: %q; accepted: a time such as 2026-03-02T00:00:00Z", c.Start)
		}
	}
	_, err := c.scenarios(simulate.Config{})
	return err
}

// Run writes the simulation.
func (c *simulateCmd) Run(ctx context.Context, e *env) error {
	if c.List {
		return listKinds(e.Stdout)
	}
	cfg, err := c.config(e.Now())
	if err != nil {
		return usageError{err}
	}
	traffic, err := simulate.New(cfg)
	if err != nil {
		return usageError{err}
	}
	began := time.Now()
	switch {
	case c.Stream != "":
		err = c.toStream(ctx, traffic, cfg.Start)
	case c.Out == "-":
		err = c.toWriter(ctx, e.Stdout, traffic)
	default:
		err = c.toDirectory(ctx, traffic)
	}
	if err != nil {
		return err
	}
	n := traffic.Counts()
	took := time.Since(began)
	fmt.Fprintf(e.Stderr, "flowwatch simulate: %d lines of %d interfaces from %s to %s, %d scenarios; %d malformed, %d lines never delivered, %d twice; %.1f s, %.0f lines/s\n",
		n.Lines, c.Interfaces, cfg.Start.Format(time.RFC3339), cfg.Start.Add(c.For).Format(time.RFC3339), len(cfg.Scenarios),
		n.Malformed, n.Missing, n.Duplicates, took.Seconds(), float64(n.Lines)/took.Seconds())
	return nil
}

// config returns what is to be simulated. The flags alone decide, but for the
// start with a stream.
func (c *simulateCmd) config(now time.Time) (simulate.Config, error) {
	delivery, err := simulate.NamedDelivery(c.Delivery)
	if err != nil {
		return simulate.Config{}, fmt.Errorf("--delivery: %w", err)
	}
	cfg := simulate.Config{
		Seed: c.Seed, Start: c.start(now), Interfaces: c.Interfaces, VPCs: c.VPCs, Format: simulatedFormat(c.Format),
		Interval: c.Interval, Varied: c.Varied, Harsh: c.Harsh, Delivery: delivery, Level: c.Level,
		Radiation: exactly(c.Probes), Malformed: exactly(c.Malformed), Late: -1,
	}
	cfg.Scenarios, err = c.scenarios(cfg)
	return cfg, err
}

// exactly is a share or rate in a simulate.Config, where 0 stands for the
// default and -1 for none.
func exactly(asked float64) float64 {
	if asked == 0 {
		return -1
	}
	return asked
}

// start returns the first minute. On a stream no line may arrive before what it
// tells of: at n times the clock, event time has caught up with it at the end.
func (c *simulateCmd) start(now time.Time) time.Time {
	if c.Start != "" {
		at, _ := time.Parse(time.RFC3339, c.Start) // Validate has seen it
		return at.UTC().Truncate(time.Minute)
	}
	if c.Stream == "" {
		return evaluationStart
	}
	ahead := c.For
	if c.Speed > 0 {
		ahead = time.Duration(float64(c.For) * max(0, 1-1/c.Speed))
	}
	return now.UTC().Add(-ahead).Truncate(time.Minute)
}

// scenarios returns those of --scenario, or of the suite.
func (c *simulateCmd) scenarios(cfg simulate.Config) ([]simulate.Scenario, error) {
	if len(c.Scenario) == 0 {
		if cfg.Start.IsZero() {
			return nil, nil
		}
		return simulate.Suite(cmp.Or(c.Suite, "background"), cfg, c.For)
	}
	var all []simulate.Scenario
	for _, text := range c.Scenario {
		s, err := parseScenario(text)
		if err != nil {
			return nil, fmt.Errorf("--scenario %s: %w", text, err)
		}
		if end := s.At + s.For; end > c.For {
			return nil, fmt.Errorf("--scenario %s: it lasts until %v, the simulation %v: accepted are an earlier offset, for=DURATION, or a longer --for", text, end, c.For)
		}
		all = append(all, s)
	}
	return all, nil
}

// listKinds says what kinds of scenario there are.
func listKinds(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KIND\tEXPECTED\tRULE\tSEVERITY\tLASTS\tWHAT IT IS")
	for _, k := range simulate.Kinds() {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", k.Kind, k.Expect, orDash(k.Rule), orDash(k.Severity), shortDuration(k.Lasts), k.Doc)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n"+
		"An attack is expected to be a metric only where nobody can be told of it:\n"+
		"scans of which v2 records show too little, and floods that bring fewer than 60\n"+
		"connections in one of any two panes in a row and fewer than 240 in every pane,\n"+
		"which is below the floors of the rule spike: see docs/detection.md.\n")
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// shortDuration writes whole hours and minutes without zeros behind.
func shortDuration(d time.Duration) string {
	h, m := d/time.Hour, d%time.Hour/time.Minute
	switch {
	case h == 0:
		return fmt.Sprintf("%dm", m)
	case m == 0:
		return fmt.Sprintf("%dh", h)
	}
	return fmt.Sprintf("%dh%dm", h, m)
}
