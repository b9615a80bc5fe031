//go:build !race

package hostiletest

const raceDetector = false
