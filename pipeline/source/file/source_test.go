package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/source/sourcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func gzipOf(t testing.TB, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstdOf(t testing.TB, content string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return string(w.EncodeAll([]byte(content), nil))
}

// lines makes n lines of 60 s each, from start on.
func lines(start, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d %d line %d of this file\n", start+60*i, start+60*i+59, i)
	}
	return b.String()
}

func TestContentIsToldByMagic(t *testing.T) {
	text := lines(1000, 12_000) // several chunks
	f := func(name, content string) {
		t.Helper()
		dir := folder(t, map[string]string{"f": content})
		s, h := readAll(t, Config{Paths: []string{dir}, Probe: probeStart})
		if got := string(h.text["file/"+filepath.Join(dir, "f")]); got != text {
			t.Errorf("%s: got %d bytes, want %d", name, len(got), len(text))
		}
		if problems := s.Problems(); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
		if done, total := s.Progress(); done != total || total != int64(len(content)) {
			t.Errorf("%s: progress %d of %d, want %d", name, done, total, len(content))
		}
	}
	f("plain", text)
	f("gzip", gzipOf(t, text))
	f("gzip of two members", gzipOf(t, text[:100_000])+gzipOf(t, text[100_000:]))
	f("gzip in gzip", gzipOf(t, gzipOf(t, text[:100_000])+gzipOf(t, text[100_000:])))
	f("zstd", zstdOf(t, text))
	f("zstd of two frames", zstdOf(t, text[:100_000])+zstdOf(t, text[100_000:]))
}

func TestRegisterWithProbedWatermarks(t *testing.T) {
	dir := folder(t, map[string]string{
		"late.log":    "start end\n" + lines(50_000, 10),
		"early.log":   lines(10_000, 10),
		"nothing.log": "",
	})
	_, h := readAll(t, Config{Name: "file:x", Paths: []string{dir}, Lateness: time.Hour, Probe: probeStart})
	want := []pipeline.Start{
		{ID: "file:x/" + filepath.Join(dir, "nothing.log"), At: "off:0", Pull: true},
		{ID: "file:x/" + filepath.Join(dir, "early.log"), At: "off:0", Pull: true, Watermark: time.Unix(6_400, 0)},
		{ID: "file:x/" + filepath.Join(dir, "late.log"), At: "off:0", Pull: true, Watermark: time.Unix(46_400, 0)},
	}
	if diff := cmp.Diff(want, h.starts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDamagedFilesAreReported(t *testing.T) {
	text := lines(1000, 12_000)
	whole := gzipOf(t, text)
	flipped := []byte(gzipOf(t, text))
	flipped[len(flipped)/2] ^= 0xff
	dir := folder(t, map[string]string{
		"cut.gz":       whole[:len(whole)/2],
		"flipped.gz":   string(flipped),
		"cut.zst":      zstdOf(t, text)[:5000],
		"header.gz":    "\x1f\x8bnonsense",
		"data.parquet": "PAR1....",
		"good.log":     text,
		"trailing.gz":  whole + "garbage",
	})
	s, h := readAll(t, Config{Paths: []string{dir}, Probe: probeStart})
	wants := map[string]string{
		"cut.gz":       "gzip: the file is cut short",
		"flipped.gz":   "gzip: ",
		"cut.zst":      "zstd: ",
		"header.gz":    "gzip: ",
		"data.parquet": "parquet: a file of 8 bytes is too short",
		"trailing.gz":  "gzip: ",
	}
	problems := s.Problems()
	if len(problems) != len(wants) {
		t.Errorf("got %d problems: %v", len(problems), problems)
	}
	for _, p := range problems {
		name := filepath.Base(p.Path)
		if want := wants[name]; want == "" || !strings.Contains(p.Err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, p.Err, want)
		}
		got := string(h.text["file/"+p.Path])
		// A flipped bit may only show in the checksum at the end.
		if int64(len(got)) != p.Offset || name != "flipped.gz" && !strings.HasPrefix(text, got) {
			t.Errorf("%s: got %d bytes, offset %d, or other text", name, len(got), p.Offset)
		}
		if got != "" && !strings.HasSuffix(got, "\n") {
			t.Errorf("%s: ends inside a line", name)
		}
	}
	if got := string(h.text["file/"+filepath.Join(dir, "cut.gz")]); len(got) < len(text)/4 {
		t.Errorf("of a file cut in half only %d of %d bytes came", len(got), len(text))
	}
	for _, name := range []string{"good.log", "trailing.gz"} {
		if got := string(h.text["file/"+filepath.Join(dir, name)]); got != text {
			t.Errorf("%s: got %d bytes of %d", name, len(got), len(text))
		}
	}
	if done, total := s.Progress(); done != total {
		t.Errorf("progress %d of %d", done, total)
	}
}

// Resuming after any payload gives exactly what came after it.
func TestResume(t *testing.T) {
	text := lines(1000, 5_000)
	var values strings.Builder
	for i := range 5_000 {
		fmt.Fprintf(&values, "{\n\"message\": \"%d %d x\"}", 1000+60*i, 1059+60*i)
	}
	for name, content := range map[string]string{
		"plain": text, "gzip": gzipOf(t, text), "zstd": zstdOf(t, text),
		"values": values.String(), "values.gz": gzipOf(t, values.String()),
	} {
		want := text
		if strings.HasPrefix(name, "values") {
			want = values.String()
		}
		dir := folder(t, map[string]string{"f": content})
		id := "file/" + filepath.Join(dir, "f")
		cfg := Config{Paths: []string{dir}, Probe: probeStart}
		_, whole := readChunks(t, cfg, 32<<10)
		if len(whole.positions[id]) < 3 {
			t.Fatalf("%s: only %d payloads", name, len(whole.positions[id]))
		}
		for _, at := range whole.positions[id] {
			s, err := Open(cfg)
			if err != nil {
				t.Fatal(err)
			}
			s.chunk = 32 << 10
			h := newFakeHost(0)
			h.resumed[id] = pipeline.Resumed{Position: at}
			if err := s.Run(t.Context(), h); err != nil {
				t.Fatal(err)
			}
			offset, err := parsePosition(at)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(h.text[id]); got != want[offset:] {
				t.Errorf("%s: after %s came %d bytes, want %d", name, at, len(got), len(want)-int(offset))
			}
			if problems := s.Problems(); len(problems) > 0 {
				t.Errorf("%s: %v", name, problems)
			}
		}
	}
}

func TestResumeOddities(t *testing.T) {
	dir := folder(t, map[string]string{"ended.log": lines(0, 5), "short.log": lines(0, 5)})
	ended, short := "file/"+filepath.Join(dir, "ended.log"), "file/"+filepath.Join(dir, "short.log")
	s, err := Open(Config{Paths: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	h := newFakeHost(0)
	h.resumed[ended] = pipeline.Resumed{Position: "off:1", Ended: true}
	h.resumed[short] = pipeline.Resumed{Position: "off:100000"}
	h.resumed["file/gone.log"] = pipeline.Resumed{Position: "off:7"}
	h.resumed["file/gone-but-done.log"] = pipeline.Resumed{Position: "off:7", Ended: true}
	if err := s.Run(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if len(h.text) > 0 {
		t.Errorf("read %v", h.text)
	}
	if len(h.watermarks) > 0 {
		t.Errorf("partitions that never end: %v", h.watermarks)
	}
	problems := s.Problems()
	if len(problems) != 2 || problems[0].Path != filepath.Join(dir, "short.log") || !errors.Is(problems[1], errGone) {
		t.Errorf("problems: %v", problems)
	}
	if done, total := s.Progress(); done != total {
		t.Errorf("progress %d of %d", done, total)
	}

	h.resumed[short] = pipeline.Resumed{Position: "12"}
	if s, err = Open(Config{Paths: []string{dir}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), h); err == nil || !strings.Contains(err.Error(), `position "12"`) {
		t.Errorf("a foreign position gave %v", err)
	}
}

func TestStdinAndPipe(t *testing.T) {
	text := lines(1000, 12_000)
	for name, content := range map[string]string{"plain": text, "gzip": gzipOf(t, text)} {
		s, h := readAll(t, Config{Paths: []string{"-"}, Stdin: strings.NewReader(content), Probe: probeStart})
		if got := string(h.text["file/-"]); got != text {
			t.Errorf("%s: got %d bytes of %d", name, len(got), len(text))
		}
		if _, total := s.Progress(); total != 0 {
			t.Errorf("total %d for a pipe", total)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		defer w.Close()
		_, _ = io.WriteString(w, text)
	}()
	path := fmt.Sprintf("/dev/fd/%d", r.Fd())
	if _, err := os.Stat(path); err != nil {
		t.Skip("no /dev/fd here")
	}
	_, h := readAll(t, Config{Paths: []string{path}})
	if got := string(h.text["file/"+path]); got != text {
		t.Errorf("pipe: got %d bytes of %d", len(got), len(text))
	}
}

// A line that has come through a pipe is passed on while the writer pauses,
// and a run that waits for a pipe can be interrupted.
func TestPipeThatPauses(t *testing.T) {
	r, w := io.Pipe()
	s, err := Open(Config{Paths: []string{"-"}, Stdin: r})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	h := newFakeHost(0)
	h.onBatch = func(_ string, p pipeline.Payload) error {
		if string(p.Data) != "1 2 first\n" {
			t.Errorf("got %q", p.Data)
		}
		cancel()
		return nil
	}
	go func() { _, _ = io.WriteString(w, "1 2 first\n") }()
	if err := s.Run(ctx, h); err != nil {
		t.Errorf("interrupted run: %v", err)
	}
	w.Close()
}

// While the writer of a pipe is silent, what came before can be merged.
func TestSilentPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		defer w.Close()
		s, err := Open(Config{Paths: []string{"-"}, Stdin: r})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(w, "1 2 first\n3 4 sec") }()
		began := time.Now()
		err = sourcetest.NewHost(t, time.Now).Run(s, func(*sourcetest.Progress) bool { return time.Since(began) > time.Minute })
		if took := time.Since(began); err != nil || took > time.Minute+2*pipeWait {
			t.Errorf("stopped after %v: %v", took, err)
		}
	})
}

func TestErrorOfTheHostEndsTheRun(t *testing.T) {
	dir := folder(t, map[string]string{"a": lines(0, 10), "b": lines(0, 10), "c": lines(0, 10)})
	s, err := Open(Config{Paths: []string{dir}, Parallel: 2})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	h := newFakeHost(0)
	h.onBatch = func(string, pipeline.Payload) error { return broken }
	if err := s.Run(t.Context(), h); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkRead(b *testing.B) {
	text := lines(1000, 400_000)
	for name, content := range map[string]string{"plain": text, "gzip": gzipOf(b, text)} {
		b.Run(name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "f")
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				s, err := Open(Config{Paths: []string{path}})
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Run(b.Context(), discard{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// discard is a host that reads and forgets.
type discard struct{}

func (discard) Resume(string) map[string]pipeline.Resumed        { return nil }
func (discard) Register(context.Context, []pipeline.Start) error { return nil }
func (discard) Now() time.Time                                   { return time.Unix(0, 0) }

func (discard) Work(ctx context.Context, p pipeline.Partition) error {
	for {
		if _, err := p.Next(ctx); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}
