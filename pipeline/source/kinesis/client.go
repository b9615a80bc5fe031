package kinesis

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
)

// API is what the source calls; *kinesis.Client of the AWS SDK has it. Calls
// must be safe for concurrent use and must not retry by themselves: the source
// counts and spaces every attempt.
type API interface {
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
	SubscribeToShard(context.Context, *kinesis.SubscribeToShardInput, ...func(*kinesis.Options)) (*kinesis.SubscribeToShardOutput, error)
	RegisterStreamConsumer(context.Context, *kinesis.RegisterStreamConsumerInput, ...func(*kinesis.Options)) (*kinesis.RegisterStreamConsumerOutput, error)
	DescribeStreamConsumer(context.Context, *kinesis.DescribeStreamConsumerInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamConsumerOutput, error)
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
}

const (
	callTimeout = 30 * time.Second // a page holds up to 10 MiB
	connections = 512              // kept per host: one per shard that is read
	localRegion = "us-east-1"      // for a local server, when none is configured
)

// NewClient builds an SDK client from the AWS environment (variables, profile,
// container or instance role), the region, the role and the endpoint of cfg. It makes no
// call. A server on loopback gets placeholder credentials when the environment
// has none, and is never the reason to ask the instance metadata service.
func NewClient(cfg Config) (*kinesis.Client, error) {
	local := isLoopback(cfg.Endpoint)
	// A BuildableClient, not a *http.Client: AWS_CA_BUNDLE needs to reach its transport.
	options := []func(*config.LoadOptions) error{
		config.WithLogger(logging.Nop{}), // what matters comes back as an error
		config.WithHTTPClient(awshttp.NewBuildableClient().
			WithTimeout(callTimeout).
			WithTransportOptions(func(t *http.Transport) {
				t.MaxIdleConns, t.MaxIdleConnsPerHost = connections, connections
			})),
	}
	if region := cmp.Or(cfg.Region, cfg.arnRegion()); region != "" {
		options = append(options, config.WithRegion(region))
	}
	if local {
		options = append(options, config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	}
	environment, err := config.LoadDefaultConfig(context.Background(), options...)
	if err != nil {
		return nil, fmt.Errorf("load the AWS configuration: %w", err)
	}
	if environment.Region == "" && local {
		environment.Region = localRegion
	}
	if environment.Region == "" {
		return nil, fmt.Errorf("region: is required, as no AWS_REGION and no profile sets one: a region such as eu-central-1 is accepted")
	}
	if local {
		environment.Credentials = aws.NewCredentialsCache(orPlaceholder{environment.Credentials})
	}
	if cfg.RoleARN != "" {
		role := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(environment), cfg.RoleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "flowwatch"
			if cfg.ExternalID != "" {
				o.ExternalID = aws.String(cfg.ExternalID)
			}
		})
		environment.Credentials = aws.NewCredentialsCache(role)
	}
	return kinesis.NewFromConfig(environment, func(o *kinesis.Options) {
		o.Retryer = aws.NopRetryer{}
		if cfg.Endpoint != "" {
			o.BaseEndpoint = aws.String(cfg.Endpoint)
		}
	}), nil
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
