package kinesis

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/awsconfig"
)

// The words that start and consumer take.
const (
	StartLatest      = "latest"
	StartTrimHorizon = "trim_horizon"

	ConsumerPolling = "polling"
	ConsumerFanOut  = "fan_out"
)

// Config says which stream to read and how.
type Config struct {
	// Stream is the stream's name, or its ARN, which a stream of another
	// account needs.
	Stream string `yaml:"stream"`
	// Region by default is the one of the AWS environment or profile.
	Region string `yaml:"region"`
	// Start is where a stream without a committed position begins: latest,
	// trim_horizon or an RFC 3339 time in the past.
	Start string `yaml:"start"`
	// Consumer is how records are read: polling or fan_out.
	Consumer string `yaml:"consumer"`
	// ConsumerName is the consumer to register or reuse for fan_out. Each
	// reader of the stream needs its own.
	ConsumerName string `yaml:"consumer_name"`
	// Endpoint is the URL of a local server; empty is AWS itself.
	Endpoint string `yaml:"endpoint"`
	// RoleARN is a role to assume for every call; empty is none.
	RoleARN string `yaml:"role_arn"`
	// ExternalID is what the role's trust policy asks for.
	ExternalID string `yaml:"external_id"`
}

// DefaultConfig returns the values that keys left out have.
func DefaultConfig() Config {
	return Config{Start: StartLatest, Consumer: ConsumerPolling, ConsumerName: defaultConsumer}
}

var (
	streamName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)
	streamARN  = regexp.MustCompile(`^arn:aws[a-z-]*:kinesis:([a-z0-9-]+):[0-9]{12}:stream/([a-zA-Z0-9_.-]{1,128})$`)
	roleARN    = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}$`)
	externalID = regexp.MustCompile(`^[\w+=,.@:/-]+$`)
)

// Validate returns every problem, joined; each begins with its key and says
// what is accepted.
func (c Config) Validate() error {
	return errors.Join(
		c.checkStream(), under("region", awsconfig.CheckRegion(c.Region)), c.checkStart(),
		c.checkConsumer(), under("endpoint", awsconfig.CheckEndpoint(c.Endpoint)), c.checkRole())
}

// under puts the key before an error.
func under(key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", key, err)
}

func (c Config) checkStream() error {
	switch {
	case c.Stream == "":
		return errors.New("stream: is required: the name or ARN of a Kinesis data stream is accepted")
	case strings.HasPrefix(c.Stream, "arn:"):
		if !streamARN.MatchString(c.Stream) {
			return fmt.Errorf("stream: %q: an ARN such as arn:aws:kinesis:eu-central-1:123456789012:stream/vpc-flow-logs is accepted", c.Stream)
		}
		if region := c.arnRegion(); c.Region != "" && c.Region != region {
			return fmt.Errorf("stream: its ARN is in %s and region says %s: one region is accepted", region, c.Region)
		}
	case !streamName.MatchString(c.Stream):
		return fmt.Errorf("stream: %q: 1 to 128 letters, digits, _ . - are accepted", c.Stream)
	}
	return nil
}

// arnRegion is the region of a stream's ARN, empty for a name.
func (c Config) arnRegion() string {
	if m := streamARN.FindStringSubmatch(c.Stream); m != nil {
		return m[1]
	}
	return ""
}

func (c Config) checkRole() error {
	switch {
	case c.RoleARN != "" && !roleARN.MatchString(c.RoleARN):
		return fmt.Errorf("role_arn: %q: an ARN such as arn:aws:iam::123456789012:role/flowwatch is accepted", c.RoleARN)
	case c.ExternalID != "" && c.RoleARN == "":
		return errors.New("external_id: is for a role to assume: it is accepted together with role_arn")
	case c.ExternalID != "" && (len(c.ExternalID) < 2 || len(c.ExternalID) > 1224 || !externalID.MatchString(c.ExternalID)):
		return errors.New("external_id: 2 to 1224 letters, digits, + = , . @ : / - are accepted")
	}
	return nil
}

func (c Config) checkStart() error {
	switch c.Start {
	case "", StartLatest, StartTrimHorizon:
		return nil
	}
	if _, err := time.Parse(time.RFC3339, c.Start); err != nil {
		return fmt.Errorf("start: %q: latest, trim_horizon or an RFC 3339 time such as 2026-01-31T08:00:00Z is accepted", c.Start)
	}
	return nil
}

func (c Config) checkConsumer() error {
	switch c.Consumer {
	case "", ConsumerPolling, ConsumerFanOut:
	default:
		return fmt.Errorf("consumer: %q: polling or fan_out is accepted", c.Consumer)
	}
	if !streamName.MatchString(c.consumerName()) { // the same rule
		return fmt.Errorf("consumer_name: %q: 1 to 128 letters, digits, _ . - are accepted", c.ConsumerName)
	}
	return nil
}

const defaultConsumer = "flowwatch"

func (c Config) consumerName() string { return cmp.Or(c.ConsumerName, defaultConsumer) }
