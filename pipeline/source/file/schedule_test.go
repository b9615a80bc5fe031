package file

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// inBubble runs the files through a host that holds partitions back, and
// returns what it saw and how long the source had to wait for a stall: in the
// bubble, time passes only while nothing can go on.
func inBubble(t *testing.T, files map[string]string, cfg Config) (h *fakeHost, stalled time.Duration) {
	t.Helper()
	dir := folder(t, files)
	synctest.Test(t, func(t *testing.T) {
		cfg.Paths = []string{dir}
		cfg.Probe = probeStart
		began := time.Now()
		_, h = readChunks(t, cfg, 1<<10)
		stalled = time.Since(began)
		for name, content := range files {
			if got := string(h.text["file/"+filepath.Join(dir, name)]); got != content {
				t.Errorf("%s: got %d bytes of %d", name, len(got), len(content))
			}
		}
	})
	return h, stalled
}

func TestOverlappingFilesAreAllOpen(t *testing.T) {
	files := map[string]string{}
	for i := range 500 {
		files[fmt.Sprintf("eni-%03d.log", i)] = lines(1_000_000+i%60, 4*60)
	}
	h, stalled := inBubble(t, files, Config{Parallel: 2, Lateness: time.Hour})
	if h.most != 500 {
		t.Errorf("%d files open at once, want all 500: each holds the others back", h.most)
	}
	if stalled != 0 {
		t.Errorf("stood still for %v", stalled)
	}
}

func TestHourlyFilesAreOpenedOneAfterTheOther(t *testing.T) {
	files := map[string]string{}
	for hour := range 100 {
		files[fmt.Sprintf("%03d.log", hour)] = lines(1_000_000+3600*hour, 60)
	}
	h, stalled := inBubble(t, files, Config{Parallel: 2, Lateness: time.Hour})
	if h.most > 6 {
		t.Errorf("%d files open at once", h.most)
	}
	if stalled != 0 {
		t.Errorf("stood still for %v", stalled)
	}
	for i, id := range h.opened[:20] {
		// Neighbours may swap: each is opened by a goroutine of its own.
		if name := filepath.Base(id); name > fmt.Sprintf("%03d.log", i+6) {
			t.Errorf("file %s was opened as number %d", name, i)
		}
	}
}

// A chunk of a quiet interface spans many hours, so a file is far ahead of the
// others after one read.
func TestQuietFilesAndHeaders(t *testing.T) {
	files := map[string]string{}
	for i := range 50 {
		var b strings.Builder
		b.WriteString("start end whatever\n")
		for j := range 200 {
			at := 1_000_000 + 7200*i + 1800*j
			fmt.Fprintf(&b, "%d %d x\n", at, at+59)
		}
		files[fmt.Sprintf("%03d.log", i)] = b.String()
	}
	_, stalled := inBubble(t, files, Config{Parallel: 2, Lateness: time.Hour})
	if stalled != 0 {
		t.Errorf("stood still for %v", stalled)
	}
}

// Where the last line of a chunk hides how far the chunk went, only the stall
// brings the next file.
func TestDisorderedFilesDoNotStop(t *testing.T) {
	files := map[string]string{}
	for i := range 6 {
		files[fmt.Sprintf("%d.log", i)] = fmt.Sprintf("%[1]d %[1]d first\n%[2]d %[2]d far ahead\n%[1]d %[1]d last\n",
			1_000_000+20_000*i, 1_000_000+20_000*i+500_000)
	}
	big := strings.Repeat("1000000 1000000 again and again, to fill more than one chunk of the file\n", 100)
	files["0.log"] += big
	files["1.log"] += strings.ReplaceAll(big, "1000000", "1020000")
	_, stalled := inBubble(t, files, Config{Parallel: 2, Lateness: time.Hour})
	if stalled == 0 {
		t.Error("the case does not need the stall: it tests nothing")
	}
}

func TestAnyFilesAreReadToTheirEnd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		files := map[string]string{}
		for i := range rapid.IntRange(1, 12).Draw(rt, "files") {
			var b strings.Builder
			at := rng.IntN(200_000)
			for range rng.IntN(60) {
				at += rng.IntN(40_000) - 15_000
				if rng.IntN(10) == 0 {
					b.WriteString("nonsense\n")
				}
				fmt.Fprintf(&b, "%d %d %s\n", at, at+rng.IntN(100), strings.Repeat("x", rng.IntN(300)))
			}
			files[fmt.Sprintf("%d.log", i)] = b.String()
		}
		parallel := rapid.IntRange(1, 4).Draw(rt, "parallel")
		h, _ := inBubble(t, maps.Clone(files), Config{Parallel: parallel, Lateness: time.Hour})
		if len(h.watermarks) > 0 {
			rt.Fatalf("not ended: %v", h.watermarks)
		}
	})
}
