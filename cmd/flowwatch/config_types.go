package main

import (
	"net/netip"
	"time"

	"github.com/flowwatch/flowwatch/cmd/flowwatch/internal/strictyaml"
)

// Config is the configuration file. What a file leaves out has the values of
// defaultConfig.
type Config struct {
	Sources    []SourceConfig   `yaml:"sources" strict:"required"`
	Networks   NetworksConfig   `yaml:"networks"`
	Windows    WindowsConfig    `yaml:"windows"`
	Views      []ViewConfig     `yaml:"views,omitempty"` // none: the built-in ones
	Rules      RulesConfig      `yaml:"rules"`
	Enrich     struct{}         `yaml:"enrich,omitempty"`
	Sinks      []SinkConfig     `yaml:"sinks"`
	Checkpoint CheckpointConfig `yaml:"checkpoint"`
	Exchange   struct{}         `yaml:"exchange,omitempty"` // in one process
	Limits     LimitsConfig     `yaml:"limits"`
	Listen     string           `yaml:"listen"` // host:port of /metrics, /healthz and /readyz
}

// SourceConfig is one item of sources: exactly one kind is set.
type SourceConfig struct {
	Kinesis *KinesisConfig `yaml:"kinesis"`
	File    *FileConfig    `yaml:"file"`
	// Format holds the field lists of records without a header line, beside
	// the default format, which is always known. ${name} is AWS's way to write
	// a field here, and no environment variable.
	Format []string `yaml:"format,omitempty" strict:"single,literal"`
}

// KinesisConfig is a Kinesis stream to read.
type KinesisConfig struct {
	Stream   string `yaml:"stream" strict:"required"`
	Region   string `yaml:"region,omitempty"` // none: as the AWS environment says
	Start    string `yaml:"start"`            // latest, trim_horizon or an RFC 3339 time
	Consumer string `yaml:"consumer" strict:"oneof=polling"`
	Endpoint string `yaml:"endpoint,omitempty"` // of a local server
}

// SetDefaults gives the keys that may be left out their values.
func (c *KinesisConfig) SetDefaults() { c.Start, c.Consumer = "latest", "polling" }

// FileConfig is a set of files to read.
type FileConfig struct {
	Paths  []string `yaml:"paths" strict:"required"` // files, folders and globs
	Follow bool     `yaml:"follow"`
}

// NetworksConfig says which addresses are the user's own.
type NetworksConfig struct {
	Internal []netip.Prefix `yaml:"internal"`
	Allow    []netip.Prefix `yaml:"allow"` // scanners that are theirs
}

// WindowsConfig is how event time is cut.
type WindowsConfig struct {
	Pane            time.Duration `yaml:"pane"`
	AllowedLateness time.Duration `yaml:"allowed_lateness"`
	IdleAfter       time.Duration `yaml:"idle_after"`
}

// ViewConfig declares one windowed aggregation.
type ViewConfig struct {
	Name    string              `yaml:"name" strict:"required"`
	Metric  string              `yaml:"metric" strict:"required"`
	Where   map[string][]string `yaml:"where,omitempty" strict:"single"`
	By      []string            `yaml:"by" strict:"required"`
	Measure []string            `yaml:"measure" strict:"required"`
	Limit   int                 `yaml:"limit,omitempty"` // keys exported as counters, or
	Top     int                 `yaml:"top,omitempty"`   // as gauges of the last closed pane
	Spike   bool                `yaml:"spike,omitempty"`
	Off     bool                `yaml:"off,omitempty"`
}

// RulesConfig is what each detection rule can be told.
type RulesConfig struct {
	Spike        SpikeConfig        `yaml:"spike"`
	ScanInternal ScanInternalConfig `yaml:"scan.internal"`
	ScanExternal ScanExternalConfig `yaml:"scan.external"`
}

// SpikeConfig is the rule for ingress spikes.
type SpikeConfig struct {
	Enabled bool   `yaml:"enabled"`
	Profile string `yaml:"profile" strict:"oneof=quiet|sensitive"`
}

// ScanInternalConfig is the rule for scans from inside.
type ScanInternalConfig struct {
	Enabled   bool `yaml:"enabled"`
	MinFailed int  `yaml:"min_failed"` // distinct failed targets in an hour
}

// ScanExternalConfig is the rule for scans from outside.
type ScanExternalConfig struct {
	Enabled       bool `yaml:"enabled"`
	MinFailedPane int  `yaml:"min_failed_pane"` // distinct failed targets in a pane, or
	MinFailedHour int  `yaml:"min_failed_hour"` // in an hour
}

// SinkConfig is one item of sinks: exactly one kind is set.
type SinkConfig struct {
	Stdout      *struct{}       `yaml:"stdout"`
	File        *FileSinkConfig `yaml:"file"`
	Name        string          `yaml:"name"` // unique; by default the kind
	MinSeverity string          `yaml:"min_severity" strict:"oneof=info|low|medium|high"`
	Rules       []string        `yaml:"rules,omitempty" strict:"oneof=spike|scan.internal|scan.external"` // none: all
}

// SetDefaults gives the keys that may be left out their values.
func (c *SinkConfig) SetDefaults() { c.MinSeverity = "low" }

// FileSinkConfig is a file that findings are appended to.
type FileSinkConfig struct {
	Path string `yaml:"path" strict:"required"`
}

// CheckpointConfig is where committed state is kept.
type CheckpointConfig struct {
	File CheckpointFileConfig `yaml:"file"`
}

// CheckpointFileConfig keeps the state in a directory.
type CheckpointFileConfig struct {
	Dir string `yaml:"dir"`
}

// LimitsConfig bounds what flowwatch uses.
type LimitsConfig struct {
	Memory  strictyaml.Size `yaml:"memory"`
	Sources int             `yaml:"sources"` // external sources held over slices and open panes
}

// defaultConfig returns the values of all keys that a file may leave out.
func defaultConfig() Config {
	var internal []netip.Prefix
	for _, own := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"} {
		internal = append(internal, netip.MustParsePrefix(own))
	}
	return Config{
		Networks: NetworksConfig{Internal: internal, Allow: []netip.Prefix{}},
		Windows:  WindowsConfig{Pane: 5 * time.Minute, AllowedLateness: 15 * time.Minute, IdleAfter: 2 * time.Minute},
		Rules: RulesConfig{
			Spike:        SpikeConfig{Enabled: true, Profile: "quiet"},
			ScanInternal: ScanInternalConfig{Enabled: true, MinFailed: 9},
			ScanExternal: ScanExternalConfig{Enabled: true, MinFailedPane: 100, MinFailedHour: 300},
		},
		Sinks:      []SinkConfig{{Stdout: &struct{}{}, Name: "stdout", MinSeverity: "low"}},
		Checkpoint: CheckpointConfig{File: CheckpointFileConfig{Dir: "./state"}},
		Limits:     LimitsConfig{Memory: 512 << 20, Sources: 1_000_000},
		Listen:     defaultListen,
	}
}

const defaultListen = ":9464"
