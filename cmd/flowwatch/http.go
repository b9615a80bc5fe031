package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// endpoints is what is served on `listen`: /metrics, /healthz and /readyz, and
// nothing else.
type endpoints struct {
	Gatherer prometheus.Gatherer
	// Health and Ready return nil, or why not. They are called for every
	// request, by several goroutines at a time, and should not block.
	Health, Ready func() error
	Log           *zap.Logger
}

// shutdownGrace is how long requests may take to end once the server stops.
const shutdownGrace = 3 * time.Second

// listen opens a TCP address for Serve.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on %s: the port is taken, perhaps by another flowwatch; stop that, or set another port: %w", addr, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listen on %s: not permitted; ports below 1024 need a privilege: %w", addr, err)
	case err != nil:
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return ln, nil
}

// Serve answers requests until ctx ends, as serve does.
func (s *endpoints) Serve(ctx context.Context, ln net.Listener) error {
	return serve(ctx, ln, s.Handler(), s.Log)
}

// serve answers requests until ctx ends; then it lets those that run finish,
// for shutdownGrace, and returns nil. It closes ln.
func serve(ctx context.Context, ln net.Listener, handler http.Handler, log *zap.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second, // a large scrape over a slow line
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          zap.NewStdLog(log),
	}
	stopped := make(chan error, 1)
	unwatch := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		err := server.Shutdown(grace)
		if err != nil {
			err = server.Close()
		}
		stopped <- err
	})
	err := server.Serve(ln)
	if unwatch() { // ctx has not ended: Serve failed by itself
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	if err := <-stopped; err != nil {
		return fmt.Errorf("stop serving %s: %w", ln.Addr(), err)
	}
	return nil
}

// Handler answers the three paths.
func (s *endpoints) Handler() http.Handler {
	metrics := promhttp.HandlerFor(s.Gatherer, promhttp.HandlerOpts{
		ErrorLog:            zap.NewStdLog(s.Log),
		MaxRequestsInFlight: 4,
		EnableOpenMetrics:   true,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serve := map[string]http.Handler{
			"/metrics": metrics, "/healthz": answerHealth(s.Health), "/readyz": answerHealth(s.Ready),
		}[r.URL.Path]
		switch {
		case serve == nil:
			http.Error(w, "not found; here are /metrics, /healthz and /readyz", http.StatusNotFound)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed; accepted: GET, HEAD", http.StatusMethodNotAllowed)
		default:
			serve.ServeHTTP(w, r)
		}
	})
}

// answerHealth answers 200 "ok", or 503 and the reason.
func answerHealth(healthy func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if err := healthy(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "ok")
	})
}
