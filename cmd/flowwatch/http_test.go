package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

func testEndpoints(t *testing.T) *endpoints {
	t.Helper()
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "flowwatch_test_total", Help: "A counter."})
	counter.Add(3)
	registry.MustRegister(counter)
	ok := func() error { return nil }
	return &endpoints{Gatherer: registry, Health: ok, Ready: ok, Log: zap.NewNop()}
}

func TestHandler(t *testing.T) {
	s := testEndpoints(t)
	s.Ready = func() error { return errors.New("no partition is registered yet") }
	handler := s.Handler()
	f := func(method, path string, status int, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != status || !strings.Contains(w.Body.String(), body) {
			t.Errorf("%s %s: %d %q, want %d and %q", method, path, w.Code, w.Body, status, body)
		}
	}
	f("GET", "/metrics", 200, "flowwatch_test_total 3\n")
	f("HEAD", "/metrics", 200, "")
	f("GET", "/healthz", 200, "ok\n")
	f("GET", "/readyz", 503, "no partition is registered yet\n")
	f("POST", "/metrics", 405, "accepted: GET, HEAD")
	for _, path := range []string{"/", "/metrics/", "//metrics", "/healthz/x", "/debug/pprof/", "/debug/vars"} {
		f("GET", path, 404, "/metrics, /healthz and /readyz")
	}
}

// start serves on loopback and returns the address, and what stops the server
// and gives Serve's result.
func (s *endpoints) start(t *testing.T) (addr string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ln, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln) }()
	return ln.Addr().String(), func() error { cancel(); return <-served }
}

// A request that has begun is answered although the server is told to stop.
func TestServeStopsGracefully(t *testing.T) {
	s := testEndpoints(t)
	asked, answer := make(chan struct{}), make(chan struct{})
	s.Health = func() error { close(asked); <-answer; return nil }
	addr, stop := s.start(t)
	got := make(chan string, 1)
	go func() { got <- get("http://" + addr + "/healthz") }()
	<-asked
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for connects(addr) { // until the listener is closed
	}
	close(answer)
	if body := <-got; body != "200 ok\n" {
		t.Errorf("got %q", body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func connects(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func get(url string) string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, body)
}

func TestServeRefusesLargeHeaders(t *testing.T) {
	addr, stop := testEndpoints(t).start(t)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", 64<<10))
	status, err := bufio.NewReader(conn).ReadString('\n')
	if !strings.Contains(status, "431") {
		t.Errorf("got %q, %v; want 431", status, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestServeTellsOfABrokenListener(t *testing.T) {
	ln, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := testEndpoints(t).Serve(t.Context(), ln); err == nil || !strings.Contains(err.Error(), "serve 127.0.0.1:") {
		t.Errorf("got %v", err)
	}
}

func TestListenOnATakenPort(t *testing.T) {
	ln, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = listen(t.Context(), ln.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("got %v", err)
	}
}
