package s3

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/flowwatch/flowwatch/pipeline/awsconfig"
)

// Config says which queue announces the objects.
type Config struct {
	// QueueURL is the URL of the SQS queue. Required.
	QueueURL string `yaml:"queue_url"`
	// Region by default is the one of the AWS environment or profile.
	Region string `yaml:"region"`
	// Endpoint is the URL of a local server for both SQS and S3; empty is AWS.
	Endpoint string `yaml:"endpoint"`
}

// Validate returns every problem, joined; each begins with its key and says
// what is accepted.
func (c Config) Validate() error {
	var errs []error
	if c.QueueURL == "" || !isURL(c.QueueURL) || c.queue() == "" {
		errs = append(errs, fmt.Errorf("queue_url: %q: a URL such as https://sqs.eu-central-1.amazonaws.com/123456789012/flow-logs is accepted", c.QueueURL))
	}
	if err := awsconfig.CheckRegion(c.Region); err != nil {
		errs = append(errs, fmt.Errorf("region: %w", err))
	}
	if err := awsconfig.CheckEndpoint(c.Endpoint); err != nil {
		errs = append(errs, fmt.Errorf("endpoint: %w", err))
	}
	return errors.Join(errs...)
}

func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Hostname() != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// queue is the account and name of the queue, as the URL's path has them.
func (c Config) queue() string {
	u, err := url.Parse(c.QueueURL)
	if err != nil {
		return ""
	}
	return strings.Trim(u.Path, "/")
}
