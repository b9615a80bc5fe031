package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/klauspost/compress/gzip"
	"github.com/parquet-go/parquet-go"

	"github.com/flowwatch/flowwatch/pipeline/awsconfig"
)

// queue is an SQS queue, and the folder of a bucket whose objects it announces,
// on servers that are not ours.
type queue struct {
	t              *testing.T
	sqs            *sqs.Client
	s3             *s3.Client
	url            string
	bucket, prefix string
	objects        int
	lines          int
	bytes          int64
}

func newQueue(t *testing.T) *queue {
	t.Helper()
	queues, objects, bucket := os.Getenv("FLOWWATCH_SQS_ENDPOINT"), os.Getenv("FLOWWATCH_S3_ENDPOINT"), os.Getenv("FLOWWATCH_S3_BUCKET")
	if queues == "" || objects == "" || bucket == "" {
		t.Skip("FLOWWATCH_SQS_ENDPOINT, FLOWWATCH_S3_ENDPOINT and FLOWWATCH_S3_BUCKET name no servers; .ci/peers-s3 starts them")
	}
	t.Setenv("AWS_ENDPOINT_URL_SQS", queues) // for the process under test, too
	t.Setenv("AWS_ENDPOINT_URL_S3", objects)
	environment, err := awsconfig.Load(awsconfig.Options{Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	q := &queue{t: t, sqs: sqs.NewFromConfig(environment), s3: s3.NewFromConfig(environment), bucket: bucket, prefix: fmt.Sprintf("run-%d/AWS Logs+ü/", os.Getpid())}
	out, err := q.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(fmt.Sprintf("run-%d", os.Getpid()))})
	if err != nil {
		t.Fatal(err)
	}
	q.url = aws.ToString(out.QueueUrl)
	return q
}

// put writes an object of lines, plain, gzip or Parquet in turn, and returns
// what announces it: an S3 event, an event of EventBridge, or one through SNS.
func (q *queue) put(lines []string) (notification string) {
	q.t.Helper()
	content := []byte(streamFormat + "\n" + strings.Join(lines, "\n") + "\n")
	name := fmt.Sprintf("%d.log", q.objects)
	switch q.objects % 3 {
	case 1:
		content, name = gzipOf(q.t, content), name+".gz"
	case 2:
		content, name = parquetOf(q.t, lines), name+".parquet"
	}
	key := q.prefix + name
	out, err := q.s3.PutObject(q.t.Context(), &s3.PutObjectInput{Bucket: &q.bucket, Key: &key, Body: bytes.NewReader(content)})
	if err != nil {
		q.t.Fatal(err)
	}
	etag := strings.Trim(aws.ToString(out.ETag), `"`)
	event := fmt.Sprintf(`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":%q},"object":{"key":%q,"eTag":%q}}}]}`, q.bucket, url.QueryEscape(key), etag)
	bridge := fmt.Sprintf(`{"detail-type":"Object Created","detail":{"bucket":{"name":%q},"object":{"key":%q,"etag":%q}}}`, q.bucket, key, etag)
	topic, err := json.Marshal(map[string]string{"Type": "Notification", "Message": event})
	if err != nil {
		q.t.Fatal(err)
	}
	q.objects++
	q.lines += len(lines)
	for _, l := range lines {
		n, err := strconv.ParseInt(strings.Fields(l)[9], 10, 64)
		if err != nil {
			q.t.Fatal(err)
		}
		q.bytes += n
	}
	return []string{event, bridge, string(topic)}[q.objects/2%3]
}

func (q *queue) send(notifications ...string) {
	q.t.Helper()
	for _, n := range notifications {
		if _, err := q.sqs.SendMessage(q.t.Context(), &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &n}); err != nil {
			q.t.Fatal(err)
		}
	}
}

func gzipOf(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// parquetOf has a column for each field of streamFormat.
func parquetOf(t *testing.T, lines []string) []byte {
	t.Helper()
	columns := strings.Fields(strings.ReplaceAll(streamFormat, "-", "_"))
	schema := parquet.Group{}
	for _, column := range columns {
		schema[column] = parquet.String()
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[any](&b, parquet.NewSchema("flows", schema))
	for _, line := range lines {
		row := map[string]any{}
		for i, value := range strings.Fields(line) {
			row[columns[i]] = value
		}
		if _, err := w.Write([]any{row}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The service reads what a queue announces, is killed in the middle of objects,
// and is told of each of them again and again: in the end every line counts
// once, and no message is left to be received. analyze counts the same.
func TestRunFromAQueue(t *testing.T) {
	q := newQueue(t)
	dir, addr := t.TempDir(), freeAddr(t)
	config := filepath.Join(dir, "flowwatch.yml")
	text := fmt.Sprintf("sources:\n  - s3: {queue_url: %q, region: us-east-1}\ncheckpoint: {file: {dir: %q}, every: 100ms}\nlisten: %q\n", q.url, filepath.Join(dir, "state"), addr)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	begin := func() *exec.Cmd { return startRun(t, "--config", config) }
	const counted = `flowwatch_flow_records_total{status="ok"}`
	start := time.Now().Add(-30*time.Minute).Unix() / 300 * 300
	var got map[string]float64
	var all []string
	for range 3 {
		before := float64(q.lines)
		var announced []string
		for range 2 {
			var lines []string
			for minute := range 200 { // about a megabyte: several payloads
				lines = append(lines, traffic(start, minute%20)...)
			}
			announced = append(announced, q.put(lines))
		}
		all = append(all, announced...)
		killed := begin()
		q.send(announced...)
		q.send(announced...)
		await(t, addr, func(m map[string]float64) bool { return m[counted] > before })
		_ = killed.Process.Kill()
		_ = killed.Wait()
		// What it held comes again in five minutes, or when S3 says it again;
		// a call that it left behind may take one more message with it.
		q.send(slices.Repeat(announced, 3)...)
		last := begin()
		got = await(t, addr, func(m map[string]float64) bool { return m[counted] >= float64(q.lines) })
		if n := got[counted]; n != float64(q.lines) {
			t.Errorf("%g lines counted, %d put", n, q.lines)
		}
		if err := last.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := last.Wait(); err != nil {
			t.Errorf("SIGTERM ends it with %v, want exit code 0", err)
		}
	}
	if n := sumOf(got, "flowwatch_ingress_bytes_total"); n != q.bytes {
		t.Errorf("%d bytes counted, %d put", n, q.bytes)
	}

	begin()
	q.send(slices.Repeat(all, 2)...)
	got = await(t, addr, func(m map[string]float64) bool {
		return m[`flowwatch_s3_objects_total{outcome="repeated"}`] >= float64(q.objects)
	})
	if n := got[counted]; n != float64(q.lines) {
		t.Errorf("%g lines counted after everything was announced again, %d put", n, q.lines)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		out, err := q.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &q.url, WaitTimeSeconds: 2, VisibilityTimeout: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("messages stay on the queue")
		}
	}
	report := analyze(t, "--region", "us-east-1", "--endpoint", os.Getenv("FLOWWATCH_S3_ENDPOINT"), "s3://"+q.bucket+"/"+q.prefix)
	if report.Records.OK != int64(q.lines) {
		t.Errorf("analyze counts %d lines, %d put", report.Records.OK, q.lines)
	}
}

// sumOf adds up all series of a metric.
func sumOf(m map[string]float64, metric string) (total int64) {
	for name, v := range m {
		if strings.HasPrefix(name, metric+"{") {
			total += int64(v)
		}
	}
	return total
}
