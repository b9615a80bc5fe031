package firehose

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// unread is an endpoint whose requests nobody reads.
func unread(t *testing.T, bodies int) *Source {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	cfg := DefaultConfig()
	cfg.AccessKey, cfg.Bodies = testKey, bodies
	s, err := New(cfg, Dependencies{Listener: ln})
	if err != nil {
		t.Fatal(err)
	}
	s.partition.now = time.Now
	if s.partition.memory, err = requests.Memory(""); err != nil {
		t.Fatal(err)
	}
	return s
}

func ask(t *testing.T, s *Source, id string, change func(*http.Request)) (status int, message string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(bodyOf(id, []byte("x"))))
	setHeaders(r, id)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var answer struct{ RequestID, ErrorMessage string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Errorf("%v in %q", err, w.Body)
	}
	if answer.RequestID != id {
		t.Errorf("answered with request ID %q, want %q", answer.RequestID, id)
	}
	return w.Code, answer.ErrorMessage
}

// What is not committed, and what finds no room, is answered with 503 before
// Firehose gives up, which it does after three minutes; it then asks again.
func TestAnswersBeforeFirehoseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := unread(t, 1)
		began := time.Now()
		first := make(chan struct{})
		go func() {
			defer close(first)
			if status, message := ask(t, s, "first", nil); status != 503 || !strings.Contains(message, "not committed in time") {
				t.Errorf("the first: got %d %q", status, message)
			}
		}()
		synctest.Wait() // it has the only place
		if status, message := ask(t, s, "second", nil); status != 503 || !strings.Contains(message, "too many requests at a time") {
			t.Errorf("the second: got %d %q", status, message)
		}
		<-first
		if waited := time.Since(began); waited >= 3*time.Minute || waited < time.Minute {
			t.Errorf("answered after %s", waited)
		}
	})
}

// A body that says beforehand that it is too large, and an ID that is too long,
// are refused before anything is read.
func TestRefusedUnread(t *testing.T) {
	s := unread(t, 1)
	f := func(id string, change func(*http.Request), want int, message string) {
		t.Helper()
		if status, got := ask(t, s, id, change); status != want || !strings.Contains(got, message) {
			t.Errorf("got %d %q, want %d with %q", status, got, want, message)
		}
	}
	f("large", func(r *http.Request) { r.ContentLength, r.Body = maxBody+1, nil }, 413, "larger than 64 MiB")
	f(strings.Repeat("i", maxID+1), nil, 400, "257 bytes: 1 to 256 are accepted")
}
