package checkpoint_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/flowwatch/flowwatch/pipeline/checkpoint/checkpointtest"
	"github.com/google/go-cmp/cmp"
)

// TestS3Conformance holds the store to the contract against a server of our own
// and, with FLOWWATCH_S3_ENDPOINT and FLOWWATCH_S3_BUCKET, against another one.
func TestS3Conformance(t *testing.T) {
	t.Run("local", func(t *testing.T) {
		server := newS3Server(t)
		conforms(t, checkpoint.S3Config{Bucket: "state-bucket", Endpoint: server.URL})
	})
	t.Run("external", func(t *testing.T) {
		endpoint, bucket := os.Getenv("FLOWWATCH_S3_ENDPOINT"), os.Getenv("FLOWWATCH_S3_BUCKET")
		if endpoint == "" || bucket == "" {
			t.Skip("FLOWWATCH_S3_ENDPOINT and FLOWWATCH_S3_BUCKET name no other server")
		}
		conforms(t, checkpoint.S3Config{Bucket: bucket, Endpoint: endpoint})
	})
}

func conforms(t *testing.T, cfg checkpoint.S3Config) {
	var places atomic.Int64
	checkpointtest.Run(t, func(t *testing.T) checkpointtest.Opener {
		at := cfg
		at.Prefix = fmt.Sprintf("conformance-%d/%d", os.Getpid(), places.Add(1))
		return func() (checkpoint.Store, error) {
			s, err := checkpoint.OpenS3Lively(t.Context(), at)
			if err != nil {
				return nil, err
			}
			return s, nil
		}
	})
}

// Over real requests: an answer that is lost, or a 503, costs a try and nothing
// else. Every third request meets one of them.
func TestS3OverFaultyRequests(t *testing.T) {
	server := newS3Server(t)
	faults := 0
	server.fault = func(n int, r *http.Request) (int, bool) {
		switch {
		case n%3 != 0:
			return 0, false
		case n%2 == 0:
			faults++
			return http.StatusServiceUnavailable, false
		}
		faults++
		return 0, true
	}
	cfg := checkpoint.S3Config{Bucket: "state-bucket", Prefix: "faults", Endpoint: server.URL}
	want := map[string]string{}
	for round := range 3 {
		s, err := checkpoint.OpenS3(t.Context(), cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			key := fmt.Sprintf("%d/%d", round, i)
			if err := s.Append(t.Context(), put(key, "x")); err != nil {
				t.Fatal(err)
			}
			want[key] = "x"
		}
		if diff := cmp.Diff(want, checkpointtest.Contents(t, s)); diff != "" {
			t.Errorf("contents (-want +got):\n%s", diff)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if faults == 0 {
		t.Error("there was no fault")
	}
	if got, most := len(server.keys()), len(want)+1; got > most {
		t.Errorf("%d objects, want at most %d: a segment for each commit and the pointer", got, most)
	}
}

// A commit of something small is two requests: its segment and the pointer.
func TestS3RequestsOfACommit(t *testing.T) {
	server := newS3Server(t)
	s, err := checkpoint.OpenS3(t.Context(), checkpoint.S3Config{Bucket: "state-bucket", Endpoint: server.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	before := server.count()
	for range 10 {
		if err := s.Append(t.Context(), put("key", "value")); err != nil {
			t.Fatal(err)
		}
	}
	got := server.count()
	for method := range got {
		got[method] -= before[method]
	}
	if diff := cmp.Diff(map[string]int{http.MethodPut: 20}, got); diff != "" {
		t.Errorf("requests of 10 commits (-want +got):\n%s", diff)
	}
	if keys := server.keys(); !slices.Contains(keys, "pointer.json") {
		t.Errorf("without a prefix the keys are %q", keys)
	}
}

func TestS3InABucketThatIsNotThere(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "NoSuchBucket") }))
	defer server.Close()
	_, err := checkpoint.OpenS3(t.Context(), checkpoint.S3Config{Bucket: "state-bucket", Region: "eu-central-1", Endpoint: server.URL}, nil)
	if err == nil || !strings.Contains(err.Error(), "s3://state-bucket/") || !strings.Contains(err.Error(), "NoSuchBucket") {
		t.Errorf("got %v", err)
	}
}

func TestS3ConfigValidate(t *testing.T) {
	good := checkpoint.S3Config{Bucket: "state-bucket", Prefix: "flowwatch/production", Region: "eu-central-1", Endpoint: "http://127.0.0.1:4566"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	bad := checkpoint.S3Config{Bucket: "State_Bucket", Prefix: "/flowwatch//x", Region: "nowhere", Endpoint: "s3.example.com"}
	err := bad.Validate()
	for _, key := range []string{"bucket: ", "prefix: ", "region: ", "endpoint: "} {
		if err == nil || !strings.Contains("\n"+err.Error(), "\n"+key) {
			t.Errorf("%v: want an error that begins with %q", err, key)
		}
	}
	for _, prefix := range []string{"a/../b", ".", "a/", "ä", strings.Repeat("a", 600)} {
		c := good
		c.Prefix = prefix
		if c.Validate() == nil {
			t.Errorf("prefix %q is accepted", prefix)
		}
	}
}

// BenchmarkS3Load restores 50 MB and more: a base and deltas, from a server on
// this machine. What the same objects take one after the other, and nothing
// else done with them, is the figure to hold it against.
func BenchmarkS3Load(b *testing.B) {
	server := newS3Server(b)
	cfg := checkpoint.S3Config{Bucket: "state-bucket", Prefix: "load", Endpoint: server.URL}
	s, err := checkpoint.OpenS3(b.Context(), cfg, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	size := 0
	chance := rand.New(rand.NewPCG(1, 2))
	for commit := range 30 {
		var d checkpoint.Delta
		for i := range 5000 {
			value := make([]byte, 350)
			for j := range value { // half of it random: compresses about as state does
				value[j] = "0123456789abcdef"[chance.IntN(16)]
			}
			size += len(value)
			d.Puts = append(d.Puts, checkpoint.Entry{Key: fmt.Appendf(nil, "d/rule/%02d/%06d", commit, i), Value: value})
		}
		if err := s.Append(b.Context(), &d); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(size))
	b.Run("load", func(b *testing.B) {
		b.SetBytes(int64(size))
		for b.Loop() {
			entries := 0
			if err := s.Load(b.Context(), func(_, _ []byte) error { entries++; return nil }); err != nil || entries != 150_000 {
				b.Fatalf("%d entries, %v", entries, err)
			}
		}
	})
	b.Run("gets one after the other", func(b *testing.B) {
		b.SetBytes(int64(size))
		for b.Loop() {
			for _, key := range server.keys() {
				answer, err := http.Get(server.URL + "/state-bucket/" + key)
				if err != nil {
					b.Fatal(err)
				}
				_, err = io.Copy(io.Discard, answer.Body)
				if err := errors.Join(err, answer.Body.Close()); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
