package main

import (
	"context"

	"errors"
)

type simulateCmd struct{}

// Run writes the simulation.
func (c *simulateCmd) Run(context.Context, *env) error { return errors.New("to be written") }
