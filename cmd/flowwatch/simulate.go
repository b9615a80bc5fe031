package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

type simulateCmd struct {
	Out        string        `help:"Folder for flow.log and truth.jsonl, made when missing; - for lines to standard output." placeholder:"DIR"`
	Truth      string        `help:"With --out -: file for the truth." placeholder:"FILE"`
	Gzip       bool          `help:"Compress flow.log to flow.log.gz."`
	Stream     string        `help:"Kinesis stream to put CloudWatch envelopes on, in place of --out." placeholder:"NAME"`
	Endpoint   string        `help:"With --stream: a local server in place of AWS." placeholder:"URL"`
	Region     string        `help:"With --stream: its region." placeholder:"REGION"`
	Speed      float64       `help:"With --stream: how many times as fast as real time; 0 for as fast as possible." default:"1"`
	Seed       uint64        `help:"The same seed gives the same bytes." default:"1"`
	Start      time.Time     `help:"First simulated minute, RFC 3339." default:"2026-03-02T00:00:00Z"`
	For        time.Duration `help:"How long." default:"1h"`
	Interfaces int           `help:"Network interfaces." default:"20"`
	VPCs       int           `name:"vpcs" help:"Networks that they belong to." default:"2"`
	Fields     string        `help:"Format: v2, or v5 with its 29 fields." enum:"v2,v5" default:"v5"`
	Interval   time.Duration `help:"Aggregation interval: 1m or 10m." default:"1m"`
	Level      float64       `help:"Multiplies the background traffic." default:"1"`
	Probes     float64       `help:"Unsolicited probes an hour for each public address." default:"300"`
	Varied     bool          `help:"Give every interface a rate of its own, and bursts to a few."`
	Delivery   string        `help:"When logs arrive, which is the order of the lines: prompt (22 to 44 s) or aws (median 30 s, a tail to 12 minutes, some missing, some twice)." enum:"prompt,aws" default:"prompt"`
	Suite      string        `help:"Scenarios: background, attacks, benign or all." enum:",background,attacks,benign,all" default:""`
	Scenario   []string      `help:"A scenario, KIND@OFFSET or KIND@OFFSETxFACTOR, such as flood@50hx10. Repeatable." sep:"none"`
	List       bool          `help:"List the kinds of scenario and what is expected of each."`
}

// Validate is called by the command line.
func (c *simulateCmd) Validate() error {
	if c.List {
		return nil
	}
	switch {
	case (c.Out == "") == (c.Stream == ""):
		return errors.New("--out or --stream: one of them says where the traffic goes")
	case c.Out == "-" && c.Truth == "":
		return errors.New("--truth: a file is needed with --out -, or it would be lost")
	case c.Out != "-" && c.Truth != "" && c.Stream == "":
		return errors.New("--truth: goes with --out - and --stream; in a folder it is truth.jsonl")
	case c.For < time.Minute:
		return fmt.Errorf("--for: %s; accepted: at least 1m", c.For)
	case c.Speed < 0:
		return fmt.Errorf("--speed: %v; accepted: 0 or more", c.Speed)
	case c.Suite != "" && len(c.Scenario) > 0:
		return errors.New("--scenario: not together with --suite")
	}
	return nil
}

// Run writes the simulation.
func (c *simulateCmd) Run(ctx context.Context, e *env) error {
	if c.List {
		return listKinds(e.Stdout)
	}
	cfg, err := c.config()
	if err != nil {
		return usageError{err}
	}
	traffic, err := simulate.New(cfg)
	if err != nil {
		return usageError{err}
	}
	if c.Stream != "" {
		err = c.put(ctx, e, traffic)
	} else {
		err = c.write(ctx, e, traffic)
	}
	if err != nil {
		return err
	}
	n := traffic.Counts()
	fmt.Fprintf(e.Stderr, "%d lines of %d interfaces over %s, %d scenarios\n", n.Lines, c.Interfaces, c.For, len(traffic.Truth()))
	return nil
}

func (c *simulateCmd) config() (simulate.Config, error) {
	cfg := simulate.Config{
		Seed: c.Seed, Start: c.Start, Interfaces: c.Interfaces, VPCs: c.VPCs, Format: simulatedFormat(c.Fields),
		Interval: c.Interval, Level: c.Level, Radiation: c.Probes, Varied: c.Varied, Malformed: -1, Late: -1,
	}
	if c.Probes == 0 {
		cfg.Radiation = -1
	}
	if c.Delivery == "aws" {
		cfg.Delivery = simulate.AWSDelivery()
	}
	var err error
	if c.Suite != "" {
		cfg.Scenarios, err = simulate.Suite(c.Suite, cfg, c.For)
		return cfg, err
	}
	for _, text := range c.Scenario {
		s, err := parseScenario(text)
		if err != nil {
			return cfg, fmt.Errorf("--scenario %q: %w", text, err)
		}
		cfg.Scenarios = append(cfg.Scenarios, s)
	}
	return cfg, nil
}

// parseScenario reads KIND@OFFSET, with xFACTOR behind it or not.
func parseScenario(text string) (simulate.Scenario, error) {
	kind, rest, ok := strings.Cut(text, "@")
	if !ok {
		return simulate.Scenario{}, errors.New("no offset; accepted: KIND@OFFSET, such as vertical-scan@30m")
	}
	s := simulate.Scenario{Kind: simulate.Kind(kind)}
	offset, factor, ok := strings.Cut(rest, "x")
	if ok {
		f, err := strconv.ParseFloat(factor, 64)
		if err != nil || !(f > 1 && f <= 10_000) {
			return s, fmt.Errorf("factor %q; accepted: a number above 1, up to 10000", factor)
		}
		s.Factor = f
	}
	at, err := time.ParseDuration(offset)
	if err != nil {
		return s, fmt.Errorf("offset %q; accepted: a duration such as 90m", offset)
	}
	s.At = at
	return s, nil
}

// write writes lines in their order of arrival, and the truth.
func (c *simulateCmd) write(ctx context.Context, e *env, traffic *simulate.Generator) (err error) {
	lines, truth := e.Stdout, c.Truth
	if c.Out != "-" {
		if err := os.MkdirAll(c.Out, 0o755); err != nil {
			return err
		}
		truth = filepath.Join(c.Out, "truth.jsonl")
		name := filepath.Join(c.Out, "flow.log")
		if c.Gzip {
			name += ".gz"
		}
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		lines = f
	}
	if c.Gzip {
		z := gzip.NewWriter(lines)
		defer func() { err = errors.Join(err, z.Close()) }()
		lines = z
	}
	w := bufio.NewWriterSize(lines, 1<<20)
	if c.Fields == "v5" {
		fmt.Fprintln(w, traffic.Format()) // the default format needs no header
	}
	err = c.batches(ctx, traffic, func(b *simulate.Batch) error {
		for _, l := range b.Lines {
			if _, err := w.Write(l.Text); err != nil {
				return err
			}
			if err := w.WriteByte('\n'); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, w.Flush()); err != nil {
		return err
	}
	return writeTruth(truth, traffic)
}

// batches goes through all batches in their order of arrival.
func (c *simulateCmd) batches(ctx context.Context, traffic *simulate.Generator, take func(*simulate.Batch) error) error {
	all := func(batches []simulate.Batch) error {
		for i := range batches {
			if err := take(&batches[i]); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	for range int(c.For / time.Minute) {
		if err := all(traffic.Next().Batches); err != nil {
			return err
		}
	}
	return all(traffic.Rest())
}

func writeTruth(path string, traffic *simulate.Generator) error {
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(simulate.WriteTruth(f, traffic.Truth()), f.Close())
}

func listKinds(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, k := range simulate.Kinds() {
		expect := k.Expect
		if k.Expect == simulate.ExpectFinding {
			expect = k.Rule
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", k.Kind, expect, k.Lasts, k.Doc)
	}
	return t.Flush()
}
