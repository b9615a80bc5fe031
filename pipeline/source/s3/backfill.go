package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/flowwatch/flowwatch/pipeline/awsconfig"
	"github.com/flowwatch/flowwatch/pipeline/source/file"
)

// Scheme begins the URL of a prefix in a bucket: s3://bucket/prefix.
const Scheme = "s3://"

// Backfill says which objects of a bucket are to be read once, without a queue.
type Backfill struct {
	URL      string // s3://bucket, or with a prefix of keys behind it
	Region   string // empty is that of the environment or profile
	Endpoint string // of a local server; empty is AWS
	// Since and Until bound when the records of an object may be from, as far as
	// its key and its time tell; zero is no bound. They leave out whole objects,
	// never a record of one that is read.
	Since, Until time.Time
}

// deliveredWithin is how much later than its records an object may be written.
const deliveredWithin = 24 * time.Hour

// List returns the objects, in the order of their keys. None is an error.
func List(ctx context.Context, b Backfill) ([]file.Object, error) {
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(b.URL, Scheme), "/")
	if !strings.HasPrefix(b.URL, Scheme) || bucket == "" {
		return nil, fmt.Errorf("%s: a bucket with or without a prefix, such as s3://flow-logs/AWSLogs/, is accepted", b.URL)
	}
	environment, err := awsconfig.Load(awsconfig.Options{Region: b.Region, Endpoint: b.Endpoint})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.URL, err)
	}
	c := &client{s3: s3.NewFromConfig(environment, func(o *s3.Options) { o.UsePathStyle = b.Endpoint != "" })}
	var found []file.Object
	seen := 0
	pages := s3.NewListObjectsV2Paginator(c.s3, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", b.URL, err)
		}
		for _, o := range page.Contents {
			key, size := aws.ToString(o.Key), aws.ToInt64(o.Size)
			if size == 0 || strings.HasSuffix(key, "/") {
				continue // a folder, as consoles make them
			}
			seen++
			if !b.holds(key, aws.ToTime(o.LastModified)) {
				continue
			}
			announced := object{bucket, key, aws.ToString(o.ETag)}
			found = append(found, file.Object{Name: Scheme + bucket + "/" + key, Size: size,
				Open: func(ctx context.Context) (io.ReadCloser, error) {
					body, _, err := c.Open(ctx, announced)
					return body, err
				}})
		}
	}
	switch {
	case seen == 0:
		return nil, fmt.Errorf("%s: no object there", b.URL)
	case len(found) == 0:
		return nil, errors.New(b.URL + ": none of its objects is of the time between --since and --until")
	}
	return found, nil
}

// keyDay finds the day in a key as AWS lays them out: .../2026/11/24/... or
// .../year=2026/month=11/day=24/...
var keyDay = regexp.MustCompile(`(?:^|/)(?:year=)?(\d{4})/(?:month=)?(\d{2})/(?:day=)?(\d{2})/`)

// holds reports whether an object may hold records of the time that is wanted.
// The day in a key is that of the records' beginning or of the delivery, so a
// day before and after is taken too.
func (b *Backfill) holds(key string, written time.Time) bool {
	if !written.IsZero() {
		if written.Before(b.Since) || !b.Until.IsZero() && written.After(b.Until.Add(deliveredWithin)) {
			return false
		}
	}
	m := keyDay.FindStringSubmatch(key)
	if m == nil {
		return true
	}
	day, err := time.Parse("2006-01-02", m[1]+"-"+m[2]+"-"+m[3])
	if err != nil {
		return true
	}
	if !b.Since.IsZero() && day.AddDate(0, 0, 2).Before(b.Since) {
		return false
	}
	return b.Until.IsZero() || !day.AddDate(0, 0, -1).After(b.Until)
}
