package kinesis

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// failure is what a failed call means for the reader.
type failure int

const (
	fatal     failure = iota // nothing that time heals
	throttled                // too many calls, or too many bytes
	failed                   // a server error, or no answer at all
	expired                  // the iterator is too old
	missing                  // no such stream, or no such shard any more
)

// classify says what a failed call means. What carries no answer of the service
// (network, name resolution, credentials that can't be fetched now) counts as
// failed.
func classify(err error) failure {
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		return failed
	}
	switch answer.ErrorCode() {
	case "ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException",
		"ThrottlingException", "Throttling", "ThrottledException", "RequestLimitExceeded", "TooManyRequestsException":
		return throttled
	case "ExpiredIteratorException":
		return expired
	case "ResourceNotFoundException":
		return missing
	case "RequestTimeout", "RequestTimeoutException":
		return failed
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		switch status := response.HTTPStatusCode(); {
		case status == http.StatusTooManyRequests:
			return throttled
		case status >= 500:
			return failed
		}
	} else if answer.ErrorFault() == smithy.FaultServer {
		return failed
	}
	return fatal
}

// isAnswer says that the service answered, if only with an error.
func isAnswer(err error) bool {
	var answer smithy.APIError
	return errors.As(err, &answer)
}

func isInvalidArgument(err error) bool {
	var answer smithy.APIError
	return errors.As(err, &answer) && answer.ErrorCode() == "InvalidArgumentException"
}

// advice says what to check after an error that ends the run.
func advice(err error) string {
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		return "check the network, the endpoint and the credentials"
	}
	switch code := answer.ErrorCode(); {
	case code == "ResourceNotFoundException":
		return "check that the stream exists in this region and account"
	case strings.HasPrefix(code, "AccessDenied"):
		return "check that the role may call kinesis:ListShards, kinesis:GetShardIterator and kinesis:GetRecords on it; the stream of another account needs a role_arn, or its ARN and a resource policy"
	case strings.HasPrefix(code, "KMS"):
		return "check that the stream's key is enabled and that the role may call kms:Decrypt with it"
	case code == "InvalidArgumentException":
		return "check whether the stream was deleted and created again since the last commit: its old positions are void then, and the checkpoint must be moved away"
	}
	return "check the credentials and the clock of this machine"
}

const backoffCap = 10 * time.Second

// backoff is how long to wait after the n-th failure in a row (from 1): full
// jitter, anything up to a bound that doubles from twice the base to
// backoffCap.
func backoff(base time.Duration, n int) time.Duration {
	bound := base << min(n, 16)
	return rand.N(min(bound, backoffCap))
}
