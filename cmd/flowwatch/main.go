// Command flowwatch reads AWS VPC Flow Logs, groups them in event-time windows
// and gives Prometheus metrics and security findings. `flowwatch --help` lists
// the commands.
//
// The exit code is a contract: 0 done, 1 failed while running, 2 wrong usage
// or configuration, 3 findings with --fail-on. Results go to standard output,
// logs and progress to standard error.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// commands is the command line. A command is a field here and a file of its
// own, with the struct of its flags and a method
//
//	Run(ctx context.Context, e *env) error
//
// that ends when ctx does.
type commands struct {
	LogLevel string `help:"Least level that is logged: debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`

	Demo        demoCmd        `cmd:"" help:"Run the whole system on this machine: simulated traffic, findings, metrics."`
	Analyze     analyzeCmd     `cmd:"" help:"Read flow-log files once: totals, top lists and findings."`
	Run         runCmd         `cmd:"" help:"Consume flow logs until SIGTERM: metrics and findings."`
	Simulate    simulateCmd    `cmd:"" help:"Write labelled flow logs and the truth about them, to files or a stream."`
	Evaluate    evaluateCmd    `cmd:"" help:"Run the rules over labelled flow logs: recall, false findings, delay."`
	Config      configCmd      `cmd:"" help:"Check a configuration file, or print what is in effect."`
	Status      statusCmd      `cmd:"" help:"Ask a running flowwatch what it does: lag, watermark, last commit, partitions."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask a running flowwatch whether it is healthy: exit code 0 when it is."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(execute(ctx, osEnv(), os.Args[1:]))
}
