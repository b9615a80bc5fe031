// Package slack posts findings to a Slack incoming webhook, one message each.
package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/post"
)

// Config configures a Sink.
type Config struct {
	URL     string        `yaml:"url" strict:"required,secret"` // of an incoming webhook: whoever knows it may post
	Timeout time.Duration `yaml:"timeout"`                      // of one request; default 10 s
}

// SetDefaults gives the keys that may be left out their values.
func (c *Config) SetDefaults() { c.Timeout = cmp.Or(c.Timeout, post.DefaultTimeout) }

// Validate judges the URL, without repeating it, and the timeout.
func (c *Config) Validate() error {
	var errs []error
	if err := post.CheckURL(c.URL); err != nil {
		errs = append(errs, fmt.Errorf("url: %w", err))
	}
	if err := post.CheckTimeout(c.Timeout); err != nil {
		errs = append(errs, fmt.Errorf("timeout: %w", err))
	}
	return errors.Join(errs...)
}

// Deps is what a Sink needs.
type Deps struct {
	Name      string            // default "slack"
	Now       func() time.Time  // default time.Now: dates in Retry-After
	Transport http.RoundTripper // see post.New
}

// Sink posts to one incoming webhook. Slack takes about one message a second
// and answers 429 with Retry-After above that, which the outbox honours.
type Sink struct {
	name   string
	client *post.Client
}

// New returns a sink. The caller has validated cfg.
func New(cfg Config, deps Deps) (*Sink, error) {
	if deps.Name == "" {
		deps.Name = "slack"
	}
	client, err := post.New(cfg.URL, post.Options{Timeout: cfg.Timeout, Now: deps.Now, Transport: deps.Transport})
	if err != nil {
		return nil, fmt.Errorf("slack: %w", err)
	}
	return &Sink{name: deps.Name, client: client}, nil
}

// Name implements sinks.Sink.
func (s *Sink) Name() string { return s.name }

// Close closes the idle connections.
func (s *Sink) Close() error { return s.client.Close() }

// Send implements sinks.Sink. It ends at the first message that fails.
func (s *Sink) Send(ctx context.Context, findings []detect.Finding) error {
	for i := range findings {
		if err := s.post(ctx, &findings[i]); err != nil {
			return sinks.PartialFrom(err, i, len(findings))
		}
	}
	return nil
}

func (s *Sink) post(ctx context.Context, f *detect.Finding) error {
	body, err := json.Marshal(messageOf(f))
	if err != nil {
		return sinks.Permanent(fmt.Errorf("encode finding %s event %d: %w", f.UID, f.Seq, err))
	}
	return s.client.JSON(ctx, body, http.Header{})
}

// Slack's limits, in characters.
const (
	headerLimit  = 150
	sectionLimit = 3000
	fieldLimit   = 2000
)

type message struct {
	Text   string  `json:"text"` // of notifications
	Blocks []block `json:"blocks"`
}

type block struct {
	Type     string `json:"type"`
	Text     *text  `json:"text,omitempty"`
	Fields   []text `json:"fields,omitempty"`
	Elements []text `json:"elements,omitempty"`
}

type text struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

func messageOf(f *detect.Finding) message {
	state := map[detect.Activity]string{detect.Create: "opened", detect.Update: "goes on", detect.Close: "closed"}[f.Activity]
	if f.CloseReason != "" {
		state += " (" + string(f.CloseReason) + ")"
	}
	title := fmt.Sprintf("%s: %s, %s", strings.ToUpper(f.Severity.String()), f.Title, state)
	return message{
		Text: cut(escape(title+": "+f.Message), sectionLimit),
		Blocks: []block{
			{Type: "header", Text: &text{"plain_text", cut(title, headerLimit)}},
			{Type: "section", Text: &text{"mrkdwn", cut(escape(f.Message), sectionLimit)}},
			{Type: "section", Fields: []text{
				field("Rule", f.Rule), field("About", f.Key), field("Account", f.Account), field("VPC", f.Scope),
				field("Confidence", f.Confidence.String()), field("At", time.Unix(f.Time, 0).UTC().Format(time.RFC3339)),
			}},
			{Type: "context", Elements: []text{{"plain_text", cut(fmt.Sprintf("event %d of %s", f.Seq, f.UID), fieldLimit)}}},
		},
	}
}

func field(name, value string) text {
	if value == "" {
		value = "-"
	}
	return text{"mrkdwn", cut("*"+name+"*\n"+escape(value), fieldLimit)}
}

// escape keeps what records say from becoming links, mentions or formatting.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// cut shortens a text to a limit of characters; half an escape goes whole.
func cut(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	s = string([]rune(s)[:limit-1])
	if i := strings.LastIndexByte(s, '&'); i >= 0 && !strings.Contains(s[i:], ";") && len(s)-i < 5 {
		s = s[:i]
	}
	return s + "…"
}
