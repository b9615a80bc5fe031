package file

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline"
)

// fakeHost folds lines "start end ..." as the pipeline does: a watermark for
// each partition, the global one the least of them, and a partition more than
// an hour ahead of it waits.
type fakeHost struct {
	lateness int64
	resumed  map[string]pipeline.Resumed
	onBatch  func(id string, p pipeline.Payload) error

	mu         sync.Mutex
	cond       *sync.Cond
	watermarks map[string]int64 // of registered partitions that have not ended
	starts     []pipeline.Start
	text       map[string][]byte // content by partition
	positions  map[string][]pipeline.Position
	working    int
	most       int // greatest number of partitions worked on at once
	opened     []string
}

func newFakeHost(lateness time.Duration) *fakeHost {
	h := &fakeHost{
		lateness:   int64(lateness / time.Second),
		resumed:    map[string]pipeline.Resumed{},
		watermarks: map[string]int64{},
		text:       map[string][]byte{},
		positions:  map[string][]pipeline.Position{},
	}
	h.cond = sync.NewCond(&h.mu)
	return h
}

func (h *fakeHost) Resume(string) map[string]pipeline.Resumed { return h.resumed }
func (h *fakeHost) Now() time.Time                            { return time.Unix(2_000_000_000, 0) }

func (h *fakeHost) Register(_ context.Context, starts []pipeline.Start) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range starts {
		h.watermarks[s.ID] = math.MinInt64 / 2
		if !s.Watermark.IsZero() {
			h.watermarks[s.ID] = s.Watermark.Unix()
		}
	}
	h.starts = append(h.starts, starts...)
	return nil
}

func (h *fakeHost) global() int64 {
	least := int64(math.MaxInt64 / 2)
	for _, w := range h.watermarks {
		least = min(least, w)
	}
	return least
}

func (h *fakeHost) Work(ctx context.Context, p pipeline.Partition) error {
	id := p.ID()
	h.mu.Lock()
	if _, ok := h.watermarks[id]; !ok {
		h.mu.Unlock()
		return fmt.Errorf("%s was not registered", id)
	}
	h.opened = append(h.opened, id)
	h.working++
	h.most = max(h.most, h.working)
	h.mu.Unlock()
	stop := context.AfterFunc(ctx, h.cond.Broadcast)
	defer stop()
	for {
		h.hold(ctx, id)
		batch, err := p.Next(ctx)
		if err == io.EOF {
			h.mu.Lock()
			delete(h.watermarks, id)
			h.working--
			h.cond.Broadcast()
			h.mu.Unlock()
			return nil
		}
		if err != nil {
			return err
		}
		for _, payload := range batch.Payloads {
			if err := h.fold(id, payload); err != nil {
				return err
			}
		}
	}
}

func (h *fakeHost) hold(ctx context.Context, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.watermarks[id] > h.global()+3600 && ctx.Err() == nil {
		h.cond.Wait()
	}
}

func (h *fakeHost) fold(id string, p pipeline.Payload) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text[id] = append(h.text[id], p.Data...)
	h.positions[id] = append(h.positions[id], p.Position.Position())
	for line := range bytes.Lines(p.Data) {
		if fields := strings.Fields(string(line)); len(fields) >= 2 {
			if end, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				h.watermarks[id] = max(h.watermarks[id], end-h.lateness)
			}
		}
	}
	h.cond.Broadcast()
	if h.onBatch != nil {
		return h.onBatch(id, p)
	}
	return nil
}

// probeStart reads the start of the first line that has one.
func probeStart(chunk []byte) (time.Time, bool) {
	for line := range bytes.Lines(chunk) {
		fields := strings.Fields(string(line))
		if len(fields) < 2 {
			continue
		}
		if start, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
			return time.Unix(start, 0), true
		}
	}
	return time.Time{}, false
}

// folder writes files by name and returns the folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// readAll runs the source over paths and returns the host that saw it.
func readAll(t *testing.T, cfg Config) (*Source, *fakeHost) {
	t.Helper()
	return readChunks(t, cfg, maxChunk)
}

// readChunks is readAll with chunks of about size bytes.
func readChunks(t *testing.T, cfg Config, size int) (*Source, *fakeHost) {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.chunk = size
	h := newFakeHost(cfg.Lateness)
	if err := s.Run(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	return s, h
}
