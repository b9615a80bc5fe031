package awssdk

import (
	"errors"
	"net/http"
	"slices"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/flowwatch/flowwatch/sinks"
)

// refusals are the error codes that say of a message itself that it is not
// accepted. What is about permissions, credentials, keys or a topic that is not
// there is none of them: somebody mends that, and what waited then arrives.
var refusals = []string{
	"InvalidArgument", "InvalidParameter", "InvalidParameterException", "InvalidParameterValue",
	"MalformedDetail", "ParameterValueInvalid", "ValidationError", "ValidationException",
}

// IsRefusal reports whether an error code says that a message is not accepted.
func IsRefusal(code string) bool { return slices.Contains(refusals, code) }

// Judge makes the error of a call Permanent when AWS refuses what was sent.
func Judge(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) && IsRefusal(api.ErrorCode()) {
		return sinks.Permanent(err)
	}
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusRequestEntityTooLarge {
		return sinks.Permanent(err)
	}
	return err
}
