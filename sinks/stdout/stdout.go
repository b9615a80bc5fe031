// Package stdout writes findings for people on a terminal, and as JSON lines
// for everything else.
package stdout

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
)

// Config says where to write and how.
type Config struct {
	Name   string // default "stdout"
	Writer io.Writer

	Terminal bool // readable text; otherwise one JSON object a line
	Width    int  // of the terminal in columns; 0: lines are not wrapped
	Color    bool // colour the severity of readable text; the caller has looked at NO_COLOR

	Encode sinks.Encode     // one finding as JSON
	Now    func() time.Time // default time.Now: processed_time
}

// Sink writes findings to a stream, one write for each Send.
type Sink struct {
	cfg Config
	buf []byte
}

// New returns a sink. It does not close the writer.
func New(cfg Config) *Sink {
	if cfg.Name == "" {
		cfg.Name = "stdout"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Sink{cfg: cfg}
}

// Name implements sinks.Sink.
func (s *Sink) Name() string { return s.cfg.Name }

// Send implements sinks.Sink. It returns when the writer has taken all of it:
// ctx does not interrupt a write.
func (s *Sink) Send(ctx context.Context, findings []detect.Finding) error {
	if err := ctx.Err(); err != nil || len(findings) == 0 {
		return err
	}
	s.buf = s.buf[:0]
	if s.cfg.Terminal {
		for i := range findings {
			s.buf = appendText(s.buf, &findings[i], s.cfg.Width, s.cfg.Color)
		}
	} else {
		lines, err := s.cfg.Encode.AppendLines(s.buf, findings, s.cfg.Now())
		if err != nil {
			return err
		}
		s.buf = lines
	}
	if _, err := s.cfg.Writer.Write(s.buf); err != nil {
		return fmt.Errorf("write to %s: %w", s.cfg.Name, err)
	}
	return nil
}
