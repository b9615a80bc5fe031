// Package webhook posts findings as OCSF JSON to an HTTP receiver.
package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
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
	host   string // all of the URL that errors may show
	client *http.Client
}

// maxBody is the size of a request. A batch above it is split; a finding that
// alone is larger is refused.
const maxBody = 4 << 20

// maxAnswer is how much of an answer is read, for the sake of reusing the
// connection. What it says is not used: it could repeat a secret.
const maxAnswer = 64 << 10

// New returns a sink. The caller has validated cfg.
func New(cfg Config, deps Deps) (*Sink, error) {
	if deps.Name == "" {
		deps.Name = "webhook"
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Transport == nil {
		deps.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, errors.New("webhook: url: is no URL") // err would repeat it
	}
	return &Sink{cfg: cfg.withDefaults(), deps: deps, host: u.Host, client: &http.Client{
		Transport:     deps.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Name implements sinks.Sink.
func (s *Sink) Name() string { return s.deps.Name }

// Close closes the idle connections.
func (s *Sink) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// Send implements sinks.Sink. It ends at the first request that fails.
func (s *Sink) Send(ctx context.Context, findings []detect.Finding) error {
	for len(findings) > 0 {
		body, n, err := s.body(findings)
		if err != nil {
			return err
		}
		if err := s.post(ctx, body, keyOf(findings[:n])); err != nil {
			return err
		}
		findings = findings[n:]
	}
	return nil
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

func (s *Sink) post(ctx context.Context, body []byte, key string) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return sinks.Permanent(fmt.Errorf("post to %s: the request cannot be built", s.host))
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "flowwatch")
	request.Header.Set("Idempotency-Key", key)
	for name, value := range s.cfg.Headers {
		request.Header.Set(name, value)
	}
	if s.cfg.Secret != "" {
		request.Header.Set(SignatureHeader, Sign(s.cfg.Secret, s.deps.Now(), body))
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("post to %s: %w", s.host, withoutURL(err))
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer) // whatever it says, the status counts
	return s.judge(answer)
}

// judge tells what an answer means for the findings that were sent.
func (s *Sink) judge(answer *http.Response) error {
	code := answer.StatusCode
	err := fmt.Errorf("post to %s: status %d %s", s.host, code, http.StatusText(code))
	switch {
	case code/100 == 2:
		return nil
	case code/100 == 3:
		return fmt.Errorf("%w: redirects are not followed, the configured URL has to be the last one", err)
	case code/100 == 4 && code != http.StatusRequestTimeout && code != http.StatusTooEarly && code != http.StatusTooManyRequests:
		return sinks.Permanent(err)
	}
	return sinks.RetryAfter(err, s.asked(answer.Header.Get("Retry-After")))
}

// asked reads a Retry-After: seconds, or a date. What is neither asks nothing.
func (s *Sink) asked(text string) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(s.deps.Now())
	}
	return 0
}

// withoutURL unwraps the error of a client, whose message repeats the URL.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
