// Package hostiletest bounds what bytes from outside may cost, for the fuzz
// targets and the tests with hostile input, and finds the published flow logs
// that they take their seeds from.
package hostiletest
