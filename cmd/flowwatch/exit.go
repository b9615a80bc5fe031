package main

import (
	"errors"
	"fmt"

	"github.com/alecthomas/kong"

	"github.com/flowwatch/flowwatch/cmd/flowwatch/internal/strictyaml"
)

// The exit codes.
const (
	exitOK       = 0
	exitFailed   = 1 // while running
	exitUsage    = 2 // wrong usage or configuration
	exitFindings = 3 // with --fail-on
)

// usageError is an error that the user can mend before anything has run: in
// the command line or the configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usagef makes a usageError.
func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// findingsError says that the input was read and has findings that --fail-on
// asked about.
type findingsError struct {
	Count    int
	Severity string // the least that counts
}

// Error says what was found.
func (e findingsError) Error() string {
	return fmt.Sprintf("findings of severity %s or above: %d", e.Severity, e.Count)
}

// exitCode returns the exit code that an error ends the process with.
func exitCode(err error) int {
	var usage usageError
	var parse *kong.ParseError
	var findings findingsError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &findings):
		return exitFindings
	case errors.As(err, &usage), errors.As(err, &parse):
		return exitUsage
	}
	return exitFailed
}

// describe returns what the user is told of an error. Problems in a file begin
// with the file and the line, so that editors find the place.
func describe(err error) string {
	var problems strictyaml.Problems
	if errors.As(err, &problems) {
		return problems.Error()
	}
	return "flowwatch: " + err.Error()
}
