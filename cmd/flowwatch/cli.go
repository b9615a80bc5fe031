package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/alecthomas/kong"
)

// execute runs the command that args name and returns the exit code. It says
// on Stderr what went wrong.
func execute(ctx context.Context, e *env, args []string) int {
	var cmds commands
	helped := false
	parser, err := kong.New(&cmds,
		kong.Name("flowwatch"),
		kong.Description("Prometheus metrics and security findings from AWS VPC Flow Logs."),
		kong.Writers(e.Stdout, e.Stderr),
		kong.Exit(func(int) { helped = true }), // after --help only
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(e),
	)
	if err != nil {
		panic(fmt.Sprintf("flowwatch: the command line is declared wrong: %v", err))
	}
	parsed, err := parser.Parse(args)
	if helped {
		return exitOK
	}
	if err == nil {
		e.Log = newLogger(e.Stderr, cmds.LogLevel, isTerminal(e.Stderr), e.colour(e.Stderr))
		err = parsed.Run()
		_ = e.Log.Sync() // a terminal and a pipe can't be synced, and say so
	}
	if err != nil {
		fmt.Fprintln(e.Stderr, describe(err))
		shortUsage(parser, err)
	}
	return exitCode(err)
}

// shortUsage tells how the command is called, when that was the error.
func shortUsage(parser *kong.Kong, err error) {
	var parse *kong.ParseError
	if errors.As(err, &parse) {
		parser.Stdout = parser.Stderr // where kong writes a usage to
		_ = parse.Context.PrintUsage(true)
	}
}
