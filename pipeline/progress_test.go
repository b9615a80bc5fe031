package pipeline

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestHealthTellsStuckFromHeldBack(t *testing.T) {
	const step = stalledAfter/2 + time.Second
	empty := &Batch{Lag: time.Minute}
	for _, c := range []struct {
		name        string
		do          func(p *progress)
		stuck, held bool
	}{
		{"a read that does not return", func(*progress) { time.Sleep(2 * step) }, true, false},
		{"within the deadline", func(*progress) { time.Sleep(step) }, false, false},
		{"empty reads behind the tip", func(p *progress) {
			time.Sleep(step)
			p.read("s/a", empty)
			time.Sleep(step)
			p.read("s/a", empty)
		}, true, false},
		{"empty reads at the tip", func(p *progress) {
			time.Sleep(step)
			p.read("s/a", &Batch{Idle: true})
			time.Sleep(step)
		}, false, false},
		{"payloads", func(p *progress) {
			time.Sleep(step)
			p.read("s/a", &Batch{Lag: time.Hour, Payloads: make([]Payload, 1)})
			time.Sleep(step)
		}, false, false},
		{"held back", func(p *progress) {
			p.hold("s/a")
			time.Sleep(2 * step)
		}, false, true},
		{"held back, then let go", func(p *progress) {
			p.hold("s/a")
			time.Sleep(2 * step)
			p.release("s/a")
		}, false, false},
		{"stuck after it was let go", func(p *progress) {
			p.hold("s/a")
			p.release("s/a")
			time.Sleep(2 * step)
		}, true, false},
		{"being let go is no progress", func(p *progress) {
			time.Sleep(step)
			p.hold("s/a")
			time.Sleep(step)
			p.release("s/a")
			time.Sleep(step)
		}, true, false},
		{"ended", func(p *progress) {
			p.end("s/a")
			time.Sleep(2 * step)
		}, false, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &Pipeline{progress: newProgress()}
			p.progress.begin("s/a")
			c.do(p.progress)
			err := p.Health()
			if (err != nil) != c.stuck || err != nil && !strings.Contains(err.Error(), "partition s/a: nothing read for 5m2s") {
				t.Errorf("%s: health is %v, want stuck %v", c.name, err, c.stuck)
			}
			if id, _ := p.progress.heldBack(); (id != "") != c.held {
				t.Errorf("%s: held back is %q, want %v", c.name, id, c.held)
			}
		})
	}
}
