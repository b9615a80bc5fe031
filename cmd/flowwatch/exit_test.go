package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/flowwatch/flowwatch/cmd/flowwatch/internal/strictyaml"
)

func TestExitCode(t *testing.T) {
	f := func(err error, want int) {
		t.Helper()
		if got := exitCode(err); got != want {
			t.Errorf("exitCode(%v) = %d, want %d", err, got, want)
		}
	}
	f(nil, 0)
	f(errors.New("disk full"), 1)
	f(usagef("no such format"), 2)
	f(fmt.Errorf("analyze: %w", usagef("no such format")), 2)
	f(&kong.ParseError{}, 2)
	f(findingsError{Count: 2, Severity: "high"}, 3)
	f(fmt.Errorf("analyze: %w", findingsError{Count: 2, Severity: "high"}), 3)
}

func TestDescribe(t *testing.T) {
	f := func(err error, want string) {
		t.Helper()
		if got := describe(err); got != want {
			t.Errorf("describe(%v) = %q, want %q", err, got, want)
		}
	}
	f(usagef("no such format"), "flowwatch: no such format")
	f(findingsError{Count: 2, Severity: "high"}, "flowwatch: findings of severity high or above: 2")
	f(usageError{strictyaml.Problems{{File: "a.yml", Line: 3, Path: "listen", Text: "is empty"}, {File: "a.yml", Line: 4, Text: "is odd"}}},
		"a.yml:3: listen: is empty\na.yml:4: is odd")
}
