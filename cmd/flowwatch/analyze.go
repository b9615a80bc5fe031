package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/source/file"
	"github.com/flowwatch/flowwatch/pipeline/summary"
	"github.com/flowwatch/flowwatch/sinks/stdout"
)

type analyzeCmd struct {
	Paths    []string       `arg:"" name:"path" help:"Files, folders, globs, - for standard input, or s3://bucket/prefix: plain, gzip, zstd or Parquet."`
	Since    string         `help:"Of S3, only objects that may hold records from this time on: RFC 3339, or a date in UTC."`
	Until    string         `help:"Of S3, only objects that may hold records from before this time."`
	Region   string         `help:"AWS region of the bucket; by default that of the environment or profile."`
	Endpoint string         `help:"A local server in place of S3."`
	Output   string         `help:"table or json." enum:"table,json" default:"table"`
	Format   []string       `help:"Field list of lines without a header, such as 'account-id action bytes ...'. Repeatable." sep:"none"`
	Top      int            `help:"Length of the top lists." default:"10"`
	Lateness time.Duration  `help:"How far behind the newest record of its file a record may come." default:"1h"`
	Internal []netip.Prefix `help:"Own networks, as CIDR. Repeatable; by default the private ranges."`
	Database []string       `help:"An mmdb file for countries, cities and autonomous systems, before what is built in. Repeatable." sep:"none" placeholder:"FILE"`
	List     []string       `help:"Networks of a kind (scanner, tor, vpn or hosting), as files or folders of MISP warning lists. Repeatable." sep:"none" placeholder:"KIND=PATH"`
	FailOn   string         `help:"Exit with code 3 when there is a finding of this severity or above." enum:",info,low,medium,high,critical" default:""`
}

// Validate is called by the command line.
func (c *analyzeCmd) Validate() error {
	switch {
	case c.Top < 1:
		return fmt.Errorf("--top: %d is no length; accepted: 1 or more", c.Top)
	case c.Lateness < 0:
		return fmt.Errorf("--lateness: %s is negative; accepted: 0s or more", c.Lateness)
	}
	if _, err := c.backfill(); err != nil {
		return err
	}
	return nil
}

// Run reads all paths once and writes the result to Stdout.
func (c *analyzeCmd) Run(ctx context.Context, e *env) error {
	defer collectLess()()
	formats, err := layouts(c.Format)
	if err != nil {
		return usageError{fmt.Errorf("--%w", err)}
	}
	paths, objects, err := c.inputs(ctx)
	if err != nil {
		return err
	}
	source, err := file.Open(file.Config{Paths: paths, Objects: objects, Stdin: e.Stdin, Lateness: c.Lateness, Probe: probe(formats, e.Now)})
	if err != nil {
		return usageError{err}
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	totals := &tally{format: c.Format, stop: stop}
	found := &finds{last: make(map[string]detect.Finding)}
	cfg := defaultConfig()
	if len(c.Internal) > 0 {
		cfg.Networks.Internal = c.Internal
	}
	known, err := c.enrichment()
	if err != nil {
		return usageError{err}
	}
	places, _, err := openPlaces(known, cfg.Networks.Internal, e.Log.WithOptions(zap.IncreaseLevel(zap.WarnLevel)))
	if err != nil {
		return usageError{err}
	}
	p, err := bare(ctx, e, &cfg, bareOptions{
		Internal: cfg.Networks.Internal, Allow: cfg.Networks.Allow, Places: places,
		Outlets: []pipeline.Outlet{found}, Clock: e.Now, Observe: totals.observe,
	})
	if err != nil {
		return err
	}
	done := showProgress(e, source.Progress)
	err = p.Run(ctx, pipeline.Input{Source: source, Formats: formats, Lateness: c.Lateness})
	done()
	if cause := context.Cause(ctx); cause != nil {
		return cause // interrupted, or a format that nothing fits
	}
	if err := cmp.Or(totals.misfit(), err); err != nil {
		return err
	}
	if err := c.write(e, totals.all(), places, found.sorted()); err != nil {
		return err
	}
	var problems []error
	for _, problem := range source.Problems() {
		problems = append(problems, problem)
	}
	if len(problems) > 0 {
		return fmt.Errorf("the result lacks what could not be read: %w", errors.Join(problems...))
	}
	return c.failOn(found.sorted())
}

// enrichment is what the flags say of places, as the configuration file would.
func (c *analyzeCmd) enrichment() (*EnrichConfig, error) {
	cfg := &EnrichConfig{Databases: c.Database}
	for _, list := range c.List {
		kind, path, _ := strings.Cut(list, "=")
		paths := cfg.Lists.of(enrich.Kind(kind))
		if paths == nil || path == "" {
			return nil, fmt.Errorf("--list: %q names no kind and path; accepted: scanner=, tor=, vpn= or hosting= with a file or folder", list)
		}
		*paths = append(*paths, path)
	}
	return cfg, nil
}

func (c *analyzeCmd) write(e *env, total *summary.Summary, places *enrich.Places, findings []detect.Finding) error {
	o := summary.Options{Top: c.Top}
	if country, system := places.Tells(); country || system {
		o.Locate = places.Lookup
	}
	var lines []string
	for i := range findings {
		object, err := encodeOCSF(&findings[i], e.Now())
		if err != nil {
			return err
		}
		o.Findings = append(o.Findings, json.RawMessage(object))
		lines = append(lines, stdout.Line(&findings[i]))
	}
	report := total.Report(o)
	if report.Records.OK > 0 && report.Unknown.Records == report.Records.OK {
		fmt.Fprintln(e.Stderr, "flowwatch: no record tells its direction, and none goes between your networks and others:\n"+
			"name yours with --internal CIDR, or log the field flow-direction")
	}
	if c.Output == "json" {
		return report.WriteJSON(e.Stdout)
	}
	return report.WriteTable(e.Stdout, summary.TableOptions{Width: columns(e.Stdout), Color: e.colour(e.Stdout), Findings: lines})
}

func (c *analyzeCmd) failOn(findings []detect.Finding) error {
	if c.FailOn == "" {
		return nil
	}
	least, err := detect.ParseSeverity(c.FailOn)
	if err != nil {
		return usageError{err}
	}
	n := 0
	for _, f := range findings {
		if f.Severity >= least {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return findingsError{Count: n, Severity: c.FailOn}
}

// finds keeps each incident in its last state.
type finds struct{ last map[string]detect.Finding }

// Name implements pipeline.Outlet.
func (o *finds) Name() string { return "analyze" }

// Accepts implements pipeline.Outlet: everything is of interest.
func (o *finds) Accepts(*detect.Finding) bool { return true }

// Offer implements pipeline.Outlet. Commits call it one after the other.
func (o *finds) Offer(_ uint64, f *detect.Finding) { o.last[f.UID] = *f }

// TakeDone implements pipeline.Outlet.
func (o *finds) TakeDone() []uint64 { return nil }

// sorted returns the incidents, the most severe first, then by time and uid.
func (o *finds) sorted() []detect.Finding {
	all := make([]detect.Finding, 0, len(o.last))
	for _, f := range o.last {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b detect.Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Created, b.Created), cmp.Compare(a.UID, b.UID))
	})
	return all
}
