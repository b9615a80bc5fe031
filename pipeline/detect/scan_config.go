package detect

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// ScanInternalConfig configures the rule scan.internal.
type ScanInternalConfig struct {
	MinFailed  int     `yaml:"min_failed"`  // distinct failed targets in an hour
	SweepHosts int     `yaml:"sweep_hosts"` // unanswered UDP or ICMP hosts in an hour
	Alpha      float64 `yaml:"alpha"`       // false alarms per source
	Sources    int     `yaml:"sources"`     // held at a time
}

// DefaultScanInternal returns the defaults.
func DefaultScanInternal() ScanInternalConfig {
	return ScanInternalConfig{MinFailed: 9, SweepHosts: 25, Alpha: 1e-5, Sources: 65_536}
}

// Validate returns all that is wrong, each naming its key.
func (c *ScanInternalConfig) Validate() error {
	return errors.Join(
		within("min_failed", c.MinFailed, 1, 1_000_000),
		within("sweep_hosts", c.SweepHosts, 2, 1_000_000),
		alphaWithin(c.Alpha),
		within("sources", c.Sources, 1, 10_000_000),
	)
}

// ScanExternalConfig configures the rule scan.external.
type ScanExternalConfig struct {
	MinFailed     int     `yaml:"min_failed"`      // distinct failed targets in five minutes
	MinFailedHour int     `yaml:"min_failed_hour"` // the same in an hour
	Alpha         float64 `yaml:"alpha"`           // false alarms per source
	Sources       int     `yaml:"sources"`         // held at a time
}

// DefaultScanExternal returns the defaults.
func DefaultScanExternal() ScanExternalConfig {
	return ScanExternalConfig{MinFailed: 100, MinFailedHour: 300, Alpha: 1e-5, Sources: 65_536}
}

// Validate returns all that is wrong, each naming its key.
func (c *ScanExternalConfig) Validate() error {
	return errors.Join(
		within("min_failed", c.MinFailed, 1, 1_000_000),
		within("min_failed_hour", c.MinFailedHour, 1, 1_000_000),
		alphaWithin(c.Alpha),
		within("sources", c.Sources, 1, 10_000_000),
	)
}

func within(key string, v, least, most int) error {
	if v < least || v > most {
		return fmt.Errorf("%s: %d is outside %d to %d", key, v, least, most)
	}
	return nil
}

func alphaWithin(alpha float64) error {
	if !(alpha > 0 && alpha < 1) {
		return fmt.Errorf("alpha: %v is outside (0, 1)", alpha)
	}
	return nil
}

// scanRule is what sets the scan rules apart.
type scanRule struct {
	name     string
	internal bool       // the sources it looks at
	tests    []scanTest // the shortest window first
	sweep    int        // unanswered hosts in the longest window, 0 for never
	alpha    float64
	sources  int // held at a time
	severity Severity
	fewPorts Severity // when no more than five ports were tried
	category string
	attack   Attack
}

// scanTest is a window and how many distinct failed targets in it make a scan.
type scanTest struct {
	seconds int64
	failed  int
}

// bound is what the log-likelihood ratio must reach: by Wald's inequality the
// walk of a source that scans nothing gets there with probability alpha.
func (r *scanRule) bound() float64 { return math.Log(1 / r.alpha) }

// scanWeight is how much one outcome moves the walk: ln(0.8/0.2), when four of
// five first contacts of a scanner fail and one of five of anyone else's.
var scanWeight = math.Log(0.8 / 0.2)

// NewScanInternal returns the rule scan.internal for panes of this length. The
// configuration must be valid.
func NewScanInternal(cfg ScanInternalConfig, pane time.Duration) *Scan {
	return newScan(&scanRule{
		name: "scan.internal", internal: true,
		tests: []scanTest{{hour, cfg.MinFailed}},
		sweep: cfg.SweepHosts, alpha: cfg.Alpha, sources: cfg.Sources,
		severity: High, fewPorts: High, category: "Discovery",
		attack: Attack{"TA0007", "Discovery", "T1046", "Network Service Discovery"},
	}, pane)
}

// NewScanExternal returns the rule scan.external for panes of this length. The
// configuration must be valid.
func NewScanExternal(cfg ScanExternalConfig, pane time.Duration) *Scan {
	return newScan(&scanRule{
		name: "scan.external",
		// Two panes, so that no five minutes are split by the end of one.
		tests: []scanTest{{10 * 60, cfg.MinFailed}, {hour, cfg.MinFailedHour}},
		alpha: cfg.Alpha, sources: cfg.Sources,
		severity: Low, fewPorts: Info, category: "Reconnaissance",
		attack: Attack{"TA0043", "Reconnaissance", "T1595.001", "Active Scanning: Scanning IP Blocks"},
	}, pane)
}
