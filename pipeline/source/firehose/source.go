package firehose

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/flowwatch/flowwatch/pipeline"
)

const (
	// patience is how long a request waits for its commit: Firehose gives up
	// after three minutes.
	patience = 150 * time.Second
	// bodyTime is how long a request may take to arrive.
	bodyTime = 60 * time.Second
	// maxHeader bounds the headers of a request, in bytes.
	maxHeader = 16 << 10
)

// StopTime is how long a stop waits for requests that are arriving, and for answers
// that are being written.
const StopTime = 3 * time.Second

// Dependencies of a Source.
type Dependencies struct {
	Log        *zap.Logger           // nil logs nothing
	Registerer prometheus.Registerer // nil registers nothing
	Listener   net.Listener          // nil listens on Config.Listen
}

// Source is one endpoint. It implements pipeline.Source; Run is called once.
type Source struct {
	cfg       Config
	log       *zap.Logger
	listener  net.Listener
	key       [sha256.Size]byte
	metrics   *metrics
	partition *partition
	patience  time.Duration
}

// New returns a source for a valid configuration, and listens: an address in
// use or a certificate that can't be read is an error at once.
func New(cfg Config, deps Dependencies) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, log: deps.Log, listener: deps.Listener, key: sha256.Sum256([]byte(cfg.AccessKey)), patience: patience}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	var certificates *certificate
	if cfg.TLS.Cert != "" {
		certificates = &certificate{cfg: cfg.TLS}
		if _, err := certificates.get(nil); err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
	}
	var err error
	if s.metrics, err = newMetrics(deps.Registerer); err != nil {
		return nil, fmt.Errorf("register the metrics of %s: %w", s.Name(), err)
	}
	if s.listener == nil {
		if s.listener, err = net.Listen("tcp", cfg.Listen); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
	if certificates != nil {
		s.listener = tls.NewListener(s.listener, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificates.get})
	}
	s.partition = &partition{
		id: s.Name() + "/requests", queue: make(chan *request, cfg.Bodies), slots: make(chan struct{}, cfg.Bodies),
		pending: map[uint64]*request{}, early: func(n int) { s.metrics.forgotten.Add(float64(n)) },
	}
	return s, nil
}

// Name is "firehose:" and the configured address.
func (s *Source) Name() string { return "firehose:" + s.cfg.Listen }

// Addr is where the endpoint listens.
func (s *Source) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx ends; then it returns nil. What is not committed by
// then is answered with 503 and comes again.
func (s *Source) Run(ctx context.Context, host pipeline.Host) error {
	defer s.listener.Close()
	p := s.partition
	p.now, p.last = host.Now, host.Now()
	var err error
	if p.memory, err = requests.Memory(host.Resume(s.Name())[p.id].Position); err != nil {
		return fmt.Errorf("resume %s: %w", s.Name(), err)
	}
	if err := host.Register(ctx, []pipeline.Start{{ID: p.id, At: p.memory.Place().Position()}}); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("register %s: %w", s.Name(), err)
	}
	group, running := errgroup.WithContext(ctx)
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: bodyTime, WriteTimeout: bodyTime + s.patience + 10*time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeader, ErrorLog: zap.NewStdLog(s.log),
		BaseContext: func(net.Listener) context.Context { return running },
	}
	group.Go(func() error {
		if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", s.Name(), err)
		}
		return nil
	})
	group.Go(func() error {
		<-running.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), StopTime)
		defer cancel()
		if err := server.Shutdown(stop); err != nil {
			return server.Close()
		}
		return nil
	})
	group.Go(func() error { return host.Work(running, p) })
	err = group.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}
