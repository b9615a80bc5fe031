package main

import (
	"os"
	"runtime/debug"
)

// limitMemory tells the collector how much memory the process may use, unless
// GOMEMLIMIT says so already. It is a goal, not a bound: what grows with the
// number of sources is bounded by limits.sources.
func limitMemory(limit int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
}
