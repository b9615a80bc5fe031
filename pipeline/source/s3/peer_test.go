package s3

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// peers is a queue and a folder of a bucket, on servers that are not ours, seen
// by the clients that the source uses.
type peers struct {
	*client
	t              *testing.T
	bucket, prefix string
}

var (
	peersMade   atomic.Int64
	quickPacing = pacing{visibility: 2, release: 1, extension: 500 * time.Millisecond}
)

// Of the peers, the environment says where they are.
const (
	sqsVariable    = "FLOWWATCH_SQS_ENDPOINT"
	s3Variable     = "FLOWWATCH_S3_ENDPOINT"
	bucketVariable = "FLOWWATCH_S3_BUCKET"
)

func peersNamed() bool {
	return os.Getenv(sqsVariable) != "" && os.Getenv(s3Variable) != "" && os.Getenv(bucketVariable) != ""
}

// newPeers makes a queue of these attributes. Each has its own.
func newPeers(t *testing.T, attributes map[string]string) *peers {
	t.Helper()
	if !peersNamed() {
		t.Skipf("%s, %s and %s name no servers; .ci/peers-s3 starts them", sqsVariable, s3Variable, bucketVariable)
	}
	t.Setenv("AWS_ENDPOINT_URL_SQS", os.Getenv(sqsVariable))
	t.Setenv("AWS_ENDPOINT_URL_S3", os.Getenv(s3Variable))
	return connect(t, attributes)
}

// connect is newPeers in a test whose parent has called it.
func connect(t *testing.T, attributes map[string]string) *peers {
	t.Helper()
	c, err := newClient(Config{Region: "us-east-1"}, quickPacing.visibility)
	if err != nil {
		t.Fatal(err)
	}
	p := &peers{client: c, t: t, bucket: os.Getenv(bucketVariable), prefix: fmt.Sprintf("source-%d-%d/", os.Getpid(), peersMade.Add(1))}
	p.newQueue(attributes)
	return p
}

// newQueue goes over to another queue, and returns the URL of the one before.
func (p *peers) newQueue(attributes map[string]string) (before string) {
	p.t.Helper()
	name := fmt.Sprintf("flow-logs-%d-%d", os.Getpid(), peersMade.Add(1))
	out, err := p.sqs.CreateQueue(p.t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		p.t.Fatal(err)
	}
	before, p.queue = p.queue, aws.ToString(out.QueueUrl)
	return before
}

// source reads the queue as it is now, in payloads of about a KiB. What it
// received comes again after two seconds, unless that is extended.
func (p *peers) source() *Source {
	p.t.Helper()
	at := *p.client
	s, err := New(Config{QueueURL: "https://sqs.us-east-1.amazonaws.com/123456789012/flow-logs"}, Dependencies{API: &at})
	if err != nil {
		p.t.Fatal(err)
	}
	s.pacing, s.chunk = quickPacing, 1<<10
	return s
}

// put writes an object of the folder and returns it as S3 announces it.
func (p *peers) put(name string, content []byte) object {
	p.t.Helper()
	key := p.prefix + name
	out, err := p.s3.PutObject(p.t.Context(), &s3.PutObjectInput{Bucket: &p.bucket, Key: &key, Body: bytes.NewReader(content)})
	if err != nil {
		p.t.Fatal(err)
	}
	return object{p.bucket, key, strings.Trim(aws.ToString(out.ETag), `"`)}
}

func (p *peers) send(bodies ...string) {
	p.t.Helper()
	for _, body := range bodies {
		if _, err := p.sqs.SendMessage(p.t.Context(), &sqs.SendMessageInput{QueueUrl: &p.queue, MessageBody: &body}); err != nil {
			p.t.Fatal(err)
		}
	}
}

// awaitMessages asks the server until a queue holds so many messages, and
// hides none.
func (p *peers) awaitMessages(queue string, want int) {
	p.t.Helper()
	var got map[string]string
	all, hidden := types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		out, err := p.sqs.GetQueueAttributes(p.t.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl: &queue, AttributeNames: []types.QueueAttributeName{all, hidden},
		})
		if err != nil {
			p.t.Fatal(err)
		}
		if got = out.Attributes; got[string(all)] == strconv.Itoa(want) && got[string(hidden)] == "0" {
			return
		}
	}
	p.t.Fatalf("the queue has %v, want %d messages and none that is hidden", got, want)
}

// created is the S3 event of new objects, with their keys encoded as S3 does.
func created(objects ...object) string {
	var records []map[string]any
	for _, o := range objects {
		records = append(records, s3Record("ObjectCreated:Put", o))
	}
	return inJSON(map[string]any{"Records": records})
}

func s3Record(event string, o object) map[string]any {
	return map[string]any{
		"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": event,
		"s3": map[string]any{
			"bucket": map[string]any{"name": o.Bucket, "arn": "arn:aws:s3:::" + o.Bucket},
			"object": map[string]any{"key": strings.ReplaceAll(url.QueryEscape(o.Key), "%2F", "/"), "eTag": o.ETag},
		},
	}
}

// bridged is the same as an event of EventBridge, which leaves the key as it is.
func bridged(o object) string {
	return inJSON(map[string]any{
		"version": "0", "source": "aws.s3", "detail-type": "Object Created",
		"detail": map[string]any{"bucket": map[string]any{"name": o.Bucket}, "object": map[string]any{"key": o.Key, "etag": o.ETag}},
	})
}

// published is a message as SNS puts it on a queue.
func published(body string) string {
	return inJSON(map[string]any{"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:123456789012:flow-logs", "Message": body})
}

func inJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of strings
	}
	return string(text)
}
