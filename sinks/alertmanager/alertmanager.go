// Package alertmanager posts open incidents as alerts to Prometheus'
// Alertmanager, API v2.
package alertmanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/post"
)

// Deps is what a Sink needs. A nil field stands for its default.
type Deps struct {
	Name      string            // default "alertmanager"
	Log       *zap.Logger       // says which members of a cluster don't take alerts
	Now       func() time.Time  // default time.Now: ends of alerts
	Transport http.RoundTripper // see post.Options
}

// Sink posts to all members of a cluster, which agree among themselves about
// who notifies. What one of them took has arrived: the others learn of what is
// open with the next repeat.
type Sink struct {
	name    string
	log     *zap.Logger
	now     func() time.Time
	members []*member
	// reported is the severity under which each open incident was last posted,
	// by uid. Severity is a label, since routes match labels: when it changes,
	// the alert under the former one has to end. What is forgotten in a restart
	// ends openFor later by itself.
	reported map[string]detect.Severity
}

type member struct {
	*post.Client
	failing bool
}

// repeatEvery is how often what is open is posted again.
const repeatEvery = time.Minute

// New returns a sink. The caller has validated cfg.
func New(cfg Config, deps Deps) (*Sink, error) {
	s := &Sink{name: deps.Name, log: deps.Log, now: deps.Now, reported: make(map[string]detect.Severity)}
	if s.name == "" {
		s.name = "alertmanager"
	}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.log = s.log.With(zap.String("sink", s.name))
	for _, base := range cfg.URL {
		target, err := alertsURL(base)
		if err != nil {
			return nil, fmt.Errorf("alertmanager: %w", err)
		}
		client, err := post.New(target, post.Options{Timeout: cfg.Timeout, CA: cfg.CA, Now: s.now, Transport: deps.Transport})
		if err != nil {
			return nil, fmt.Errorf("alertmanager: %w", err)
		}
		s.members = append(s.members, &member{Client: client})
	}
	return s, nil
}

// Name implements sinks.Sink.
func (s *Sink) Name() string { return s.name }

// RepeatEvery implements sinks.Repeater.
func (s *Sink) RepeatEvery() time.Duration { return repeatEvery }

// Close closes the idle connections.
func (s *Sink) Close() error {
	for _, m := range s.members {
		_ = m.Close() // never fails
	}
	return nil
}

// Send implements sinks.Sink.
func (s *Sink) Send(ctx context.Context, findings []detect.Finding) error {
	if len(findings) == 0 {
		return ctx.Err()
	}
	body, err := json.Marshal(s.alerts(findings))
	if err != nil {
		return sinks.Permanent(fmt.Errorf("encode %d alerts: %w", len(findings), err))
	}
	if err := s.post(ctx, body); err != nil {
		return err
	}
	for i := range findings {
		f := &findings[i]
		if f.Activity == detect.Close {
			delete(s.reported, f.UID)
		} else {
			s.reported[f.UID] = f.Severity
		}
	}
	return nil
}

// alerts returns what to post. Within one request the last word on an alert
// counts, so the events of an incident stay in their order.
func (s *Sink) alerts(findings []detect.Finding) []alert {
	now := s.now()
	all := make([]alert, 0, len(findings))
	reported := make(map[string]detect.Severity) // within this request
	for i := range findings {
		f := &findings[i]
		before, known := reported[f.UID]
		if !known {
			before, known = s.reported[f.UID]
		}
		if known && before != f.Severity {
			all = append(all, superseded(f, before, now))
		}
		reported[f.UID] = f.Severity
		all = append(all, alertOf(f, now))
	}
	return all
}

// post sends to all members at a time. It is Permanent when all refuse.
func (s *Sink) post(ctx context.Context, body []byte) error {
	errs := make([]error, len(s.members))
	var posting sync.WaitGroup
	for i, m := range s.members {
		posting.Go(func() { errs[i] = m.JSON(ctx, body, http.Header{}) })
	}
	posting.Wait()
	taken, passing := false, []error(nil)
	for i, err := range errs {
		s.judge(ctx, s.members[i], err)
		taken = taken || err == nil
		if err != nil && !sinks.IsPermanent(err) {
			passing = append(passing, err)
		}
	}
	switch {
	case taken:
		return nil
	case len(passing) > 0: // those that pass may still take it
		return errors.Join(passing...)
	}
	return errors.Join(errs...)
}

// judge logs when a member of a cluster begins and ends to fail. Of a single
// one the outbox does.
func (s *Sink) judge(ctx context.Context, m *member, err error) {
	if len(s.members) == 1 || ctx.Err() != nil {
		return
	}
	switch {
	case err != nil && !m.failing:
		s.log.Warn("a member of the cluster does not take alerts", zap.String("host", m.Host()), zap.Error(err))
	case err == nil && m.failing:
		s.log.Info("a member of the cluster takes alerts again", zap.String("host", m.Host()))
	}
	m.failing = err != nil
}
