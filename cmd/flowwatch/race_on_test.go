//go:build race

package main

// raceDetector reports whether this is a build with the race detector, whose
// shadow memory is many times a program's own.
const raceDetector = true
