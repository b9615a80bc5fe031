package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/flowwatch/flowwatch/sinks/alertmanager"
)

// An incident that was found by a process that has ended is reminded of by the
// next one, before that has read anything.
func TestOpenIncidentIsRepeatedAfterARestart(t *testing.T) {
	alerts := make(chan string, 100) // uid and event
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var posted []struct{ Labels, Annotations map[string]string }
		if err := json.NewDecoder(r.Body).Decode(&posted); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, a := range posted {
			alerts <- a.Labels["uid"] + " " + a.Annotations["event"]
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	var lines strings.Builder
	start := int64(1_799_990_000)
	for port := range 60 {
		fmt.Fprintf(&lines, "2 111122223333 eni-1 10.0.3.17 10.0.7.42 51544 %d 6 1 44 %d %d REJECT OK\n", 1000+port, start, start+30)
	}
	path := filepath.Join(dir, "flow.log")
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := defaultConfig()
	cfg.Sources = []SourceConfig{{File: &FileConfig{Paths: []string{path}}}}
	cfg.Sinks = []SinkConfig{{Alertmanager: &alertmanager.Config{URL: []string{server.URL}, Timeout: 10 * time.Second}, Name: "alertmanager", MinSeverity: "low"}}
	cfg.Checkpoint.File = &checkpoint.FileConfig{Dir: filepath.Join(dir, "state")}
	w := newWorld(nil)

	first, err := assemble(t.Context(), &w.env, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.run(t.Context(), "127.0.0.1:0", func(string) {}); err != nil {
		t.Fatal(err)
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	found := <-alerts
	if !strings.HasPrefix(found, "scan.internal/111122223333/") {
		t.Fatalf("the first process reports %q, want a scan", found)
	}
	for len(alerts) > 0 { // it may have repeated it itself
		<-alerts
	}

	second, err := assemble(t.Context(), &w.env, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- second.outboxes[0].Run(ctx) }()
	select {
	case again := <-alerts:
		if again != found {
			t.Errorf("the second process repeats %q, want %q", again, found)
		}
	case <-time.After(30 * time.Second): // a hang, not a measurement
		t.Error("the second process repeats nothing")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := second.close(); err != nil {
		t.Error(err)
	}
}
