package main

import (
	"net/netip"
	"time"

	"github.com/flowwatch/flowwatch/cmd/flowwatch/internal/strictyaml"
	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/source/firehose"
	"github.com/flowwatch/flowwatch/pipeline/source/kinesis"
	"github.com/flowwatch/flowwatch/pipeline/source/s3"
	"github.com/flowwatch/flowwatch/sinks/alertmanager"
	"github.com/flowwatch/flowwatch/sinks/eventbridge"
	"github.com/flowwatch/flowwatch/sinks/slack"
	"github.com/flowwatch/flowwatch/sinks/sns"
	"github.com/flowwatch/flowwatch/sinks/webhook"
)

// Config is the configuration file. What a file leaves out has the values of
// defaultConfig.
type Config struct {
	Sources    []SourceConfig       `yaml:"sources" strict:"required"`
	Networks   NetworksConfig       `yaml:"networks"`
	Windows    WindowsConfig        `yaml:"windows"`
	Views      []aggregate.View     `yaml:"views"`
	Rules      RulesConfig          `yaml:"rules"`
	Detect     DetectConfig         `yaml:"detect"`
	Suppress   []detect.Suppression `yaml:"suppress"`
	Enrich     EnrichConfig         `yaml:"enrich,omitempty"`
	Sinks      []SinkConfig         `yaml:"sinks"`
	Checkpoint CheckpointConfig     `yaml:"checkpoint"`
	Exchange   struct{}             `yaml:"exchange,omitempty"` // in one process
	Limits     LimitsConfig         `yaml:"limits"`
	Listen     string               `yaml:"listen"` // host:port of /metrics, /healthz and /readyz
	Status     StatusConfig         `yaml:"status"`
}

// SourceConfig is one item of sources: exactly one kind is set.
type SourceConfig struct {
	Kinesis  *KinesisConfig  `yaml:"kinesis"`
	Firehose *FirehoseConfig `yaml:"firehose"`
	S3       *S3Config       `yaml:"s3"`
	File     *FileConfig     `yaml:"file"`
	// Format holds the field lists of records without a header line, beside
	// the default format, which is always known. ${name} is AWS's way to write
	// a field here, and no environment variable.
	Format []string `yaml:"format,omitempty" strict:"single,literal"`
}

// KinesisConfig is a Kinesis stream to read.
type KinesisConfig struct {
	kinesis.Config `yaml:",inline"`
}

// SetDefaults gives the keys that may be left out their values.
func (c *KinesisConfig) SetDefaults() { c.Config = kinesis.DefaultConfig() }

// FirehoseConfig is an HTTP endpoint that Amazon Data Firehose delivers to.
type FirehoseConfig struct {
	firehose.Config `yaml:",inline"`
}

// SetDefaults gives the keys that may be left out their values.
func (c *FirehoseConfig) SetDefaults() { c.Config = firehose.DefaultConfig() }

// S3Config is a queue that announces objects to read.
type S3Config struct {
	s3.Config `yaml:",inline"`
}

// FileConfig is a set of files to read.
type FileConfig struct {
	Paths  []string `yaml:"paths" strict:"required"` // files, folders and globs
	Follow bool     `yaml:"follow"`
}

// NetworksConfig says which addresses are the user's own.
type NetworksConfig struct {
	Internal   []netip.Prefix `yaml:"internal"`
	Allow      []netip.Prefix `yaml:"allow"`                 // scanners that are theirs
	AllowLists []string       `yaml:"allow_lists,omitempty"` // files and folders that list more of these
}

// WindowsConfig is how event time is cut.
type WindowsConfig struct {
	Pane            time.Duration `yaml:"pane"`
	AllowedLateness time.Duration `yaml:"allowed_lateness"`
	IdleAfter       time.Duration `yaml:"idle_after"`
}

// DetectConfig is what holds for all rules.
type DetectConfig struct {
	Early bool `yaml:"early"` // of `run` alone
}

// RulesConfig is what each detection rule can be told.
type RulesConfig struct {
	Spike           SpikeConfig           `yaml:"spike"`
	ScanInternal    ScanInternalConfig    `yaml:"scan.internal"`
	ScanExternal    ScanExternalConfig    `yaml:"scan.external"`
	ScanSlow        ScanSlowConfig        `yaml:"scan.slow"`
	ScanDistributed ScanDistributedConfig `yaml:"scan.distributed"`
	ScanSuccess     ScanSuccessConfig     `yaml:"scan.success"`
	BruteForce      BruteForceConfig      `yaml:"bruteforce"`
	Ceiling         detect.CeilingConfig  `yaml:"ceiling"` // on when any of them is set
}

// SpikeConfig is the rule for ingress spikes.
type SpikeConfig struct {
	Enabled            bool `yaml:"enabled"`
	detect.SpikeConfig `yaml:",inline"`
}

// ScanInternalConfig is the rule for scans from inside.
type ScanInternalConfig struct {
	Enabled                   bool `yaml:"enabled"`
	detect.ScanInternalConfig `yaml:",inline"`
}

// ScanExternalConfig is the rule for scans from outside.
type ScanExternalConfig struct {
	Enabled                   bool `yaml:"enabled"`
	detect.ScanExternalConfig `yaml:",inline"`
}

// ScanSlowConfig is the rule for scans that take a day.
type ScanSlowConfig struct {
	Enabled               bool `yaml:"enabled"`
	detect.ScanSlowConfig `yaml:",inline"`
}

// ScanDistributedConfig is the rule for scans by many sources.
type ScanDistributedConfig struct {
	Enabled                      bool `yaml:"enabled"`
	detect.ScanDistributedConfig `yaml:",inline"`
}

// ScanSuccessConfig is the rule for sessions after a scan.
type ScanSuccessConfig struct {
	Enabled                  bool `yaml:"enabled"`
	detect.ScanSuccessConfig `yaml:",inline"`
}

// BruteForceConfig is the rule for guessed passwords.
type BruteForceConfig struct {
	Enabled                 bool `yaml:"enabled"`
	detect.BruteForceConfig `yaml:",inline"`
}

// SinkConfig is one item of sinks: exactly one kind is set.
type SinkConfig struct {
	Stdout       *struct{}            `yaml:"stdout"`
	File         *FileSinkConfig      `yaml:"file"`
	Webhook      *webhook.Config      `yaml:"webhook"`
	Alertmanager *alertmanager.Config `yaml:"alertmanager"`
	SNS          *sns.Config          `yaml:"sns"`
	EventBridge  *eventbridge.Config  `yaml:"eventbridge"`
	Slack        *slack.Config        `yaml:"slack"`
	Name         string               `yaml:"name"` // unique; by default the kind
	MinSeverity  string               `yaml:"min_severity" strict:"oneof=info|low|medium|high"`
	Rules        []string             `yaml:"rules,omitempty" strict:"oneof=spike|scan.internal|scan.external|scan.slow|scan.distributed|scan.success|bruteforce|ceiling"` // none: all
}

// SetDefaults gives the keys that may be left out their values.
func (c *SinkConfig) SetDefaults() { c.MinSeverity = "low" }

// FileSinkConfig is a file that findings are appended to.
type FileSinkConfig struct {
	Path    string          `yaml:"path"`
	MaxSize strictyaml.Size `yaml:"max_size,omitempty"`
	Keep    int             `yaml:"keep"` // former files; of use with MaxSize
}

// SetDefaults gives the keys that may be left out their values.
func (c *FileSinkConfig) SetDefaults() { c.Keep = 5 }

// StatusConfig is the page that shows what goes on.
type StatusConfig struct {
	Listen string `yaml:"listen"` // host:port, or statusOff
}

// LimitsConfig bounds what flowwatch uses.
type LimitsConfig struct {
	Memory  strictyaml.Size `yaml:"memory"`
	Sources int             `yaml:"sources"` // external sources held over slices and open panes
}

// defaultConfig returns the values of all keys that a file may leave out.
func defaultConfig() Config {
	checkpoints := CheckpointConfig{Every: everyByKind}
	checkpoints.complete()
	var internal []netip.Prefix
	for _, own := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"} {
		internal = append(internal, netip.MustParsePrefix(own))
	}
	return Config{
		Networks: NetworksConfig{Internal: internal, Allow: []netip.Prefix{}},
		Windows:  WindowsConfig{Pane: 5 * time.Minute, AllowedLateness: 15 * time.Minute, IdleAfter: 2 * time.Minute},
		Views:    aggregate.BuiltinViews(),
		Rules: RulesConfig{
			Spike:           SpikeConfig{Enabled: true, SpikeConfig: detect.DefaultSpike()},
			ScanInternal:    ScanInternalConfig{Enabled: true, ScanInternalConfig: detect.DefaultScanInternal()},
			ScanExternal:    ScanExternalConfig{Enabled: true, ScanExternalConfig: detect.DefaultScanExternal()},
			ScanSlow:        ScanSlowConfig{Enabled: true, ScanSlowConfig: detect.DefaultScanSlow()},
			ScanDistributed: ScanDistributedConfig{Enabled: true, ScanDistributedConfig: detect.DefaultScanDistributed()},
			ScanSuccess:     ScanSuccessConfig{Enabled: true, ScanSuccessConfig: detect.DefaultScanSuccess()},
			BruteForce:      BruteForceConfig{Enabled: true, BruteForceConfig: detect.DefaultBruteForce()},
		},
		Suppress:   []detect.Suppression{},
		Sinks:      []SinkConfig{{Stdout: &struct{}{}, Name: "stdout", MinSeverity: "low"}},
		Checkpoint: checkpoints,
		Limits:     LimitsConfig{Memory: 512 << 20, Sources: 131_072},
		Listen:     defaultListen,
		Status:     StatusConfig{Listen: defaultStatus},
	}
}

// Where is listened by default. The page shows addresses and raw records: it is
// for this machine unless the configuration says otherwise.
const (
	defaultListen = ":9464"
	defaultStatus = "127.0.0.1:9465"
)
