package simulate

import (
	"fmt"
	"time"
)

// Format is the order of the fields in a line.
type Format string

// The formats: the default one, and the 29 fields of version 5 in the
// alphabetical order of the AWS console.
const (
	V2 Format = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
	V5 Format = "account-id action az-id bytes dstaddr dstport end flow-direction instance-id interface-id log-status packets " +
		"pkt-dst-aws-service pkt-dstaddr pkt-src-aws-service pkt-srcaddr protocol region srcaddr srcport start sublocation-id " +
		"sublocation-type subnet-id tcp-flags traffic-path type version vpc-id"
)

// Config says what is simulated. The zero value of a field is its default.
type Config struct {
	Seed uint64
	// Start is the first simulated minute; needed.
	Start time.Time
	// Interfaces is how many network interfaces there are, 20 by default.
	Interfaces int
	// VPCs is how many networks they belong to, each in an account of its own;
	// 2 by default.
	VPCs int
	// Format is V5 by default.
	Format Format
	// Interval is what AWS aggregates over: one minute by default, or ten.
	Interval time.Duration
	// Varied gives every interface a rate of its own, weekends, and counts that
	// vary more than a Poisson variable; a few interfaces have bursts.
	Varied bool
	// Harsh makes Varied traffic worse: bursts of up to thirty times the level, not
	// twelve, and a Pareto tail of the volumes of connections that stay open too.
	// How many findings are false depends on such assumptions more than on
	// anything else; the two show by how much.
	Harsh bool
	// Delivery says when logs arrive.
	Delivery Delivery
	// Level multiplies the background traffic; 1 by default, which gives about
	// 110 records an interface and five minutes.
	Level float64
	// Radiation is how many unsolicited probes each public address gets in an
	// hour, 300 by default; negative for none.
	Radiation float64
	// Malformed and Late are the shares of lines that are broken, and that come
	// 40 minutes too late: 1 in 2,000 by default; negative for none.
	Malformed, Late float64
	// SkipData is in how many minutes an interface has one of which AWS left
	// records out: 1,500 by default.
	SkipData int
	// Misread is the share of scanned targets of which the records say the
	// opposite of what the truth does.
	Misread float64
	// Scenarios are what else happens.
	Scenarios []Scenario
}

const (
	minute  = 60 // seconds: the aggregation interval
	maxVPCs = 16
	maxENIs = 60_000 // in a VPC: what its /16 holds
)

func (c *Config) setDefaults() error {
	set(&c.Interfaces, 20)
	set(&c.VPCs, min(2, c.Interfaces))
	set(&c.Format, V5)
	set(&c.Level, 1)
	set(&c.Interval, time.Minute)
	set(&c.Radiation, 300)
	set(&c.Malformed, 1.0/2000)
	set(&c.Late, 1.0/2000)
	set(&c.SkipData, 1500)
	switch {
	case c.Start.IsZero():
		return fmt.Errorf("simulate: no start time")
	case c.Format != V2 && c.Format != V5:
		return fmt.Errorf("simulate: format %q: accepted are V2 and V5", c.Format)
	case c.VPCs < 1 || c.VPCs > maxVPCs || c.VPCs > c.Interfaces:
		return fmt.Errorf("simulate: %d VPCs: accepted are 1 to %d, and no more than interfaces", c.VPCs, maxVPCs)
	case c.Interfaces > maxENIs*c.VPCs:
		return fmt.Errorf("simulate: %d interfaces: accepted are 1 to %d for each VPC", c.Interfaces, maxENIs)
	case c.Interval != time.Minute && c.Interval != 10*time.Minute:
		return fmt.Errorf("simulate: interval %v: accepted are 1m and 10m", c.Interval)
	case c.SkipData < 0:
		return fmt.Errorf("simulate: skipped data in one of %d minutes: accepted are 1 and more", c.SkipData)
	case c.Level < 0 || c.Level > 1000:
		return fmt.Errorf("simulate: level %v: accepted are 0 to 1000", c.Level)
	}
	return c.Delivery.validate()
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
