package sinks

import (
	"errors"
	"slices"
)

// Partial marks an error of Send that concerns only some of its findings: those
// with the indexes in left. All others have arrived and are not sent again.
// Partial(nil, left) is nil.
//
// A sink that uses it must not let a later event of an incident arrive while an
// earlier one of the same Send is left.
func Partial(err error, left []int) error {
	if err == nil {
		return nil
	}
	return partialError{err, left}
}

// PartialFrom marks an error of Send that concerns its findings from an index
// on, of n: those before have arrived.
func PartialFrom(err error, from, n int) error {
	left := make([]int, 0, n-from)
	for i := from; i < n; i++ {
		left = append(left, i)
	}
	return Partial(err, left)
}

type partialError struct {
	error
	left []int
}

func (p partialError) Unwrap() error { return p.error }

// remains reports whether the finding with an index is still to be sent, given
// what its Send returned.
func remains(err error, index int) bool {
	var p partialError
	if errors.As(err, &p) {
		return slices.Contains(p.left, index)
	}
	return err != nil
}

// Left returns the indexes of the n findings of a Send that have not arrived,
// given what it returned.
func Left(err error, n int) (left []int) {
	for i := range n {
		if remains(err, i) {
			left = append(left, i)
		}
	}
	return left
}
