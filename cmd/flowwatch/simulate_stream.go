package main

import (
	"context"
	"fmt"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/simulate"
	"github.com/flowwatch/flowwatch/pipeline/source/kinesis"
)

// toStream writes the truth and puts every batch on the stream when it arrives,
// by a clock that begins at the start of event time now.
func (c *simulateCmd) toStream(ctx context.Context, traffic *simulate.Generator, start time.Time) error {
	client, err := kinesis.NewClient(kinesis.Config{Stream: c.Stream, Region: c.Region, Endpoint: c.Endpoint})
	if err != nil {
		return usageError{fmt.Errorf("--stream: %w", err)}
	}
	if err := c.writeTruth(traffic); err != nil {
		return err
	}
	p := &producer{client: client, stream: c.Stream}
	clock := &pace{began: time.Now(), start: start, speed: c.Speed}
	err = c.arrivals(ctx, traffic, func(b *simulate.Batch) error {
		if wait := clock.until(b.At); wait > 0 {
			if err := p.flush(ctx); err != nil {
				return err
			}
			if err := sleep(ctx, clock.until(b.At)); err != nil {
				return err
			}
		}
		return p.add(ctx, b)
	})
	if err == nil {
		err = p.flush(ctx)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %d records are on stream %s, which is not all", p.put, c.Stream)
	}
	return err
}

// pace is a clock that runs at a multiple of the real one.
type pace struct {
	began time.Time // real
	start time.Time // its time then
	speed float64   // 0: it is always late enough
}

// until returns how long, in real time, it is until a time of this clock.
func (p *pace) until(at time.Time) time.Duration {
	if p.speed == 0 {
		return 0
	}
	return time.Until(p.began.Add(time.Duration(float64(at.Sub(p.start)) / p.speed)))
}
