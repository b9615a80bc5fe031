package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// toDirectory writes flow.log, or flow.log.gz, and truth.jsonl. Files that are
// there are overwritten.
func (c *simulateCmd) toDirectory(ctx context.Context, traffic *simulate.Generator) error {
	if err := os.MkdirAll(c.Out, 0o755); err != nil { //nolint:gosec // nothing simulated is a secret
		return err
	}
	if c.Truth == "" {
		c.Truth = filepath.Join(c.Out, "truth.jsonl")
	}
	name := filepath.Join(c.Out, "flow.log")
	if !c.Gzip {
		return writeFile(name, func(w io.Writer) error { return c.toWriter(ctx, w, traffic) })
	}
	return writeFile(name+".gz", func(w io.Writer) error {
		z := gzip.NewWriter(w)
		return errors.Join(c.toWriter(ctx, z, traffic), z.Close())
	})
}

// toWriter writes the truth and then every line, in the order of arrival.
func (c *simulateCmd) toWriter(ctx context.Context, w io.Writer, traffic *simulate.Generator) error {
	if err := c.writeTruth(traffic); err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<20)
	if c.Header {
		fmt.Fprintln(out, traffic.Format())
	}
	err := c.arrivals(ctx, traffic, func(b *simulate.Batch) error {
		for _, l := range b.Lines {
			_, _ = out.Write(l.Text) // the error stays, and the next write returns it
			if err := out.WriteByte('\n'); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, out.Flush())
}

// arrivals visits what arrives, in order, until all of it has or visit fails.
func (c *simulateCmd) arrivals(ctx context.Context, traffic *simulate.Generator, visit func(*simulate.Batch) error) error {
	minutes := int(c.For / time.Minute)
	for i := range minutes + 1 {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted after %d of %d minutes: what was written is not complete", i, minutes)
		}
		var batches []simulate.Batch
		if i < minutes {
			batches = traffic.Next().Batches
		} else {
			batches = traffic.Rest()
		}
		for j := range batches {
			if err := visit(&batches[j]); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeTruth writes what is known before the first line: all of it.
func (c *simulateCmd) writeTruth(traffic *simulate.Generator) error {
	if c.Truth == "" {
		return nil
	}
	return writeFile(c.Truth, func(w io.Writer) error { return simulate.WriteTruth(w, traffic.Truth()) })
}

// writeFile creates a file and closes it.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
