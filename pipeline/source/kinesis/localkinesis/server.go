package localkinesis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a Server; the zero value is useful.
type Options struct {
	// Listen is the TCP address, by default a free port of 127.0.0.1.
	Listen string
	// Clock stamps arrivals, and the opening and closing of shards. It may run
	// at any speed but not backwards. By default time.Now.
	Clock func() time.Time
	// RetainBytes bounds the data kept per stream (256 MiB by default); beyond
	// it the oldest records are dropped and counted in Stats.Trimmed.
	RetainBytes int64
	// IteratorLifetime is how long a shard iterator is good for, in real time
	// whatever Clock says: 5 minutes by default.
	IteratorLifetime time.Duration
	// PageRecords bounds the records that one GetRecords returns: 10,000 by
	// default, as in Kinesis.
	PageRecords int
	// EnforceLimits applies the limits per shard, in real time: 5 reads and
	// 2 MiB read, 1,000 records and 1 MiB written a second.
	EnforceLimits bool
	// SubscriptionLifetime is after what time the pushing of a shard ends: 5
	// minutes by default. It, Heartbeat (5 s) and SubscribeInterval (5 s, for
	// which a subscription can't be replaced) are in real time.
	SubscriptionLifetime time.Duration
	Heartbeat            time.Duration
	SubscribeInterval    time.Duration
	// ConsumerDelay is how long a consumer is CREATING, by default no time.
	ConsumerDelay time.Duration
	// MaxConsumers of a stream: 20 by default; below 0 none.
	MaxConsumers int
	// Faults to inject.
	Faults Faults
}

// Stats counts what a Server did since it began.
type Stats struct {
	Records   int64 // stored, duplicates among them
	Reads     int64 // GetRecords calls that were answered with success
	Iterators int64 // shard iterators handed out by GetShardIterator
	Expired   int64 // reads refused for their iterator's age, faults among them
	Throttled int64 // reads and writes refused for their rate, faults among them
	Failed    int64 // reads answered with status 500 by a fault
	Trimmed   int64 // records dropped by retention

	Subscriptions int64 // SubscribeToShard calls that were answered with success
	InUse         int64 // those refused as they came too soon after another, faults among them
	Events        int64 // pushed
	Cut           int64 // events in the middle of which the connection was broken by a fault
}

// Server is a running endpoint. Its methods are safe for concurrent use.
type Server struct {
	opts  Options
	url   string
	http  *http.Server
	ended chan struct{}

	closing chan struct{} // closed by Close
	once    sync.Once

	requests atomic.Uint64 // numbers the x-amzn-RequestId headers

	mu      sync.Mutex // guards everything below
	streams map[string]*stream
	created uint64 // streams created so far: tells a stream from its namesake

	registered int64 // consumers so far
	stats      Stats
}

// New starts an endpoint. It serves until Close.
func New(opts Options) (*Server, error) {
	if opts.Listen == "" {
		opts.Listen = "127.0.0.1:0"
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.RetainBytes <= 0 {
		opts.RetainBytes = 256 << 20
	}
	if opts.IteratorLifetime <= 0 {
		opts.IteratorLifetime = 5 * time.Minute
	}
	opts.SubscriptionLifetime = cmp.Or(opts.SubscriptionLifetime, 5*time.Minute)
	opts.Heartbeat = cmp.Or(opts.Heartbeat, 5*time.Second)
	opts.SubscribeInterval = cmp.Or(opts.SubscribeInterval, 5*time.Second)
	opts.MaxConsumers = cmp.Or(opts.MaxConsumers, maxConsumers)
	if opts.PageRecords <= 0 {
		opts.PageRecords = maxGetRecords
	}
	listener, err := net.Listen("tcp", opts.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the local Kinesis endpoint: %w", err)
	}
	s := &Server{
		opts:    opts,
		url:     "http://" + listener.Addr().String(),
		ended:   make(chan struct{}),
		closing: make(chan struct{}),
		streams: map[string]*stream{},
	}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	go func() {
		defer close(s.ended)
		_ = s.http.Serve(listener) // always ErrServerClosed: Close is the only way out
	}()
	return s, nil
}

// URL is the endpoint to give to an SDK client.
func (s *Server) URL() string { return s.url }

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// closeGrace is short because Shutdown also waits for connections that a client
// opened and never used.
const closeGrace = 300 * time.Millisecond

// Close ends the endpoint: requests under way get a moment to finish.
func (s *Server) Close() error {
	s.once.Do(func() { close(s.closing) })
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	<-s.ended
	if err != nil {
		return fmt.Errorf("close the local Kinesis endpoint: %w", err)
	}
	return nil
}

// now is Clock at the precision that Kinesis has.
func (s *Server) now() time.Time { return s.opts.Clock().Truncate(time.Millisecond) }
