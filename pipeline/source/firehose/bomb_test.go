package firehose

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
)

// A body within the limit that would inflate to 64 GiB.
func TestBodyBombIsRefused(t *testing.T) {
	for name, prefix := range map[string]string{
		"a record":           `{"requestId":"a","records":[{"data":"`,
		"an unknown member":  `{"requestId":"a","x":"`,
		"letters, no object": "",
	} {
		t.Run(name, func(t *testing.T) {
			hostiletest.Peak(t, func() []byte { return hostiletest.GzipBomb(60<<20, prefix) }, func(path string) {
				body, err := os.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer body.Close()
				cfg := DefaultConfig()
				cfg.AccessKey = testKey
				s, err := New(cfg, Dependencies{})
				if err != nil {
					t.Fatal(err)
				}
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body)
				setHeaders(r, "a")
				r.Header.Set("Content-Encoding", "gzip")
				_, err = s.read(httptest.NewRecorder(), r, "a")
				if err == nil {
					t.Fatal("the body was accepted")
				}
				t.Log(err)
			})
		})
	}
}
