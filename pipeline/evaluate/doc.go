// Package evaluate judges findings by what really happened: per kind of
// scenario how many were found, what was reported that should not have been,
// and how long it took. It runs nothing and knows no detector.
package evaluate
