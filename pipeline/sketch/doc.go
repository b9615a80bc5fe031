// Package sketch holds the bounded-memory summaries that partials are made
// of: distinct counters that are exact while small. It is pure: no clock, no I/O, no randomness; equal inputs give equal bytes.
package sketch
