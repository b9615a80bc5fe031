package kinesis

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func TestClassify(t *testing.T) {
	withStatus := func(status int, err error) error {
		return &smithy.OperationError{ServiceID: "Kinesis", OperationName: "GetRecords", Err: &awshttp.ResponseError{
			ResponseError: &smithyhttp.ResponseError{
				Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err}}}
	}
	f := func(err error, want failure) {
		t.Helper()
		if got := classify(fmt.Errorf("wrapped: %w", err)); got != want {
			t.Errorf("%v: got %d, want %d", err, got, want)
		}
		if text := advice(err); !strings.HasPrefix(text, "check ") {
			t.Errorf("%v: advice %q", err, text)
		}
	}
	f(errors.New("dial tcp: connection refused"), failed)
	f(withStatus(500, code("InternalFailure")), failed)
	f(withStatus(503, code("ServiceUnavailable")), failed)
	f(withStatus(400, code("RequestTimeout")), failed)
	f(&types.InternalFailureException{}, failed)
	f(withStatus(400, &types.ProvisionedThroughputExceededException{}), throttled)
	f(withStatus(400, &types.LimitExceededException{}), throttled)
	f(withStatus(400, &types.KMSThrottlingException{}), throttled)
	f(withStatus(429, code("Whatever")), throttled)
	f(withStatus(400, &types.ExpiredIteratorException{}), expired)
	f(withStatus(400, &types.ResourceNotFoundException{}), missing)
	f(withStatus(400, &types.InvalidArgumentException{}), fatal)
	f(withStatus(400, &types.AccessDeniedException{}), fatal)
	f(withStatus(400, &types.KMSAccessDeniedException{}), fatal)
	f(withStatus(403, code("UnrecognizedClientException")), fatal)
	f(withStatus(400, code("ExpiredTokenException")), fatal)
}

// Waits lie anywhere below a bound, which doubles with each failure up to its cap:
// the waits of many shards that are throttled together spread over all of it.
func TestBackoff(t *testing.T) {
	for n := 1; n < 100; n++ {
		bound := min(backoffCap, 200*time.Millisecond<<min(n, 16))
		least, most := bound, time.Duration(0)
		for range 200 {
			d := backoff(200*time.Millisecond, n)
			least, most = min(least, d), max(most, d)
		}
		if least < 0 || least > bound/2 || most < bound/2 || most >= bound {
			t.Errorf("after %d failures: %s to %s, want some of either half of %s", n, least, most, bound)
		}
	}
}
