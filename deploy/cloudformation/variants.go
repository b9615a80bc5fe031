package cloudformation

import "maps"

// launch is the least that a user says.
var launch = map[string]string{
	"VpcId": "vpc-0a", "SubnetIds": "subnet-0a,subnet-0b", "Image": account + ".dkr.ecr." + region + ".amazonaws.com/flowwatch:1",
}

// Variants are sets of parameters that together make every resource and take
// every branch of the template; a test holds that.
var Variants = map[string]map[string]string{
	"launch": launch,
	"stream": with(map[string]string{
		"ExistingStreamArn": "arn:aws:kinesis:eu-west-1:210987654321:stream/central", "StreamKeyArn": "arn:aws:kms:eu-west-1:210987654321:key/1-2",
		"ClusterName": "shared", "Consumer": "fan_out", "Architecture": "X86_64", "Size": "large",
	}),
	"observed": with(map[string]string{
		"Consumer": "fan_out", "PrometheusSecurityGroupId": "sg-0a", "StatusSecurityGroupId": "sg-0b", "AmpWorkspaceId": "ws-1",
		"FindingsEmail": "a@example.com", "AlarmEmail": "b@example.com",
		"SlackWebhookArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:slack", "Rules": "{spike: {profile: sensitive}}",
	}),
	"foreign": with(map[string]string{"ExistingStreamArn": "arn:aws:kinesis:eu-west-1:210987654321:stream/central", "StreamAlarms": "off"}),
	"firehose": with(map[string]string{
		"Source": "firehose", "DomainName": "flowwatch.example.com", "PublicSubnetIds": "subnet-0c,subnet-0d", "HostedZoneId": "Z1",
	}),
	"firehose-own-certificate": with(map[string]string{
		"Source": "firehose", "DomainName": "flowwatch.example.com", "PublicSubnetIds": "subnet-0c,subnet-0d",
		"CertificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/1",
	}),
	"s3":        with(map[string]string{"Source": "s3"}),
	"s3-bucket": with(map[string]string{"Source": "s3", "ExistingBucket": "central-flow-logs", "AssignPublicIp": "ENABLED"}),
}

func with(more map[string]string) map[string]string {
	values := maps.Clone(launch)
	maps.Copy(values, more)
	return values
}
