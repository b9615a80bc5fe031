package checkpoint

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHolderInECS(t *testing.T) {
	const arn = "arn:aws:ecs:eu-central-1:111122223333:task/flow/0123456789abcdef0123456789abcdef"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v4/abc/task" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(`{"Cluster":"flow","TaskARN":"` + arn + `","Family":"flowwatch"}`))
	}))
	defer server.Close()
	t.Setenv("ECS_CONTAINER_METADATA_URI_V4", server.URL+"/v4/abc")
	if h := newHolder(t.Context()); h.Task != arn || !strings.HasPrefix(h.String(), "task "+arn+", process ") {
		t.Errorf("got %+v", h)
	}
	t.Setenv("ECS_CONTAINER_METADATA_URI_V4", server.URL+"/elsewhere")
	if h := newHolder(t.Context()); h.Task != "" || !strings.HasPrefix(h.String(), "process ") {
		t.Errorf("got %+v", h)
	}
}

func TestHolderString(t *testing.T) {
	h := holder{ID: "x", Host: "ip-10-0-0-7", Task: "arn:aws:ecs:a:b:task/c", Process: 1, Started: time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC)}
	if got, want := h.String(), "task arn:aws:ecs:a:b:task/c, process 1 on host ip-10-0-0-7, which opened it at 2026-11-24T13:00:00Z"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
