package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// floodSources is how many forged sources there are by default, and with
// FLOWWATCH_FLOOD=full: somewhat more than five million, since some are drawn
// twice.
const (
	floodSources     = 400_000
	fullFloodSources = 5_100_000
)

// floodResident is what the process may have resident at most.
const floodResident = 256 << 20

// floodScans is what happens in the pane of the flood beside it, and has to be
// found all the same.
var floodScans = []simulate.Scenario{
	{Kind: simulate.VerticalScan}, {Kind: simulate.HostSweep, VPC: 1}, {Kind: "block-scan", Site: 1},
	{Kind: simulate.ExternalScan}, {Kind: simulate.ExternalScan, VPC: 1}, {Kind: simulate.ExternalScan, Site: 1},
}

// flood is simulated traffic: scans from inside and outside, and SYNs from so
// many forged sources at one load balancer, all in one pane.
func flood(t *testing.T, sources int) *simulate.Generator {
	t.Helper()
	at := 70 * time.Minute
	scenarios := []simulate.Scenario{{Kind: "spoofed-flood", Size: sources, At: at}}
	for _, s := range floodScans {
		s.At = at
		scenarios = append(scenarios, s)
	}
	g, err := simulate.New(simulate.Config{
		Seed: 7, Start: evaluationStart, Interfaces: 40, Malformed: -1, Late: -1, Scenarios: scenarios,
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

const floodMinutes = 85

// writeFlood writes the lines in order of their delivery to a compressed file.
func writeFlood(t *testing.T, g *simulate.Generator, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(zip, 1<<20)
	write := func(batches []simulate.Batch) {
		for i := range batches {
			for _, l := range batches[i].Lines {
				fmt.Fprintf(w, "%s\n", l.Text) // what fails, Flush tells
			}
		}
	}
	for range floodMinutes {
		write(g.Next().Batches)
	}
	write(g.Rest())
	for _, end := range []func() error{w.Flush, zip.Close, f.Close} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFloodOfSpoofedSources runs the whole service in a process of its own.
func TestFloodOfSpoofedSources(t *testing.T) {
	sources := floodSources
	if os.Getenv("FLOWWATCH_FLOOD") == "full" {
		sources = fullFloodSources
	} else {
		t.Logf("%d forged sources; five million take a minute or two: FLOWWATCH_FLOOD=full", sources)
	}
	dir := t.TempDir()
	g := flood(t, sources)
	writeFlood(t, g, filepath.Join(dir, "flow.log.gz"))
	config := filepath.Join(dir, "flowwatch.yml")
	findings := filepath.Join(dir, "findings.jsonl")
	state := filepath.Join(dir, "state")
	text := fmt.Sprintf(`sources:
  - file: {paths: [%q], follow: false}
    format: %q
sinks:
  - file: {path: %q}
checkpoint: {file: {dir: %q}}
listen: %q
`, filepath.Join(dir, "flow.log.gz"), g.Format(), findings, state, freeAddr(t))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	peak, said := runWatched(t, config)
	counted := committedCounters(t, state)
	t.Logf("peak of resident memory %d MiB; evicted: %v", peak>>20, counted.Evicted)
	if want := g.Counts().Lines; counted.OK+counted.NoData+counted.SkipData != want {
		t.Errorf("%d records counted, %d generated", counted.OK+counted.NoData+counted.SkipData, want)
	}
	if raceDetector {
		t.Log("the race detector multiplies memory: it is not held to the bound")
	} else if peak > floodResident {
		t.Errorf("peak of resident memory: %d MiB, want at most %d", peak>>20, floodResident>>20)
	}
	raw, err := os.ReadFile(findings)
	if err != nil {
		t.Fatal(err)
	}
	for _, truth := range g.Truth() {
		if !slices.ContainsFunc(bytes.Split(raw, []byte("\n")), func(line []byte) bool {
			return bytes.Contains(line, []byte(truth.Rule)) && bytes.Contains(line, []byte(`"`+truth.Key+`"`))
		}) {
			t.Errorf("%s of %s by %s is not found", truth.Scenario, truth.Key, truth.Rule)
		}
	}
	if t.Failed() {
		t.Log(said[max(0, len(said)-3000):])
	}
}

// runWatched runs the service until it has read everything and returns the most
// memory that it had resident. That is read from the process itself: what the
// system counts of a child begins with its parent's.
func runWatched(t *testing.T, config string) (peak int64, said string) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("flowwatch", "run", "--config", config)
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("%v; it says:\n%s", err, &stderr)
			}
			if peak == 0 {
				t.Skip("the system does not tell how much memory a process has resident")
			}
			return peak, stderr.String()
		case <-tick.C:
			peak = max(peak, peakMemoryOf(strconv.Itoa(cmd.Process.Pid)))
		}
	}
}

type committed struct {
	OK, NoData, SkipData int64
	Evicted              map[string]int64
}

// committedCounters reads what a process that has ended counted.
func committedCounters(t *testing.T, dir string) committed {
	t.Helper()
	store, err := checkpoint.OpenFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var c committed
	err = store.Load(context.Background(), func(key, value []byte) error {
		if strings.HasPrefix(string(key), "c/") {
			return json.Unmarshal(value, &c)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
