package main

import (
	"fmt"

	"github.com/flowwatch/flowwatch/cmd/flowwatch/internal/strictyaml"
)

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Show every problem of a configuration file with its line; exit code 2 when there is one."`
	Print configPrintCmd `cmd:"" help:"Print the configuration that is in effect, with every default; secrets are masked."`
}

type configCheckCmd struct {
	File string `arg:"" help:"The file; - is standard input."`
}

// Run says ok on Stdout, or returns the problems.
func (c *configCheckCmd) Run(e *env) error {
	cfg, _, err := loadConfig(e, c.File)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.Stdout, "%s: ok (%s, %s)\n", c.File, plural(len(cfg.Sources), "source"), plural(len(cfg.Sinks), "sink"))
	return err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

type configPrintCmd struct {
	File string `arg:"" optional:"" help:"The file; - is standard input. Without one: a file to begin with."`
}

const exampleNote = `# flowwatch's configuration with every default.
# Put your own stream under sources; what you leave out stays as it is here.
`

// Run prints YAML that config check accepts.
func (c *configPrintCmd) Run(e *env) error {
	if c.File == "" {
		cfg := exampleConfig()
		if _, err := fmt.Fprint(e.Stdout, exampleNote); err != nil {
			return err
		}
		return strictyaml.Encode(e.Stdout, &cfg, strictyaml.Secrets{})
	}
	cfg, secrets, err := loadConfig(e, c.File)
	if err != nil {
		return err
	}
	return strictyaml.Encode(e.Stdout, cfg, secrets)
}
