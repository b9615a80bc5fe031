package kinesis

import (
	"cmp"
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/flowwatch/flowwatch/pipeline/awsconfig"
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
)

// NewClient builds an SDK client from the AWS environment, the region, the role
// and the endpoint of cfg. It makes no call.
func NewClient(cfg Config) (*kinesis.Client, error) {
	environment, err := awsconfig.Load(awsconfig.Options{
		Region: cmp.Or(cfg.Region, cfg.arnRegion()), Endpoint: cfg.Endpoint, Timeout: callTimeout, Connections: connections,
	})
	if err != nil {
		return nil, err
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
	environment.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return kinesis.NewFromConfig(environment), nil
}
