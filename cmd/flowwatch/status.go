package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/flowwatch/flowwatch/sinks/look"
	"github.com/flowwatch/flowwatch/sinks/status"
)

type statusCmd struct {
	Listen string `help:"Address of the status page (also $$FLOWWATCH_STATUS_LISTEN; by default what the configuration says, else 127.0.0.1:9465)." placeholder:"HOST:PORT"`
	Config string `help:"Configuration file to take the address from; by default the text in $$FLOWWATCH_CONFIG." placeholder:"FILE"`
	setFlag
	Output string `help:"text or json." enum:"text,json" default:"text"`
}

// statusMost bounds what is read of an answer.
const statusMost = 16 << 20

// Run asks a running flowwatch what it does and writes that to Stdout.
func (c *statusCmd) Run(ctx context.Context, e *env) error {
	addr, err := c.address(e)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	body, err := fetch(ctx, "http://"+addr+"/status.json", statusMost)
	if err != nil {
		return fmt.Errorf("ask for the status: %w", err)
	}
	if c.Output == "json" {
		_, err := fmt.Fprintln(e.Stdout, strings.TrimSpace(string(body)))
		return err
	}
	s := new(status.State)
	if err := json.Unmarshal(body, s); err != nil {
		return fmt.Errorf("ask for the status: what answers at %s is no status page of flowwatch: %w", addr, err)
	}
	return writeStatus(e.Stdout, s)
}

// address finds out where to ask, as healthcheck does.
func (c *statusCmd) address(e *env) (string, error) {
	listen, from := c.Listen, "--listen"
	if listen == "" {
		cfg, err := configIf(e, configSource{c.Config, c.Set}, "FLOWWATCH_STATUS_LISTEN")
		if err != nil {
			return "", err
		}
		listen, from = statusAddress(e, cfg), "FLOWWATCH_STATUS_LISTEN, or status.listen of the configuration"
	}
	if listen == statusOff {
		return "", usageError{errors.New(from + ": the status page is off, so there is nobody to ask")}
	}
	addr, err := dialable(listen)
	if err != nil {
		return "", usagef("%s: %w", from, err)
	}
	return addr, nil
}

// partitionsListed is how many partitions the text lists.
const partitionsListed = 40

// writeStatus writes a state for a person, at most 80 columns wide unless the
// name of a partition is longer than usual.
func writeStatus(w io.Writer, s *status.State) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }
	for _, problem := range s.Problems {
		line("Problem\t%s", printable(problem))
	}
	line("Watermark\t%s", moment(s.Watermark, s.Now))
	line("Lag\t%s", lag(s.LagSeconds))
	commit := look.Unknown
	if s.LastCommit != nil {
		commit = s.LastCommit.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	line("Last commit\t%s", commit)
	line("Throughput\t%s records/s, %s/s over a minute", look.Number(s.Throughput.RecordsPerSecond), look.Bytes(s.Throughput.BytesPerSecond))
	r := &s.Records
	line("Records\t%s ok, %s no data, %s skipped, %s malformed, %s late",
		look.Count(r.OK), look.Count(r.NoData), look.Count(r.SkipData), look.Count(r.Malformed), look.Count(r.Late))
	i := &s.Incidents
	line("Open incidents\t%d: %d critical, %d high, %d medium, %d low, %d info", i.All(), i.Critical, i.High, i.Medium, i.Low, i.Info)
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	line("PARTITION\tSTATE\tLAG\tWATERMARK")
	for _, p := range s.Partitions[:min(partitionsListed, len(s.Partitions))] {
		state := "waits"
		if p.Reading {
			state = "is read"
		}
		line("%s\t%s\t%s\t%s", printable(p.ID), state, lag(p.LagSeconds), moment(p.Watermark, time.Time{}))
	}
	if more := len(s.Partitions) - partitionsListed + s.PartitionsLeftOut; more > s.PartitionsLeftOut {
		line("and %s more: --output json lists the first thousand", look.Count(int64(more)))
	}
	return t.Flush()
}

// moment writes a time of events, and how long before now it is where now is
// given.
func moment(at *time.Time, now time.Time) string {
	if at == nil {
		return look.Unknown
	}
	text := at.UTC().Format("2006-01-02 15:04:05 UTC")
	if !now.IsZero() {
		text += ", " + look.Span(now.Sub(*at)) + " behind now"
	}
	return text
}

func lag(seconds *float64) string {
	if seconds == nil {
		return look.Unknown
	}
	return look.Span(time.Duration(*seconds * float64(time.Second)))
}

// printable takes out what a terminal would obey: names of partitions come from
// elsewhere.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
