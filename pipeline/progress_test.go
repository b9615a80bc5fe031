package pipeline

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestHealthTellsStuckFromHeldBack(t *testing.T) {
	const step = stalledAfter/2 + time.Second
	empty := &Batch{Lag: time.Minute}
	for _, c := range []struct {
		name  string
		do    func(p *progress)
		stuck string // what is known of why; empty: it is not
		held  bool
	}{
		{"a read that does not return", func(*progress) { time.Sleep(2 * step) }, "its reader hangs", false},
		{"within the deadline", func(*progress) { time.Sleep(step) }, "", false},
		{"empty reads behind the tip", func(p *progress) {
			time.Sleep(step)
			p.read("s/a", empty)
			time.Sleep(step)
			p.read("s/a", empty)
		}, "records wait", false},
		{"no answer", func(p *progress) {
			time.Sleep(step)
			p.read("s/a", empty)
			time.Sleep(step)
			p.read("s/a", &Batch{Lag: 2 * step, Unread: "no answer from Kinesis for 5m2s"})
		}, "no answer from Kinesis for 5m2s", false},
		{"empty reads at the tip", func(p *progress) {
			time.Sleep(step)
			p.read("s/a", &Batch{Idle: true})
			time.Sleep(step)
		}, "", false},
		{"payloads", func(p *progress) {
			time.Sleep(step)
			p.read("s/a", &Batch{Lag: time.Hour, Payloads: make([]Payload, 1)})
			time.Sleep(step)
		}, "", false},
		{"held back", func(p *progress) {
			p.hold("s/a")
			time.Sleep(2 * step)
		}, "", true},
		{"held back, then let go", func(p *progress) {
			p.hold("s/a")
			time.Sleep(2 * step)
			p.release("s/a")
		}, "", false},
		{"stuck after it was let go", func(p *progress) {
			p.hold("s/a")
			p.release("s/a")
			time.Sleep(2 * step)
		}, "its reader hangs", false},
		{"being let go is no progress", func(p *progress) {
			time.Sleep(step)
			p.hold("s/a")
			time.Sleep(step)
			p.release("s/a")
			time.Sleep(step)
		}, "its reader hangs", false},
		{"ended", func(p *progress) {
			p.end("s/a")
			time.Sleep(2 * step)
		}, "", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &Pipeline{progress: newProgress()}
			p.progress.begin("s/a")
			c.do(p.progress)
			err := p.Health()
			got := ""
			if err != nil {
				got = err.Error()
			}
			want := ""
			if c.stuck != "" {
				want = "partition s/a: nothing read for 5m2s: " + c.stuck
			}
			if got != want {
				t.Errorf("%s: health is %q, want %q", c.name, got, want)
			}
			if id, _ := p.progress.heldBack(); (id != "") != c.held {
				t.Errorf("%s: held back is %q, want %v", c.name, id, c.held)
			}
		})
	}
}
