package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// replay is a source that delivers simulated traffic as one partition, with the
// simulation's time of arrival as its clock: event time runs as fast as the
// pipeline reads.
type replay struct {
	traffic *simulate.Generator
	left    int           // minutes to be made
	step    time.Duration // of arrival that one read covers
	now     atomic.Int64  // Unix nanoseconds
	pending []simulate.Batch
	end     time.Time // of the step
	rested  bool
	batch   []pipeline.Payload
	arrived *arrivals // nil when nobody asks
}

// newReplay reads a minute of arrivals at a time. When a is given it is two
// seconds, as long as a slice lasts, since then it is the seconds that matter.
func newReplay(traffic *simulate.Generator, lasts time.Duration, a *arrivals) *replay {
	r := &replay{traffic: traffic, left: int(lasts / time.Minute), step: time.Minute, arrived: a}
	if a != nil {
		r.step = 2 * time.Second
	}
	r.now.Store(evaluationStart.UnixNano())
	return r
}

// Now is the time of the newest arrival.
func (r *replay) Now() time.Time { return time.Unix(0, r.now.Load()).UTC() }

func (r *replay) Name() string                { return "simulated" }
func (r *replay) ID() string                  { return "simulated/0" }
func (r *replay) Children() []pipeline.Start  { return nil }
func (r *replay) Committed(pipeline.Position) {}

// Run implements pipeline.Source.
func (r *replay) Run(ctx context.Context, host pipeline.Host) error {
	if err := host.Register(ctx, []pipeline.Start{{ID: r.ID(), Pull: true}}); err != nil {
		return err
	}
	err := host.Work(ctx, r)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Next returns what arrived in the next step. In between it returns an empty
// batch, so that the slice of each step is merged by itself.
func (r *replay) Next(ctx context.Context) (pipeline.Batch, error) {
	if err := ctx.Err(); err != nil {
		return pipeline.Batch{}, err
	}
	if len(r.batch) > 0 {
		r.batch = r.batch[:0]
		r.now.Store(r.end.UnixNano()) // when the slice is cut, and not before
		return pipeline.Batch{}, nil
	}
	for len(r.pending) == 0 {
		switch {
		case r.left > 0:
			r.left--
			r.pending = r.traffic.Next().Batches
		case !r.rested:
			r.rested = true
			r.pending = r.traffic.Rest()
		default:
			return pipeline.Batch{}, io.EOF
		}
	}
	r.end = r.pending[0].At.Add(r.step)
	for len(r.pending) > 0 && r.pending[0].At.Before(r.end) {
		b := &r.pending[0]
		var text []byte
		for _, l := range b.Lines {
			text = append(append(text, l.Text...), '\n')
		}
		r.batch = append(r.batch, pipeline.Payload{Data: text, Position: pipeline.Position("-"), Arrival: b.At})
		r.now.Store(max(r.now.Load(), b.At.UnixNano()))
		r.arrived.take(b)
		r.pending = r.pending[1:]
	}
	return pipeline.Batch{Payloads: r.batch}, nil
}

// peakMemory is the most memory that the process ever had resident, 0 where the
// system does not tell.
func peakMemory() int64 { return peakMemoryOf("self") }

func peakMemoryOf(process string) int64 {
	status, err := os.ReadFile(filepath.Join("/proc", process, "status"))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(string(rest)), "kB")), 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}
