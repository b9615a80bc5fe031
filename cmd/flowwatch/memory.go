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

// runGC is the GC percentage of a service. Little garbage arises, since records
// are folded without allocating and the large tables hold few pointers: a smaller
// heap costs next to nothing.
const runGC = 25

// collectMore sets it, unless GOGC says something else.
func collectMore() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(runGC)
	}
}

// analyzeGC is the GC percentage of a command that ends soon: it is done before
// the heap, which it reuses, has grown much.
const analyzeGC = 200

// collectLess lets garbage pile up more than usual, unless GOGC says something
// else, until the returned function is called.
func collectLess() (restore func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(analyzeGC)
	return func() { debug.SetGCPercent(before) }
}
