package s3

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/flowwatch/flowwatch/pipeline/awsconfig"
)

// message is one SQS message, received once.
type message struct {
	Body, Receipt string
}

// API is what the source calls. Safe for concurrent use.
type API interface {
	// Receive waits up to 20 s for messages, which then are invisible to others
	// for a while.
	Receive(ctx context.Context) ([]message, error)
	// Hide sets for how many seconds from now a message stays invisible.
	Hide(ctx context.Context, receipt string, seconds int32) error
	Delete(ctx context.Context, receipt string) error
	// Open reads an object as it was announced, written at a time: another etag
	// is an error.
	Open(ctx context.Context, o object) (body io.ReadCloser, written time.Time, err error)
}

type client struct {
	queue      string
	visibility int32 // seconds that a received message is invisible
	sqs        *sqs.Client
	s3         *s3.Client
}

func newClient(cfg Config, visibility int32) (*client, error) {
	environment, err := awsconfig.Load(awsconfig.Options{Region: cfg.Region, Endpoint: cfg.Endpoint})
	if err != nil {
		return nil, err
	}
	return &client{
		queue:      cfg.QueueURL,
		visibility: visibility,
		sqs:        sqs.NewFromConfig(environment),
		s3:         s3.NewFromConfig(environment, func(o *s3.Options) { o.UsePathStyle = cfg.Endpoint != "" }),
	}, nil
}

func (c *client) Receive(ctx context.Context) ([]message, error) {
	out, err := c.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &c.queue, MaxNumberOfMessages: 1, WaitTimeSeconds: 20, VisibilityTimeout: c.visibility,
	})
	if err != nil {
		return nil, err
	}
	var messages []message
	for _, m := range out.Messages {
		messages = append(messages, message{aws.ToString(m.Body), aws.ToString(m.ReceiptHandle)})
	}
	return messages, nil
}

func (c *client) Hide(ctx context.Context, receipt string, seconds int32) error {
	_, err := c.sqs.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &c.queue, ReceiptHandle: &receipt, VisibilityTimeout: seconds,
	})
	return err
}

func (c *client) Delete(ctx context.Context, receipt string) error {
	_, err := c.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &c.queue, ReceiptHandle: &receipt})
	return err
}

func (c *client) Open(ctx context.Context, o object) (io.ReadCloser, time.Time, error) {
	in := &s3.GetObjectInput{Bucket: &o.Bucket, Key: &o.Key}
	if etag := strings.Trim(o.ETag, `"`); etag != "" {
		in.IfMatch = aws.String(`"` + etag + `"`)
	}
	out, err := c.s3.GetObject(ctx, in)
	if err != nil {
		return nil, time.Time{}, err
	}
	return out.Body, aws.ToTime(out.LastModified), nil
}
