package main

import (
	"io"
	"os"
	"time"

	"go.uber.org/zap"
	"golang.org/x/term"
)

// env is what a command has of the world, so that it runs as well in a test.
type env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	LookupEnv      func(name string) (value string, ok bool)
	// Now is the clock of arrival times and of "now" in event time.
	Now func() time.Time
	// Log writes to Stderr at the level of --log-level.
	Log *zap.Logger
}

func osEnv() *env {
	return &env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, LookupEnv: os.LookupEnv, Now: time.Now, Log: zap.NewNop()}
}

// Getenv returns the value of an environment variable, "" when it is not set.
func (e *env) Getenv(name string) string {
	value, _ := e.LookupEnv(name)
	return value
}

// isTerminal reports whether somebody reads what is written to w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// colour reports whether text written to w may be coloured: on a terminal that
// can, unless NO_COLOR is set to anything.
func (e *env) colour(w io.Writer) bool {
	return e.Getenv("NO_COLOR") == "" && e.Getenv("TERM") != "dumb" && isTerminal(w)
}
