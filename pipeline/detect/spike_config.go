package detect

import (
	"errors"
	"fmt"
	"math"
)

// Profile chooses how readily the spike rule fires.
type Profile string

// The profiles.
const (
	// QuietProfile holds a pane against the same hour of the last three days,
	// and lets the recent level raise that up to twofold.
	QuietProfile Profile = "quiet"
	// Sensitive keeps weekdays and weekends apart, and lets nothing raise the
	// seasonal peak. It needs about five times the memory.
	Sensitive Profile = "sensitive"
)

// SpikeConfig configures the rule spike.
type SpikeConfig struct {
	Profile Profile `yaml:"profile"`
	// FalseFindings is how many false findings a day and 1,000 interfaces the
	// test allows, as far as its model of traffic holds.
	FalseFindings float64 `yaml:"false_findings"`
	MinCounts     int64   `yaml:"min_counts"` // a spike exceeds what is expected by at least so many
	MinBytes      int64   `yaml:"min_bytes"`  // the same for bytes
}

// DefaultSpike returns the defaults: quiet.
func DefaultSpike() SpikeConfig {
	return SpikeConfig{Profile: QuietProfile, FalseFindings: 1, MinCounts: 60, MinBytes: 5 << 20}
}

// Validate returns all that is wrong, each naming its key.
func (c *SpikeConfig) Validate() error {
	var errs []error
	if c.Profile != QuietProfile && c.Profile != Sensitive {
		errs = append(errs, fmt.Errorf("profile: %q is not known; accepted are quiet and sensitive", c.Profile))
	}
	if !(c.FalseFindings > 0 && c.FalseFindings <= 1000) {
		errs = append(errs, fmt.Errorf("false_findings: %v is outside (0, 1000]", c.FalseFindings))
	}
	if c.MinCounts < 1 || c.MinCounts > math.MaxInt32 {
		errs = append(errs, fmt.Errorf("min_counts: %d is outside 1 to %d", c.MinCounts, math.MaxInt32))
	}
	if c.MinBytes < 1024 || c.MinBytes > 1<<50 {
		errs = append(errs, fmt.Errorf("min_bytes: %d is outside 1024 to %d", c.MinBytes, int64(1)<<50))
	}
	return errors.Join(errs...)
}

// cap is how far the recent level may raise the seasonal peak.
func (c *SpikeConfig) cap() float64 {
	if c.Profile == Sensitive {
		return 1
	}
	return 2
}

// alpha is the level of one test: the false findings allowed a day, spread
// over all the tests of that day.
func (c *SpikeConfig) alpha(pane int64) float64 {
	const interfaces, day = 1000, 24 * 3600
	tests := interfaces * float64(NumMeasures) * day / float64(pane)
	return c.FalseFindings / tests
}

// floor is the least excess over what is expected, in the measure's unit.
func (c *SpikeConfig) floor(m Measure) float64 {
	if m == Bytes {
		return float64(c.MinBytes) / float64(m.unit())
	}
	if m == Packets {
		return packetsPerCount * float64(c.MinCounts)
	}
	return float64(c.MinCounts)
}

// packetsPerCount is how many packets weigh as much as one flow or source: with 60
// flows the floor is 6,000 packets or 20 a second, which is 5 MiB in large ones.
const packetsPerCount = 100
