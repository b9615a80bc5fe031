// Package awssdk is what the sinks that call AWS share: an SDK that leaves
// retries to the outbox, and which of its errors last.
package awssdk

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/flowwatch/flowwatch/pipeline/awsconfig"
)

// Load configures the SDK for a region; endpoint, when set, takes the place of
// AWS. It makes no call. The SDK does not retry: the outbox does.
func Load(region, endpoint string) (aws.Config, error) {
	c, err := awsconfig.Load(awsconfig.Options{Region: region, Endpoint: endpoint})
	c.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return c, err
}
