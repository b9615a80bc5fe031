package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/flowwatch/flowwatch/cmd/flowwatch/internal/strictyaml"
)

// configLimit is the size from which on a file is taken for something else.
const configLimit = 4 << 20

// configVariable holds a whole configuration, where no file can be had: in a
// container.
const configVariable = "FLOWWATCH_CONFIG"

// configSource is where a configuration comes from: a file, else what
// FLOWWATCH_CONFIG holds, with single values over it.
type configSource struct {
	File string   // "-" is standard input
	Set  []string // each KEY=VALUE
}

// setFlag is a flag of every command that reads a configuration.
type setFlag struct {
	Set []string `placeholder:"KEY=VALUE" sep:"none" help:"Put a value over the configuration's, such as sources[0].kinesis.stream=flow-logs. Repeatable; the value is YAML."`
}

// isGiven reports whether there is any configuration.
func (c configSource) isGiven(e *env) bool {
	return c.File != "" || e.Getenv(configVariable) != "" || len(c.Set) > 0
}

// loadConfig reads a configuration. The error is a usageError and holds every
// problem, each with its line in the file or the --set that it is of.
func loadConfig(e *env, from configSource) (*Config, strictyaml.Secrets, error) {
	name, text, err := from.read(e)
	if err != nil {
		return nil, strictyaml.Secrets{}, usageError{err}
	}
	cfg := defaultConfig()
	cfg.Checkpoint = CheckpointConfig{Every: everyByKind}
	secrets, err := strictyaml.Decode(name, text, &cfg, strictyaml.Options{LookupEnv: e.LookupEnv, NotYet: notYet, Set: from.Set})
	if err != nil {
		return nil, secrets, usageError{err}
	}
	cfg.complete()
	return &cfg, secrets, nil
}

// read returns the text of a configuration and what messages call its place.
func (c configSource) read(e *env) (name string, text []byte, err error) {
	variable := e.Getenv(configVariable)
	switch {
	case c.File == "-":
		text, err = readConfig(e.Stdin, "stdin")
		return "stdin", text, err
	case c.File != "":
		f, err := os.Open(c.File)
		if err != nil {
			return "", nil, fmt.Errorf("read the configuration: %w", err)
		}
		defer f.Close()
		text, err = readConfig(f, c.File)
		return c.File, text, err
	case variable != "":
		return configVariable, []byte(variable), nil
	case len(c.Set) > 0:
		return "--set", []byte("{}"), nil
	}
	return "", nil, errors.New("there is no configuration; accepted: a file, its text in " + configVariable + ", or every value with --set")
}

func readConfig(in io.Reader, name string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(in, configLimit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the configuration: %w", err)
	case len(text) > configLimit:
		return nil, errors.New("read the configuration: " + name + " is larger than 4 MiB, so it is none")
	}
	return text, nil
}

// complete fills in the defaults that depend on other keys.
func (c *Config) complete() {
	c.Checkpoint.complete()
	for i := range c.Sinks {
		c.Sinks[i].Name = c.Sinks[i].name()
	}
}

// listenAddress returns where flowwatch listens: FLOWWATCH_LISTEN, which a
// container sets for the server and its health check alike, else what the
// configuration says, else (cfg is nil) the default.
func listenAddress(e *env, cfg *Config) string {
	if listen := e.Getenv("FLOWWATCH_LISTEN"); listen != "" {
		return listen
	}
	if cfg == nil {
		return defaultListen
	}
	return cfg.Listen
}

// exampleConfig is the defaults with a source to be replaced.
func exampleConfig() Config {
	cfg := defaultConfig()
	stream := &KinesisConfig{}
	stream.SetDefaults()
	stream.Stream = "vpc-flow-logs"
	cfg.Sources = []SourceConfig{{Kinesis: stream}}
	return cfg
}
