// Package webhook posts findings as OCSF JSON to an HTTP receiver.
package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/post"
)

// Deps is what a Sink needs.
type Deps struct {
	Name      string            // default "webhook"
	Encode    sinks.Encode      // one finding as JSON
	Now       func() time.Time  // default time.Now: signature, processed_time, dates in Retry-After
	Transport http.RoundTripper // default: its own, with TLS verified against the system's roots
}

// Sink posts to one URL. The events of an incident arrive in order; one that
// was sent before comes again with the same Idempotency-Key when its answer
// was lost.
type Sink struct {
	cfg    Config
	deps   Deps
	client *post.Client
}

// maxBody is the size of a request. A batch above it is split; a finding that
// alone is larger is refused.
const maxBody = 4 << 20

// New returns a sink. The caller has validated cfg.
func New(cfg Config, deps Deps) (*Sink, error) {
	if deps.Name == "" {
		deps.Name = "webhook"
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	cfg = cfg.withDefaults()
	client, err := post.New(cfg.URL, post.Options{Timeout: cfg.Timeout, CA: cfg.CA, Now: deps.Now, Transport: deps.Transport})
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return &Sink{cfg: cfg, deps: deps, client: client}, nil
}

// Name implements sinks.Sink.
func (s *Sink) Name() string { return s.deps.Name }

// Close closes the idle connections.
func (s *Sink) Close() error { return s.client.Close() }

// Send implements sinks.Sink. It ends at the first request that fails.
func (s *Sink) Send(ctx context.Context, findings []detect.Finding) error {
	for sent := 0; sent < len(findings); {
		n, err := s.post(ctx, findings[sent:])
		if err != nil {
			return sinks.PartialFrom(err, sent, len(findings))
		}
		sent += n
	}
	return nil
}

// post sends as many of the first findings as one request takes: n of them.
func (s *Sink) post(ctx context.Context, findings []detect.Finding) (n int, err error) {
	body, n, err := s.body(findings)
	if err != nil {
		return 0, err
	}
	return n, s.client.JSON(ctx, body, s.header(body, findings[:n]))
}

// body encodes as many of the first findings as one request takes: n of them.
func (s *Sink) body(findings []detect.Finding) (body []byte, n int, err error) {
	processed := s.deps.Now()
	array := s.cfg.Batch > 1
	for n < min(s.cfg.Batch, len(findings)) {
		f := &findings[n]
		object, err := s.deps.Encode(f, processed)
		if err != nil {
			return nil, 0, sinks.Permanent(fmt.Errorf("encode finding %s event %d: %w", f.UID, f.Seq, err))
		}
		if len(body)+len(object)+2 > maxBody {
			if n > 0 {
				break
			}
			return nil, 0, sinks.Permanent(fmt.Errorf("finding %s event %d has %d bytes, a request holds at most %d", f.UID, f.Seq, len(object), maxBody))
		}
		if array {
			body = append(body, "[,"[min(n, 1)])
		}
		body = append(body, object...)
		n++
	}
	if array {
		body = append(body, ']')
	}
	return body, n, nil
}

// keyOf is one for a request with these findings, whenever it is sent.
func keyOf(findings []detect.Finding) string {
	h := sha256.New()
	for i := range findings {
		fmt.Fprintf(h, "%q %d\n", findings[i].UID, findings[i].Seq)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (s *Sink) header(body []byte, findings []detect.Finding) http.Header {
	header := http.Header{}
	for name, value := range s.cfg.Headers {
		header.Set(name, value)
	}
	header.Set("Idempotency-Key", keyOf(findings))
	if s.cfg.Secret != "" {
		header.Set(SignatureHeader, Sign(s.cfg.Secret, s.deps.Now(), body))
	}
	return header
}
