package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/zap"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"flowwatch": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a command and wants its exit code: exits CODE COMMAND ARG...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG...")
	}
	code := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// world is an env whose output can be read and whose variables are set here.
type world struct {
	env
	stdout, stderr bytes.Buffer
}

func newWorld(variables map[string]string) *world {
	w := &world{}
	w.env = env{
		Stdin: strings.NewReader(""), Stdout: &w.stdout, Stderr: &w.stderr, Log: zap.NewNop(),
		Now:       func() time.Time { return time.Unix(1_800_000_000, 0) },
		LookupEnv: func(name string) (string, bool) { v, ok := variables[name]; return v, ok },
	}
	return w
}

// run executes a command line in the world.
func (w *world) run(t *testing.T, args ...string) int {
	t.Helper()
	w.stdout.Reset()
	w.stderr.Reset()
	return execute(t.Context(), &w.env, args)
}

func TestExecuteExitCodes(t *testing.T) {
	f := func(want int, stdout, stderr string, args ...string) {
		t.Helper()
		w := newWorld(nil)
		if got := w.run(t, args...); got != want {
			t.Errorf("%q exits %d, want %d\n%s", args, got, want, &w.stderr)
		}
		if !strings.Contains(w.stdout.String(), stdout) || stdout == "" && w.stdout.Len() > 0 {
			t.Errorf("%q: stdout %q, want %q in it", args, &w.stdout, stdout)
		}
		if !strings.Contains(w.stderr.String(), stderr) || stderr == "" && w.stderr.Len() > 0 {
			t.Errorf("%q: stderr %q, want %q in it", args, &w.stderr, stderr)
		}
	}
	f(exitOK, "flowwatch ", "", "version")
	f(exitOK, "Usage: flowwatch <command>", "", "--help")
	f(exitOK, "Usage: flowwatch config check [<file>]", "", "config", "check", "--help")
	f(exitUsage, "", "Usage: flowwatch <command>")
	f(exitUsage, "", "flowwatch: unexpected argument frobnicate", "frobnicate")
	f(exitUsage, "", "flowwatch: unknown flag --frobnicate", "version", "--frobnicate")
	f(exitUsage, "", "--log-level must be one of", "--log-level=loud", "version")
	f(exitUsage, "", "there is no configuration; accepted: a file, its text in FLOWWATCH_CONFIG, or every value with --set", "config", "check")
	f(exitUsage, "", "there is no configuration", "run")
	f(exitUsage, "", "no such file", "config", "check", "testdata/absent.yml")
	f(exitUsage, "", "is a directory", "config", "check", "testdata")
	f(exitUsage, "", "healthcheck", "healthcheck", "--listen=nowhere", "x")
	f(exitUsage, "", `--listen: "nowhere" is no address`, "healthcheck", "--listen=nowhere")
}

func TestExecuteEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := newWorld(nil)
	if got := execute(ctx, &w.env, []string{"healthcheck", "--listen=127.0.0.1:1"}); got != exitFailed {
		t.Errorf("exits %d, want %d", got, exitFailed)
	}
}
