package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// An object is analysed as the same file is.
func TestAnalyzeS3(t *testing.T) {
	path, _ := simulated(t, simulate.V2, 30)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("list-type") {
			_, _ = w.Write([]byte(`<ListBucketResult><Contents><Key>2025/11/24/flows.log</Key><Size>1</Size><ETag>"e"</ETag>` +
				`<LastModified>2025-11-24T17:00:00Z</LastModified></Contents></ListBucketResult>`))
			return
		}
		_, _ = w.Write(content)
	}))
	defer server.Close()
	want := analyze(t, path)
	got := analyze(t, "--endpoint", server.URL, "--region", "eu-central-1", "--since", "2025-11-24", "s3://logs/2025/", "s3://logs")
	if diff := cmp.Diff(want.Records, got.Records); diff != "" || want.Records.OK == 0 {
		t.Errorf("records (-file +object):\n%s", diff)
	}
}

func TestAnalyzeS3Options(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		w := newWorld(nil)
		if code := w.run(t, append([]string{"analyze"}, args...)...); code != exitUsage || !strings.Contains(w.stderr.String(), want) {
			t.Errorf("%v: exit code %d: %s", args, code, w.stderr.String())
		}
	}
	f("--since: is of use with a path like s3://", "--since", "2026-11-24", "a.log")
	f(`--until: "tomorrow" is no time`, "--until", "tomorrow", "s3://logs")
	f("--until: 2026-11-23 is before --since", "--since", "2026-11-24", "--until", "2026-11-23", "s3://logs")
	f("--region: ", "--region", "x", "s3://logs")
	f("--endpoint: ", "--endpoint", "x", "s3://logs")
}
