package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/cenkalti/backoff/v5"

	"github.com/flowwatch/flowwatch/pipeline/awsconfig"
)

// bucket is what the store asks of S3: three operations on single objects.
// Listing is not among them. Safe for concurrent use.
type bucket interface {
	// get returns an object of at most limit bytes, and its entity tag.
	get(ctx context.Context, key string, limit int64) (body []byte, etag string, err error)
	// put writes an object under a condition and returns its entity tag. An
	// error other than errCondition leaves open whether the object was written.
	put(ctx context.Context, key string, body []byte, when condition) (etag string, err error)
	// remove deletes an object; one that is not there is no error.
	remove(ctx context.Context, key string) error
}

// condition is what an object must be for a put to take effect; the zero value
// is anything.
type condition struct {
	absent bool   // If-None-Match: *
	etag   string // If-Match
}

var (
	errCondition = errors.New("the object has changed") // 412
	errAbsent    = errors.New("there is no such object")
	errDenied    = errors.New("access denied") // 403, also for an absent object when listing is not allowed
	errRefused   = errors.New("refused")       // any other answer that no try can change
)

const (
	callTimeout = 30 * time.Second // one object of some MiB
	callTries   = 5
	retryLeast  = 100 * time.Millisecond
	retryMost   = 5 * time.Second
	connections = 16
)

// sdkBucket is a bucket through the AWS SDK.
type sdkBucket struct {
	name   string
	client *s3.Client
}

func newSDKBucket(cfg *S3Config) (*sdkBucket, error) {
	environment, err := awsconfig.Load(awsconfig.Options{Region: cfg.Region, Endpoint: cfg.Endpoint, Timeout: callTimeout, Connections: connections})
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(environment, func(o *s3.Options) {
		o.UsePathStyle = cfg.Endpoint != ""
		o.Retryer = aws.NopRetryer{} // retried tells which answers a new try may change
	})
	return &sdkBucket{cfg.Bucket, client}, nil
}

func (b *sdkBucket) get(ctx context.Context, key string, limit int64) ([]byte, string, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return nil, "", classified(err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(io.LimitReader(out.Body, limit+1))
	switch {
	case err != nil:
		return nil, "", err
	case int64(len(body)) > limit:
		return nil, "", fmt.Errorf("%w: the object has more than %d bytes", errRefused, limit)
	}
	return body, aws.ToString(out.ETag), nil
}

func (b *sdkBucket) put(ctx context.Context, key string, body []byte, when condition) (string, error) {
	in := &s3.PutObjectInput{Bucket: &b.name, Key: &key, Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body)))}
	if when.absent {
		in.IfNoneMatch = aws.String("*")
	} else if when.etag != "" {
		in.IfMatch = &when.etag
	}
	out, err := b.client.PutObject(ctx, in)
	if err != nil {
		return "", classified(err)
	}
	return aws.ToString(out.ETag), nil
}

func (b *sdkBucket) remove(ctx context.Context, key string) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key})
	if err = classified(err); errors.Is(err, errAbsent) {
		return nil
	}
	return err
}

// classified puts one of the errors above around an answer that is final.
func classified(err error) error {
	var answer *awshttp.ResponseError
	if err == nil || !errors.As(err, &answer) {
		return err
	}
	kind := errRefused
	switch status := answer.HTTPStatusCode(); {
	case status == http.StatusPreconditionFailed:
		kind = errCondition
	case status == http.StatusNotFound && code(err) != "NoSuchBucket":
		kind = errAbsent
	case status == http.StatusForbidden && code(err) == "AccessDenied":
		kind = errDenied
	case status < 400, // there was no answer, or none that could be read
		status == http.StatusConflict, // another conditional write of the key is under way
		status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500,
		code(err) == "RequestTimeout", code(err) == "ExpiredToken", code(err) == "RequestTimeTooSkewed":
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// retried tries an operation again, with growing waits, while its error is one
// that time may mend.
func retried[T any](ctx context.Context, operation func() (T, error)) (T, error) {
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval = retryLeast, retryMost
	return backoff.Retry(ctx, func() (T, error) {
		got, err := operation()
		if err != nil && (ctx.Err() != nil || final(err)) {
			err = backoff.Permanent(err)
		}
		return got, err
	}, backoff.WithBackOff(waits), backoff.WithMaxTries(callTries), backoff.WithMaxElapsedTime(0))
}

func final(err error) bool {
	for _, kind := range []error{errCondition, errAbsent, errDenied, errRefused} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
