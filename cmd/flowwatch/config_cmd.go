package main

import (
	"cmp"
	"fmt"

	"github.com/flowwatch/flowwatch/cmd/flowwatch/internal/strictyaml"
)

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Show every problem of a configuration file with its line; exit code 2 when there is one."`
	Print configPrintCmd `cmd:"" help:"Print the configuration that is in effect, with every default; secrets are masked."`
}

type configCheckCmd struct {
	File string `arg:"" optional:"" help:"The file; - is standard input. By default the text in $$FLOWWATCH_CONFIG."`
	setFlag
}

// Run says ok on Stdout, or returns the problems.
func (c *configCheckCmd) Run(e *env) error {
	cfg, _, err := loadConfig(e, configSource{c.File, c.Set})
	if err != nil {
		return err
	}
	name := cmp.Or(c.File, "--set")
	if c.File == "" && e.Getenv(configVariable) != "" {
		name = configVariable
	}
	_, err = fmt.Fprintf(e.Stdout, "%s: ok (%s, %s)\n", name, plural(len(cfg.Sources), "source"), plural(len(cfg.Sinks), "sink"))
	return err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

type configPrintCmd struct {
	File string `arg:"" optional:"" help:"The file; - is standard input. By default the text in $$FLOWWATCH_CONFIG, and without any: a file to begin with."`
	setFlag
}

const exampleNote = `# flowwatch's configuration with every default.
# Put your own stream under sources; what you leave out stays as it is here.
`

// Run prints YAML that config check accepts.
func (c *configPrintCmd) Run(e *env) error {
	from := configSource{c.File, c.Set}
	if !from.isGiven(e) {
		cfg := exampleConfig()
		if _, err := fmt.Fprint(e.Stdout, exampleNote); err != nil {
			return err
		}
		return strictyaml.Encode(e.Stdout, &cfg, strictyaml.Secrets{})
	}
	cfg, secrets, err := loadConfig(e, from)
	if err != nil {
		return err
	}
	return strictyaml.Encode(e.Stdout, cfg, secrets)
}
