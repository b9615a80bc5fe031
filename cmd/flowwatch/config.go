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

// loadConfig reads a configuration file; "-" is standard input. The error is a
// usageError and holds every problem of the file, each with its line.
func loadConfig(e *env, path string) (*Config, strictyaml.Secrets, error) {
	text, err := readConfig(e, path)
	if err != nil {
		return nil, strictyaml.Secrets{}, usageError{err}
	}
	cfg := defaultConfig()
	if path == "-" {
		path = "stdin"
	}
	secrets, err := strictyaml.Decode(path, text, &cfg, strictyaml.Options{LookupEnv: e.LookupEnv, NotYet: notYet})
	if err != nil {
		return nil, secrets, usageError{err}
	}
	cfg.complete()
	return &cfg, secrets, nil
}

func readConfig(e *env, path string) ([]byte, error) {
	in := e.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read the configuration: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, configLimit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the configuration: %w", err)
	case len(text) > configLimit:
		return nil, errors.New("read the configuration: " + path + " is larger than 4 MiB, so it is none")
	}
	return text, nil
}

// complete fills in the defaults that depend on other keys.
func (c *Config) complete() {
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

// statusAddress returns where the status page listens: FLOWWATCH_STATUS_LISTEN,
// else what the configuration says, else (cfg is nil) the default.
func statusAddress(e *env, cfg *Config) string {
	if listen := e.Getenv("FLOWWATCH_STATUS_LISTEN"); listen != "" {
		return listen
	}
	if cfg == nil {
		return defaultStatus
	}
	return cfg.Status.Listen
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
