package stdout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/sinktest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// pipe is a writer that can break.
type pipe struct {
	bytes.Buffer
	err    error
	writes int
}

func (p *pipe) Write(b []byte) (int, error) {
	p.writes++
	if p.err != nil {
		return 0, p.err
	}
	return p.Buffer.Write(b)
}

func TestSinkContract(t *testing.T) {
	sinktest.Run(t, func(*testing.T) *sinktest.Rig {
		p := &pipe{}
		return &sinktest.Rig{
			Sink: New(Config{Writer: p, Encode: sinktest.Encode}),
			Received: func(t testing.TB) []sinktest.Event {
				events := []sinktest.Event{}
				for line := range strings.Lines(p.String()) {
					var e sinktest.Event
					if err := json.Unmarshal([]byte(line), &e); err != nil || !strings.HasSuffix(line, "\n") {
						t.Fatalf("line %.80q: %v", line, err)
					}
					events = append(events, e)
				}
				return events
			},
			Break: func() func() {
				p.err = errors.New("broken")
				return func() { p.err = nil }
			},
		}
	})
}

var scan = detect.Finding{
	Rule: "scan.internal", Severity: detect.High, Activity: detect.Create, Time: 1795438500,
	Message: "Vertical port scan: 10.0.3.17 (eni-0aa1) tried 120 distinct TCP ports on 10.0.7.42 in 5 min; 118 failed, 2 answered",
}

var spike = detect.Finding{
	Rule: "spike", Severity: detect.Low, Activity: detect.Close, Time: 1795438800,
	Message: "Quiet again: eni-0bb2",
}

func text(width int, color bool, findings ...detect.Finding) string {
	p := &pipe{}
	s := New(Config{Writer: p, Terminal: true, Width: width, Color: color})
	if err := s.Send(context.Background(), findings); err != nil {
		panic(err)
	}
	return p.String()
}

func TestText(t *testing.T) {
	f := func(width int, color bool, want string) {
		t.Helper()
		if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), text(width, color, scan, spike)); diff != "" {
			t.Errorf("width %d, color %v (-want +got):\n%s", width, color, diff)
		}
	}
	f(80, false, `
2026-11-23 12:55Z HIGH     create scan.internal Vertical port scan: 10.0.3.17
    (eni-0aa1) tried 120 distinct TCP ports on 10.0.7.42 in 5 min; 118 failed, 2
    answered
2026-11-23 13:00Z LOW      close  spike         Quiet again: eni-0bb2
`)
	f(0, false, `
2026-11-23 12:55Z HIGH     create scan.internal Vertical port scan: 10.0.3.17 (eni-0aa1) tried 120 distinct TCP ports on 10.0.7.42 in 5 min; 118 failed, 2 answered
2026-11-23 13:00Z LOW      close  spike         Quiet again: eni-0bb2
`)
	f(0, true, strings.NewReplacer("HIGH    ", "\x1b[31mHIGH    \x1b[0m", "LOW     ", "\x1b[36mLOW     \x1b[0m").Replace(text(0, false, scan, spike)))
}

// Colours take no columns.
func TestTextWrapsAlikeInColor(t *testing.T) {
	plain, colored := text(80, false, scan), text(80, true, scan)
	stripped := strings.NewReplacer("\x1b[31m", "", "\x1b[0m", "").Replace(colored)
	if diff := cmp.Diff(plain, stripped); diff != "" || plain == colored {
		t.Errorf("in colour (-plain +stripped):\n%s", diff)
	}
}

// Whatever a message holds: no line is wider than the terminal unless one word
// is, no word is lost, and nothing reaches the terminal that it acts on.
func TestTextProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := scan
		f.Message = rapid.String().Draw(t, "message") + strings.Join(rapid.SliceOf(rapid.StringMatching(`[a-z0-9é.:/-]{1,25}`)).Draw(t, "words"), " ")
		f.Rule = rapid.SampledFrom([]string{"spike", "scan.external", "\x1b[31mred"}).Draw(t, "rule")
		width := rapid.IntRange(60, 120).Draw(t, "width")
		got := text(width, false, f)
		for _, r := range got {
			if r != '\n' && (r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0) {
				t.Fatalf("control character %q in %q", r, got)
			}
		}
		words := strings.Fields(printable(f.Message))
		if all := strings.Fields(got); !strings.HasSuffix(strings.Join(all, " "), strings.Join(words, " ")) {
			t.Fatalf("words lost: %q in %q", words, got)
		}
		for i, line := range strings.Split(strings.TrimSuffix(got, "\n"), "\n") {
			wide := utf8.RuneCountInString(line) > width
			if wide && len(strings.Fields(line)) > 1 {
				t.Fatalf("line %q is wider than %d", line, width)
			}
			if i > 0 && !strings.HasPrefix(line, "    ") {
				t.Fatalf("line %q is not moved in", line)
			}
		}
	})
}

func TestSinkWritesOncePerSend(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		p := &pipe{}
		s := New(Config{Name: "console", Writer: p, Terminal: terminal, Encode: sinktest.Encode})
		if err := s.Send(t.Context(), []detect.Finding{scan, spike}); err != nil {
			t.Fatal(err)
		}
		if p.writes != 1 || s.Name() != "console" {
			t.Errorf("terminal %v: %d writes by %s, want 1 by console", terminal, p.writes, s.Name())
		}
	}
}

func TestSinkErrors(t *testing.T) {
	cause := errors.New("cause")
	s := New(Config{Writer: &pipe{err: cause}, Terminal: true})
	if err := s.Send(t.Context(), []detect.Finding{scan}); !errors.Is(err, cause) || sinks.IsPermanent(err) || err.Error() != "write to stdout: cause" {
		t.Errorf("Send: %v, want the writer's error", err)
	}
	s = New(Config{Writer: &pipe{}, Encode: func(*detect.Finding, time.Time) ([]byte, error) { return nil, cause }})
	if err := s.Send(t.Context(), []detect.Finding{scan}); !errors.Is(err, cause) || !sinks.IsPermanent(err) {
		t.Errorf("Send: %v, want a Permanent error", err)
	}
}

func TestSinkWritesOCSF(t *testing.T) {
	p := &pipe{}
	now := time.UnixMilli(1795439401250)
	s := New(Config{Writer: p, Encode: (*detect.Finding).OCSF, Now: func() time.Time { return now }})
	if err := s.Send(t.Context(), []detect.Finding{scan}); err != nil {
		t.Fatal(err)
	}
	want, err := scan.OCSF(now)
	if err != nil {
		t.Fatal(err)
	}
	if p.String() != string(want)+"\n" {
		t.Errorf("wrote %s, want %s", p.String(), want)
	}
}
