package main

import (
	"fmt"
	"io"
	"time"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/alertmanager"
	"github.com/flowwatch/flowwatch/sinks/eventbridge"
	filesink "github.com/flowwatch/flowwatch/sinks/file"
	"github.com/flowwatch/flowwatch/sinks/slack"
	"github.com/flowwatch/flowwatch/sinks/sns"
	"github.com/flowwatch/flowwatch/sinks/stdout"
	"github.com/flowwatch/flowwatch/sinks/webhook"
)

// outlet fits an outbox to the pipeline.
type outlet struct{ *sinks.Outbox }

// Offer hands over one committed finding.
func (o outlet) Offer(id uint64, f *detect.Finding) {
	o.Outbox.Offer([]sinks.Entry{{ID: id, Finding: *f}})
}

func (s *service) openSinks(e *env) ([]pipeline.Outlet, error) {
	metrics, err := sinks.NewMetrics(s.registry)
	if err != nil {
		return nil, err
	}
	var outlets []pipeline.Outlet
	for i := range s.cfg.Sinks {
		c := &s.cfg.Sinks[i]
		sink, err := s.openSink(e, c)
		if err != nil {
			return nil, fmt.Errorf("sinks[%d]: %w", i, err)
		}
		least, err := detect.ParseSeverity(c.MinSeverity)
		if err != nil {
			return nil, usageError{err}
		}
		box := sinks.NewOutbox(sink, outboxOf(c, least), sinks.OutboxDeps{
			Logger: s.log, Metrics: metrics,
			Open: func() []*detect.Finding { return s.pipeline.Published().Open },
		})
		s.outboxes = append(s.outboxes, box)
		outlets = append(outlets, outlet{box})
	}
	return outlets, nil
}

// sinkGrace is how long the sinks may take to deliver what waits when the process
// is to end, all at the same time. What is left then is sent by the next start.
const sinkGrace = 5 * time.Second

// outboxOf configures the outbox of a sink.
func outboxOf(c *SinkConfig, least detect.Severity) sinks.OutboxConfig {
	o := sinks.OutboxConfig{MinSeverity: least, Rules: c.Rules, Grace: sinkGrace}
	if c.Webhook != nil {
		// One request a Send: what has arrived is not sent again when a later
		// one fails.
		o.Batch, o.Timeout = c.Webhook.Batch, c.Webhook.Timeout+time.Second
	}
	if c.Alertmanager != nil {
		o.Timeout = c.Alertmanager.Timeout + time.Second
	}
	if c.Slack != nil {
		o.Batch, o.Timeout = 1, c.Slack.Timeout+time.Second // the same: a message is a request
	}
	return o
}

// openSink opens the sink of one item of sinks. One that holds something open is
// closed with the service.
func (s *service) openSink(e *env, c *SinkConfig) (sinks.Sink, error) {
	var sink interface {
		sinks.Sink
		io.Closer
	}
	var err error
	switch {
	case c.File != nil:
		sink, err = filesink.Open(c.File.sink(), filesink.Deps{Name: c.Name, Encode: encodeOCSF})
	case c.Webhook != nil:
		sink, err = webhook.New(*c.Webhook, webhook.Deps{Name: c.Name, Encode: encodeOCSF})
	case c.Alertmanager != nil:
		sink, err = alertmanager.New(*c.Alertmanager, alertmanager.Deps{Name: c.Name, Log: s.log})
	case c.SNS != nil:
		return sns.New(*c.SNS, sns.Deps{Name: c.Name, Encode: encodeOCSF})
	case c.EventBridge != nil:
		return eventbridge.New(*c.EventBridge, eventbridge.Deps{Name: c.Name, Encode: encodeOCSF})
	case c.Slack != nil:
		sink, err = slack.New(*c.Slack, slack.Deps{Name: c.Name})
	default:
		return s.openStdout(e, c), nil
	}
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, sink.Close)
	return sink, nil
}

func (s *service) openStdout(e *env, c *SinkConfig) sinks.Sink {
	return stdout.New(stdout.Config{
		Name: c.Name, Writer: e.Stdout, Terminal: isTerminal(e.Stdout), Width: columns(e.Stdout), Color: e.colour(e.Stdout),
		Encode: encodeOCSF,
	})
}

// encodeOCSF encodes a finding as made by this build.
func encodeOCSF(f *detect.Finding, processed time.Time) ([]byte, error) {
	return detect.Product{Version: thisBuild().Version}.AppendOCSF(nil, f, processed)
}
