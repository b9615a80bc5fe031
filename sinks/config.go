package sinks

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// OutboxConfig configures an outbox. A zero field stands for its default.
type OutboxConfig struct {
	MinSeverity detect.Severity // accept findings of this severity or above; default detect.Low
	Rules       []string        // accept findings of these rules; default all

	Capacity   int           // findings kept besides those being sent; default 1,000
	Batch      int           // findings in one Send; default 50
	Timeout    time.Duration // of one Send; default 30 s
	MaxBackoff time.Duration // between two attempts; default 1 min
	Grace      time.Duration // for what is queued when Run is told to end; default 5 s
}

// Validate reports every field that is out of range.
func (c *OutboxConfig) Validate() error {
	var errs []error
	negative := func(name string, is bool) {
		if is {
			errs = append(errs, fmt.Errorf("%s: negative, accepted is 0 for the default or more", name))
		}
	}
	negative("capacity", c.Capacity < 0)
	negative("batch", c.Batch < 0)
	negative("timeout", c.Timeout < 0)
	negative("max_backoff", c.MaxBackoff < 0)
	negative("grace", c.Grace < 0)
	return errors.Join(errs...)
}

func (c OutboxConfig) withDefaults() OutboxConfig {
	c.MinSeverity = cmp.Or(c.MinSeverity, detect.Low)
	c.Capacity = cmp.Or(c.Capacity, 1000)
	c.Batch = cmp.Or(c.Batch, 50)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.MaxBackoff = cmp.Or(c.MaxBackoff, time.Minute)
	c.Grace = cmp.Or(c.Grace, 5*time.Second)
	return c
}
