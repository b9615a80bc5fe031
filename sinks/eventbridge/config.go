package eventbridge

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/flowwatch/flowwatch/pipeline/awsconfig"
)

// Config configures a Sink. A zero field stands for its default.
type Config struct {
	Bus      string `yaml:"bus"`                // name or ARN; default "default"
	Region   string `yaml:"region,omitempty"`   // default: that of the bus's ARN, or of the AWS environment
	Endpoint string `yaml:"endpoint,omitempty"` // a local server in place of AWS
}

// SetDefaults gives the keys that may be left out their values.
func (c *Config) SetDefaults() { c.Bus = cmp.Or(c.Bus, "default") }

var busName = regexp.MustCompile(`^[/.A-Za-z0-9_-]{1,256}$`)

// Validate reports every problem, each beginning with its key.
func (c *Config) Validate() error {
	var errs []error
	if !isBus(cmp.Or(c.Bus, "default")) {
		errs = append(errs, fmt.Errorf("bus: %q %w", c.Bus, errBus))
	}
	if r := c.busRegion(); r != "" && c.Region != "" && c.Region != r {
		errs = append(errs, fmt.Errorf("region: %q is not that of the bus, %s; accepted: none, or the same", c.Region, r))
	}
	if err := awsconfig.CheckRegion(c.Region); err != nil {
		errs = append(errs, fmt.Errorf("region: %w", err))
	}
	if err := awsconfig.CheckEndpoint(c.Endpoint); err != nil {
		errs = append(errs, fmt.Errorf("endpoint: %w", err))
	}
	return errors.Join(errs...)
}

func isBus(bus string) bool {
	if !strings.HasPrefix(bus, "arn:") {
		return busName.MatchString(bus)
	}
	a, err := arn.Parse(bus)
	name, found := strings.CutPrefix(a.Resource, "event-bus/")
	return err == nil && a.Service == "events" && a.Region != "" && a.AccountID != "" && found && busName.MatchString(name)
}

// busRegion is the region of an ARN.
func (c *Config) busRegion() string {
	a, err := arn.Parse(c.Bus)
	if err != nil {
		return ""
	}
	return a.Region
}

func (c *Config) region() string { return cmp.Or(c.Region, c.busRegion()) }

// errBus says what is accepted as a bus.
var errBus = errors.New("is no event bus; accepted: a name like default, or an ARN like arn:aws:events:eu-central-1:111122223333:event-bus/default")
