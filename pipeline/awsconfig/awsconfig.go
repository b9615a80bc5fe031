// Package awsconfig is how the sources, the checkpoint and the sinks that call
// AWS configure its SDK: from the AWS environment, for a region, or for a local
// server in place of AWS.
package awsconfig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/logging"
)

// headerTimeout bounds the wait for the head of an answer. The longest that an
// answer is held on purpose are the 20 s of an SQS long poll.
const headerTimeout = 60 * time.Second

// localRegion is that of a local server when none is configured.
const localRegion = "us-east-1"

var (
	regionName  = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]+$`)
	errEndpoint = errors.New("is no endpoint; accepted: an http or https URL without a user, like http://127.0.0.1:4566")
	errNoRegion = errors.New("region: is required, as no AWS_REGION and no profile sets one; accepted: a region like eu-central-1")
)

// CheckRegion judges the name of a region; empty is that of the environment.
func CheckRegion(region string) error {
	if region != "" && !regionName.MatchString(region) {
		return fmt.Errorf("%q is no region; accepted: a region like eu-central-1", region)
	}
	return nil
}

// CheckEndpoint judges the URL of a local server that stands in for AWS; empty
// is AWS itself. The error does not repeat the URL, which may hold a password.
func CheckEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Hostname() == "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return errEndpoint
	}
	return nil
}

// Options say whom to call and how. The zero value is AWS as the environment
// has it.
type Options struct {
	Region      string        // empty is that of the environment or profile
	Endpoint    string        // of a local server; empty is AWS
	Timeout     time.Duration // of a whole call with its answer; 0 bounds only the wait for the answer's head
	Connections int           // kept open for each host; 0 is the SDK's number
}

// Load configures the SDK from the AWS environment (variables, profile,
// container or instance role). It makes no call. A server on loopback gets
// placeholder credentials and a region when the environment has none, and is
// never the reason to ask the instance metadata service.
func Load(o Options) (aws.Config, error) {
	local := isLoopback(o.Endpoint)
	options := []func(*config.LoadOptions) error{
		config.WithLogger(logging.Nop{}), // what matters comes back as an error
		config.WithHTTPClient(httpClient(o)),
	}
	if o.Region != "" {
		options = append(options, config.WithRegion(o.Region))
	}
	if local {
		options = append(options, config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	}
	c, err := config.LoadDefaultConfig(context.Background(), options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("load the AWS configuration: %w", err)
	}
	if local {
		c.Credentials = aws.NewCredentialsCache(orPlaceholder{c.Credentials})
		if c.Region == "" {
			c.Region = localRegion
		}
	}
	if c.Region == "" {
		return aws.Config{}, errNoRegion
	}
	if o.Endpoint != "" {
		c.BaseEndpoint = aws.String(o.Endpoint)
	}
	return c, nil
}

// httpClient is a BuildableClient, not a *http.Client: AWS_CA_BUNDLE needs to
// reach its transport.
func httpClient(o Options) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTimeout(o.Timeout).WithTransportOptions(func(t *http.Transport) {
		t.ResponseHeaderTimeout = headerTimeout
		if o.Connections > 0 {
			t.MaxIdleConns, t.MaxIdleConnsPerHost = o.Connections, o.Connections
		}
	})
}

// orPlaceholder are the credentials of the environment, or made-up ones.
type orPlaceholder struct{ environment aws.CredentialsProvider }

func (p orPlaceholder) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if p.environment != nil {
		found, err := p.environment.Retrieve(ctx)
		if err == nil || ctx.Err() != nil {
			return found, err
		}
	}
	return credentials.NewStaticCredentialsProvider("local", "local", "").Retrieve(ctx)
}

func isLoopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
