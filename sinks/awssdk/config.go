// Package awssdk is what the sinks that call AWS share: how the SDK is
// configured, and which of its errors last.
package awssdk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/logging"
)

// CheckEndpoint judges the URL of a local server that stands in for AWS.
func CheckEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return errors.New("is no endpoint; accepted: an http or https URL without a user, like http://127.0.0.1:4566")
	}
	return nil
}

// Load configures the SDK from the AWS environment (variables, profile,
// container or instance role) for a region; endpoint, when set, takes the place
// of AWS. It makes no call. The SDK does not retry: the outbox does. A server
// on loopback gets placeholder credentials when the environment has none, and
// is never the reason to ask the instance metadata service.
func Load(region, endpoint string) (aws.Config, error) {
	local := isLoopback(endpoint)
	options := []func(*config.LoadOptions) error{
		config.WithLogger(logging.Nop{}), // what matters comes back as an error
		// A BuildableClient, not a *http.Client: AWS_CA_BUNDLE needs to reach its transport.
		config.WithHTTPClient(awshttp.NewBuildableClient()),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
	}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	if local {
		options = append(options, config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	}
	c, err := config.LoadDefaultConfig(context.Background(), options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("load the AWS configuration: %w", err)
	}
	if c.Region == "" {
		return aws.Config{}, errors.New("region: is required, as no AWS_REGION and no profile sets one: a region such as eu-central-1 is accepted")
	}
	if local {
		c.Credentials = aws.NewCredentialsCache(orPlaceholder{c.Credentials})
	}
	if endpoint != "" {
		c.BaseEndpoint = aws.String(endpoint)
	}
	return c, nil
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
