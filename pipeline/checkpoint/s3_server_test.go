package checkpoint_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// s3Server answers GetObject, PutObject and DeleteObject of one bucket as S3's
// documentation has it, conditions included, and without the permission to
// list: what is not there is AccessDenied. Any other request is an error of the
// test.
type s3Server struct {
	t testing.TB
	*httptest.Server

	// fault, when set, is asked before each request. A status of 0 lets it pass,
	// and then lost says whether the connection ends before the answer.
	fault func(n int, r *http.Request) (status int, lost bool)

	mu       sync.Mutex
	objects  map[string][]byte
	requests map[string]int // by method
	n        int
}

func newS3Server(t testing.TB) *s3Server {
	t.Helper()
	s := &s3Server{t: t, objects: map[string][]byte{}, requests: map[string]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	t.Setenv("AWS_REGION", "eu-central-1")
	return s
}

func (s *s3Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	key, ok := strings.CutPrefix(r.URL.Path, "/state-bucket/")
	if !ok || r.URL.Query().Has("list-type") || key == "" {
		s.t.Errorf("unexpected request %s %s", r.Method, r.URL)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	s.requests[r.Method]++
	status, lost := 0, false
	if s.fault != nil {
		status, lost = s.fault(s.n, r)
	}
	answer := w
	if lost {
		answer = httptest.NewRecorder()
		defer panic(http.ErrAbortHandler)
	}
	if status != 0 {
		refuse(answer, status, "SlowDown")
		return
	}
	s.answer(answer, r, key, body)
}

func (s *s3Server) answer(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	found, there := s.objects[key]
	switch r.Method {
	case http.MethodGet:
		if !there {
			refuse(w, http.StatusForbidden, "AccessDenied")
			return
		}
		w.Header().Set("ETag", entityTag(found))
		_, _ = w.Write(found)
	case http.MethodPut:
		match := r.Header.Get("If-Match")
		switch {
		case match != "" && !there:
			refuse(w, http.StatusNotFound, "NoSuchKey")
		case match != "" && match != entityTag(found), there && r.Header.Get("If-None-Match") == "*":
			refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		default:
			s.objects[key] = body
			w.Header().Set("ETag", entityTag(body))
		}
	case http.MethodDelete:
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		s.t.Errorf("unexpected request %s %s", r.Method, r.URL)
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>as the test wants it</Message></Error>", code)
}

func entityTag(b []byte) string {
	sum := md5.Sum(b)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

// count is how many requests there were, by method.
func (s *s3Server) count() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.requests)
}

// keys are what is in the bucket.
func (s *s3Server) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for key := range s.objects {
		keys = append(keys, key)
	}
	return keys
}
