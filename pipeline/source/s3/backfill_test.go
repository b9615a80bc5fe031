package s3

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bucketServer answers the two calls of a back-fill as S3 does, two keys a page.
func bucketServer(t *testing.T, objects map[string]string, written time.Time) (endpoint string) {
	t.Helper()
	keys := make([]string, 0, len(objects))
	for key := range objects {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("list-type") == "2" {
			list(t, w, r, keys, objects, written)
			return
		}
		content, ok := objects[strings.TrimPrefix(r.URL.Path, "/logs/")]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, content)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func list(t *testing.T, w http.ResponseWriter, r *http.Request, keys []string, objects map[string]string, written time.Time) {
	t.Helper()
	type entry struct {
		Key          string
		Size         int
		ETag         string
		LastModified string
	}
	var answer struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string
		Contents              []entry
	}
	query := r.URL.Query()
	for _, key := range keys {
		if !strings.HasPrefix(key, query.Get("prefix")) || key <= query.Get("continuation-token") {
			continue
		}
		if len(answer.Contents) == 2 {
			answer.IsTruncated, answer.NextContinuationToken = true, answer.Contents[1].Key
			break
		}
		answer.Contents = append(answer.Contents, entry{key, len(objects[key]), `"e"`, written.Format(time.RFC3339)})
	}
	if err := xml.NewEncoder(w).Encode(answer); err != nil {
		t.Error(err)
	}
}

func TestListAndRead(t *testing.T) {
	written := time.Date(2026, 11, 24, 10, 7, 0, 0, time.UTC)
	objects := map[string]string{
		"AWSLogs/1/vpcflowlogs/eu/2026/11/24/a.log":                              "of the day",
		"AWSLogs/1/vpcflowlogs/eu/2026/11/20/b.log":                              "of another",
		"AWSLogs/aws-account-id=1/year=2026/month=11/day=24/hour=10/c d.parquet": "hive",
		"AWSLogs/":  "",
		"other/key": "elsewhere",
	}
	endpoint := bucketServer(t, objects, written)
	f := func(prefix string, b Backfill, want ...string) {
		t.Helper()
		b.URL, b.Endpoint, b.Region = "s3://logs/"+prefix, endpoint, "eu-central-1"
		found, err := List(t.Context(), b)
		if err != nil {
			t.Fatalf("%s: %v", prefix, err)
		}
		var got []string
		for _, o := range found {
			body, err := o.Open(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", o.Name, err)
			}
			text, err := io.ReadAll(body)
			_ = body.Close()
			if err != nil || int64(len(text)) != o.Size {
				t.Errorf("%s: %d bytes of %d, %v", o.Name, len(text), o.Size, err)
			}
			got = append(got, string(text))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", prefix, diff)
		}
	}
	f("", Backfill{}, "of another", "of the day", "hive", "elsewhere")
	f("AWSLogs/", Backfill{Since: written.Add(-time.Hour)}, "of the day", "hive")
	f("AWSLogs/1/", Backfill{Until: written.Add(-72 * time.Hour).Add(50 * time.Hour)}, "of another", "of the day")
	for url, want := range map[string]string{
		"s3://":               "a bucket",
		"s3://logs/nothing":   "no object there",
		"s3://logs/other/key": "none of its objects",
	} {
		_, err := List(t.Context(), Backfill{URL: url, Endpoint: endpoint, Region: "eu-central-1", Since: written.Add(time.Second)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", url, err, want)
		}
	}
}

func TestObjectsOfATime(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	f := func(key string, written, since, until time.Time, want bool) {
		t.Helper()
		b := Backfill{Since: since, Until: until}
		if got := b.holds(key, written); got != want {
			t.Errorf("%s, written %v, from %v to %v: got %v", key, written, since, until, got)
		}
	}
	none := time.Time{}
	key := func(d int) string { return fmt.Sprintf("AWSLogs/1/vpcflowlogs/eu-central-1/2026/11/%02d/x.log.gz", d) }
	f(key(24), none, none, none, true)
	f(key(24), none, day(24), day(25), true)
	f(key(23), none, day(24), day(25), true) // delivered under the day before
	f(key(21), none, day(24), day(25), false)
	f(key(26), none, day(24), day(25), true)
	f(key(27), none, day(24), day(25), false)
	f("flat.log", day(23), day(24), none, false) // written before
	f("flat.log", day(24), day(24), day(25), true)
	f("flat.log", day(27), none, day(25), false)
	f("2026/13/99/x.log", none, day(24), none, true) // no day
}
