package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func TestDialable(t *testing.T) {
	f := func(listen, want string) {
		t.Helper()
		got, err := dialable(listen)
		if err != nil || got != want {
			t.Errorf("dialable(%q) = %q, %v; want %q", listen, got, err, want)
		}
	}
	f(":9464", "127.0.0.1:9464")
	f("0.0.0.0:9464", "127.0.0.1:9464")
	f("[::]:9464", "[::1]:9464")
	f("[::1]:9464", "[::1]:9464")
	f("[fe80::1%eth0]:9464", "[fe80::1%eth0]:9464")
	f("10.1.2.3:80", "10.1.2.3:80")
	f("localhost:9464", "localhost:9464")
	for _, listen := range []string{"", "9464", "localhost", ":0", ":http", ":-1", ":65536", "a/b:1", "::1:9464"} {
		if got, err := dialable(listen); err == nil {
			t.Errorf("dialable(%q) = %q, want an error", listen, got)
		}
	}
}

func TestHealthcheckAddress(t *testing.T) {
	config := filepath.Join(t.TempDir(), "flowwatch.yml")
	if err := os.WriteFile(config, []byte("sources: [{file: {paths: [a]}}]\nlisten: 10.0.0.1:3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(cmd healthcheckCmd, variable, want string) {
		t.Helper()
		w := newWorld(map[string]string{"FLOWWATCH_LISTEN": variable})
		got, err := cmd.address(&w.env)
		if err != nil || got != want {
			t.Errorf("address(%+v, %q) = %q, %v; want %q", cmd, variable, got, err, want)
		}
	}
	f(healthcheckCmd{Listen: ":1", Config: config}, ":2", "127.0.0.1:1")
	f(healthcheckCmd{Config: config}, ":2", "127.0.0.1:2")
	f(healthcheckCmd{Config: config}, "", "10.0.0.1:3")
	f(healthcheckCmd{}, "", "127.0.0.1:9464")
}

func TestListenAddress(t *testing.T) {
	f := func(variable string, cfg *Config, want string) {
		t.Helper()
		w := newWorld(map[string]string{"FLOWWATCH_LISTEN": variable})
		if got := listenAddress(&w.env, cfg); got != want {
			t.Errorf("listenAddress(%q, %v) = %q, want %q", variable, cfg != nil, got, want)
		}
	}
	f(":1", &Config{Listen: ":2"}, ":1")
	f("", &Config{Listen: ":2"}, ":2")
	f(":1", nil, ":1")
	f("", nil, defaultListen)
}

func TestHealthcheck(t *testing.T) {
	s := testEndpoints(t)
	var unhealthy atomic.Value
	s.Health = func() error { err, _ := unhealthy.Load().(error); return err }
	addr, stop := s.start(t)
	w := newWorld(map[string]string{"FLOWWATCH_LISTEN": addr})
	if code := w.run(t, "healthcheck"); code != exitOK || w.stdout.String() != "healthy\n" {
		t.Errorf("exits %d, %q, %q", code, &w.stdout, &w.stderr)
	}
	unhealthy.Store(errors.New("no commit for 5 min"))
	if code := w.run(t, "healthcheck"); code != exitFailed || !strings.Contains(w.stderr.String(), "503 Service Unavailable: no commit for 5 min\n") {
		t.Errorf("exits %d, %q", code, &w.stderr)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if code := w.run(t, "healthcheck"); code != exitFailed || !strings.Contains(w.stderr.String(), "not healthy: ") {
		t.Errorf("exits %d, %q", code, &w.stderr)
	}
}

// Only /healthz of flowwatch itself may say that it is healthy.
func TestHealthcheckFollowsNoRedirect(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer server.Close()
	w := newWorld(nil)
	if code := w.run(t, "healthcheck", "--listen", server.Listener.Addr().String()); code != exitFailed {
		t.Errorf("exits %d: %q", code, &w.stdout)
	}
}

func TestHealthcheckOverIPv6(t *testing.T) {
	ln, err := net.Listen("tcp", "[::]:0")
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	s := testEndpoints(t)
	served := make(chan error, 1)
	ctx := t.Context()
	go func() { served <- s.Serve(ctx, ln) }()
	w := newWorld(nil)
	if code := w.run(t, "healthcheck", "--listen", ln.Addr().String()); code != exitOK {
		t.Errorf("exits %d: %q", code, &w.stderr)
	}
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err == nil {
		t.Error("a server without a listener ends without an error")
	}
}
