package file

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/source/sourcetest"
)

func TestFollowContract(t *testing.T) {
	sourcetest.Run(t, sourcetest.Harness{Open: func(t *testing.T) sourcetest.Input {
		dir := t.TempDir()
		name := func(lane int) string { return filepath.Join(dir, fmt.Sprintf("lane-%d.log", lane)) }
		return sourcetest.Input{
			Lanes: 2,
			Source: func(t *testing.T) pipeline.Source {
				s, err := Open(Config{Paths: []string{filepath.Join(dir, "*.log")}, Follow: true})
				if err != nil {
					t.Fatal(err)
				}
				s.poll, s.settled, s.chunk = time.Millisecond, 20*time.Millisecond, 1<<10
				return s
			},
			Put: func(t *testing.T, lane int, payloads ...[]byte) {
				for _, p := range payloads { // long lines, so that each is a payload
					appendTo(t, name(lane), string(p)+" "+strings.Repeat("x", 8<<10)+"\n")
				}
			},
			Unwrap: func(delivered []byte) (payloads [][]byte) {
				for line := range bytes.Lines(delivered) {
					payloads = append(payloads, bytes.Fields(line)[0])
				}
				return payloads
			},
		}
	}})
}

type failer interface {
	Helper()
	Fatal(args ...any)
}

func appendTo(t failer, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func move(t failer, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func write(t failer, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func contentOf(t failer, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// watcher follows files in a bubble, in which waiting takes no time.
type watcher struct {
	t    *testing.T
	cfg  Config
	host *sourcetest.Host
	stop func()
}

type interruptible struct {
	pipeline.Source
	ctx context.Context
}

func (s interruptible) Run(_ context.Context, host pipeline.Host) error {
	return s.Source.Run(s.ctx, host)
}

func watch(t *testing.T, paths ...string) *watcher {
	w := &watcher{t: t, cfg: Config{Paths: paths, Follow: true, Probe: probeStart}, host: sourcetest.NewHost(t, time.Now)}
	w.start()
	return w
}

func (w *watcher) start() {
	s, err := Open(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.host.Run(interruptible{s, ctx}, nil) }()
	w.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}
	w.pass(0)
}

// pass lets time go by.
func (w *watcher) pass(d time.Duration) {
	time.Sleep(d) // the bubble's time
	synctest.Wait()
}

func (w *watcher) polls() { w.pass(3*poll + time.Millisecond) }

func (w *watcher) restart() { w.stop(); w.start() }

// lines are what was delivered so far, sorted.
func (w *watcher) lines() []string {
	var all []string
	for _, d := range w.host.Deliveries() {
		all = append(all, strings.Split(strings.TrimRight(string(d.Data), "\n"), "\n")...)
	}
	slices.Sort(all)
	return all
}

func (w *watcher) want(what string, texts ...string) {
	w.t.Helper()
	var want []string
	for _, text := range texts {
		want = append(want, strings.Split(strings.TrimRight(text, "\n"), "\n")...)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, w.lines()); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// What happens to a followed file, step by step; between any two of them the
// process goes on, or was restarted, or was not running during the second.
func TestFollow(t *testing.T) {
	a, b, c := lines(1000, 200), lines(50_000, 200), lines(90_000, 200)
	small := "20000 20059 a small one\n"
	cases := map[string]struct {
		paths []string // of the folder; "log" by default
		steps []func(t failer, dir string)
		want  []string
	}{
		"a file that grows": {
			steps: []func(t failer, dir string){
				func(t failer, dir string) { write(t, dir+"/log", a) },
				func(t failer, dir string) { appendTo(t, dir+"/log", b) },
				func(t failer, dir string) { appendTo(t, dir+"/log", c) },
			},
			want: []string{a, b, c},
		},
		"a line in two halves": {
			steps: []func(t failer, dir string){
				func(t failer, dir string) { write(t, dir+"/log", a[:len(a)-10]) },
				func(t failer, dir string) { appendTo(t, dir+"/log", a[len(a)-10:]+b[:7]) },
				func(t failer, dir string) { appendTo(t, dir+"/log", b[7:]) },
			},
			want: []string{a, b},
		},
		"a path to which something comes later": {
			steps: []func(t failer, dir string){
				func(failer, string) {},
				func(t failer, dir string) { write(t, dir+"/log", small) },
			},
			want: []string{small},
		},
		"renamed, and a new one": {
			steps: []func(t failer, dir string){
				func(t failer, dir string) { write(t, dir+"/log", a) },
				func(t failer, dir string) {
					appendTo(t, dir+"/log", b)
					move(t, dir+"/log", dir+"/log.1")
					appendTo(t, dir+"/log.1", small) // by a writer that has not noticed yet
				},
				func(t failer, dir string) { write(t, dir+"/log", c) },
			},
			want: []string{a, b, small, c},
		},
		"renamed before its last line had an end": {
			steps: []func(t failer, dir string){
				func(t failer, dir string) { write(t, dir+"/log", strings.TrimSpace(a)) },
				func(t failer, dir string) { move(t, dir+"/log", dir+"/log.1"); write(t, dir+"/log", b) },
			},
			want: []string{a, b},
		},
		"copied and truncated": {
			steps: []func(t failer, dir string){
				func(t failer, dir string) { write(t, dir+"/log", a) },
				func(t failer, dir string) {
					appendTo(t, dir+"/log", b)
					write(t, dir+"/log.1", contentOf(t, dir+"/log"))
					write(t, dir+"/log", "") // the same inode
				},
				func(t failer, dir string) { appendTo(t, dir+"/log", c) },
			},
			want: []string{a, b, c},
		},
		"copied, truncated and longer than before at once": {
			steps: []func(t failer, dir string){
				func(t failer, dir string) { write(t, dir+"/log", a) },
				func(t failer, dir string) {
					write(t, dir+"/log.1", contentOf(t, dir+"/log"))
					write(t, dir+"/log", b+c)
				},
			},
			want: []string{a, b, c},
		},
		"truncated": {
			steps: []func(t failer, dir string){
				func(t failer, dir string) { write(t, dir+"/log", a) },
				func(t failer, dir string) { write(t, dir+"/log", "") },
				func(t failer, dir string) { write(t, dir+"/log", small) },
			},
			want: []string{a, small},
		},
		"the old one is compressed beside it": {
			paths: []string{"log*"},
			steps: []func(t failer, dir string){
				func(t failer, dir string) { write(t, dir+"/log", a) },
				func(t failer, dir string) { move(t, dir+"/log", dir+"/log.1"); write(t, dir+"/log", b) },
				func(t failer, dir string) {
					whole := gz(t, a)
					write(t, dir+"/log.1.gz", whole[:len(whole)/2])
				},
				func(t failer, dir string) { write(t, dir+"/log.1.gz", gz(t, a)) },
				func(t failer, dir string) {
					if err := os.Remove(dir + "/log.1"); err != nil {
						t.Fatal(err)
					}
				},
			},
			want: []string{a, b},
		},
		"compressed at once, with lines nobody had read": {
			steps: []func(t failer, dir string){
				func(t failer, dir string) { write(t, dir+"/log", a) },
				func(t failer, dir string) {
					write(t, dir+"/log-20261124.gz", gz(t, a+b))
					write(t, dir+"/log", "")
				},
				func(t failer, dir string) { appendTo(t, dir+"/log", c) },
			},
			want: []string{a, b, c},
		},
		"a compressed file that is copied here slowly": {
			paths: []string{"*.gz"},
			steps: []func(t failer, dir string){
				func(t failer, dir string) { write(t, dir+"/a.gz", gz(t, a+b)[:100]) },
				func(t failer, dir string) { whole := gz(t, a+b); write(t, dir+"/a.gz", whole[:len(whole)*3/4]) },
				func(t failer, dir string) { write(t, dir+"/a.gz", gz(t, a+b)) },
			},
			want: []string{a, b},
		},
		"new files": {
			paths: []string{"*.log", "*.gz"},
			steps: []func(t failer, dir string){
				func(t failer, dir string) { write(t, dir+"/a.log", a) },
				func(t failer, dir string) { write(t, dir+"/b.log.gz", gz(t, b)) },
				func(t failer, dir string) { write(t, dir+"/c.log", small) },
			},
			want: []string{a, b, small},
		},
		"gone and back": {
			paths: []string{"*.log"},
			steps: []func(t failer, dir string){
				func(t failer, dir string) { write(t, dir+"/a.log", a); write(t, dir+"/b.log", b) },
				func(t failer, dir string) { move(t, dir+"/a.log", dir+"/elsewhere") },
				func(t failer, dir string) {
					appendTo(t, dir+"/elsewhere", small)
					move(t, dir+"/elsewhere", dir+"/a.log")
				},
			},
			want: []string{a, b, small},
		},
		"two rotations at once": {
			steps: []func(t failer, dir string){
				func(t failer, dir string) { write(t, dir+"/log.1", "before anybody looked\n"); write(t, dir+"/log", a) },
				func(t failer, dir string) {
					appendTo(t, dir+"/log", small)
					later(t, dir+"/log.2", gz(t, contentOf(t, dir+"/log")), 1)
					later(t, dir+"/log.1", b, 2)
					if err := os.Remove(dir + "/log"); err != nil {
						t.Fatal(err)
					}
					later(t, dir+"/log", c, 3)
				},
			},
			want: []string{a, small, b, c},
		},
		"two rotations at once, compressed later than the new one was written": {
			steps: []func(t failer, dir string){
				func(t failer, dir string) { write(t, dir+"/log", a) },
				func(t failer, dir string) {
					move(t, dir+"/log", dir+"/log.1")
					later(t, dir+"/log", c, 1)
					later(t, dir+"/log.2.gz", gz(t, b), 2)
				},
			},
			want: []string{a, b, c},
		},
		"JSON": {
			steps: []func(t failer, dir string){
				func(t failer, dir string) { write(t, dir+"/log", `{"message":"1000 1059 a"}`+"\n"+`{"mess`) },
				func(t failer, dir string) { appendTo(t, dir+"/log", `age":"1060 1119 b"}`+"\n") },
				func(t failer, dir string) { appendTo(t, dir+"/log", `{"message":"1120 1179 c"}`+"\n") },
			},
			want: []string{`{"message":"1000 1059 a"}`, `{"message":"1060 1119 b"}`, `{"message":"1120 1179 c"}`},
		},
	}
	for name, c := range cases {
		for how, between := range map[string]func(w *watcher, step func()){
			"running":     func(w *watcher, step func()) { step(); w.polls() },
			"restarted":   func(w *watcher, step func()) { step(); w.polls(); w.restart() },
			"not running": func(w *watcher, step func()) { w.stop(); step(); w.start(); w.polls() },
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					dir := t.TempDir()
					var paths []string
					for _, p := range append(c.paths, "log")[:max(1, len(c.paths))] {
						paths = append(paths, filepath.Join(dir, p))
					}
					w := watch(t, paths...)
					for _, step := range c.steps {
						between(w, func() { step(t, dir) })
					}
					w.pass(settled + damaged)
					w.stop()
					w.want(name, c.want...)
				})
			})
		}
	}
}

func gz(t failer, text string) string {
	t.Helper()
	tb, ok := t.(testing.TB)
	if !ok {
		t.Fatal("no testing.TB")
	}
	return gzipOf(tb, text)
}

// later writes a file as of some seconds after now.
func later(t failer, path, text string, seconds int) {
	t.Helper()
	write(t, path, text)
	at := time.Now().Add(time.Hour * 24 * 365 * 100).Add(time.Duration(seconds) * time.Second) // the bubble's time is long past
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// A file is empty after a quarter of an hour, at its end after an hour unless
// it is the last one, and when it grows again that counts, under its header.
func TestFollowedFileThatIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		header := "version account-id srcaddr start end\n"
		write(t, dir+"/a.log", header+"2 1 10.0.0.1 1000 1059\n")
		idle := 0
		w := &watcher{t: t, cfg: Config{Paths: []string{dir}, Follow: true}, host: sourcetest.NewHost(t, time.Now)}
		s, err := Open(w.cfg)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := w.host.Run(s, func(p *sourcetest.Progress) bool {
			if p.Idle {
				idle++
			}
			return p.Idle
		}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < quiet || took > quiet+2*poll {
			t.Errorf("idle after %v, want %v", took, quiet)
		}
		w.start()
		w.pass(2 * closed)
		if ended(w.host) != 0 {
			t.Error("the last file ended")
		}
		write(t, dir+"/b.log", "2 1 10.0.0.2 5000 5059\n")
		w.pass(2 * closed)
		if got := ended(w.host); got != 1 {
			t.Errorf("%d partitions have ended, want 1 of the 2", got)
		}
		appendTo(t, dir+"/a.log", "2 1 10.0.0.3 9000 9059\n")
		w.polls()
		w.stop()
		w.want("a file that grew after an hour", header, "2 1 10.0.0.1 1000 1059\n", "2 1 10.0.0.2 5000 5059\n", header, "2 1 10.0.0.3 9000 9059\n")
	})
}

func ended(h *sourcetest.Host) (n int) {
	for _, was := range h.Resumed() {
		if was.Ended {
			n++
		}
	}
	return n
}

// A partition that was read to its end without being followed is known.
func TestFollowWhatWasReadBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a, b := lines(1000, 200), lines(50_000, 200)
		write(t, dir+"/a.log", a)
		write(t, dir+"/z.gz", gz(t, b))
		w := &watcher{t: t, cfg: Config{Paths: []string{dir}}, host: sourcetest.NewHost(t, time.Now)}
		w.start()
		w.stop()
		w.want("read once", a, b)
		w.cfg.Follow = true
		appendTo(t, dir+"/a.log", "70000 70059 more\n")
		w.start()
		w.polls()
		w.stop()
		w.want("followed", a, b, "70000 70059 more\n")
	})
}

// Whatever happens to a log and whenever the process stops: each line counts once.
func TestFollowLosesAndRepeatsNothing(t *testing.T) {
	steps := slices.Repeat([]string{
		"append", "append", "append", "half a line", "rename", "copy and truncate", "compress",
		"wait", "wait", "wait a minute", "restart", "stop", "start",
	}, 4)
	steps = append(steps, "wait an hour") // thousands of polls
	step := rapid.Custom(func(t *rapid.T) logStep {
		return logStep{rapid.SampledFrom(steps).Draw(t, "step"), rapid.SliceOfN(rapid.IntRange(0, 3000), 1, 4).Draw(t, "lengths")}
	})
	rapid.Check(t, func(rt *rapid.T) {
		paths := rapid.SampledFrom([]string{"log", "log*", "."}).Draw(rt, "paths")
		script := rapid.SliceOfN(step, 1, 25).Draw(rt, "steps")
		var l *rotatedLog
		var got []string
		synctest.Test(t, func(t *testing.T) {
			l = &rotatedLog{t: t, dir: t.TempDir()}
			l.watcher = watch(t, filepath.Join(l.dir, paths))
			l.play(logStep{"append", []int{10}}) // so that the path is known
			l.polls()
			for _, s := range script {
				l.play(s)
			}
			l.play(logStep{"start", nil})
			if l.half != "" {
				appendTo(t, l.path(0), l.half)
			}
			l.pass(2 * damaged)
			l.stop()
			got = l.lines()
		})
		slices.Sort(l.want)
		if diff := cmp.Diff(l.want, got); diff != "" {
			rt.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// rotatedLog is a log that somebody writes and rotates while it is followed.
type rotatedLog struct {
	*watcher
	t       *testing.T
	dir     string
	n, old  int // lines, rotations
	want    []string
	half    string // what the last line still lacks
	stopped bool
	stamps  int
}

type logStep struct {
	what    string
	lengths []int // of lines
}

// path is the log's, or that of a former one.
func (l *rotatedLog) path(old int) string {
	if old == 0 {
		return l.dir + "/log"
	}
	return fmt.Sprintf("%s/log.%d", l.dir, old)
}

func (l *rotatedLog) line(length int) string {
	l.n++
	line := fmt.Sprintf("%d %d line %d %s", 1000+60*l.n, 1059+60*l.n, l.n, strings.Repeat("x", length))
	l.want = append(l.want, line)
	return line + "\n"
}

func (l *rotatedLog) play(s logStep) {
	st, err := os.Stat(l.path(0))
	rotatable := err == nil && st.Size() > 0 && l.half == ""
	switch s.what {
	case "append":
		text := l.half
		l.half = ""
		for _, n := range s.lengths {
			text += l.line(n)
		}
		appendTo(l.t, l.path(0), text)
	case "half a line":
		if l.half == "" {
			line := l.line(s.lengths[0])
			appendTo(l.t, l.path(0), line[:5])
			l.half = line[5:]
		}
	case "rename":
		if rotatable {
			l.old++
			move(l.t, l.path(0), l.path(l.old))
		}
	case "copy and truncate":
		if rotatable {
			l.old++
			write(l.t, l.path(l.old), contentOf(l.t, l.path(0)))
			write(l.t, l.path(0), "")
		}
	case "compress":
		if text, err := os.ReadFile(l.path(l.old)); err == nil && l.old > 0 {
			write(l.t, l.path(l.old)+".gz", gz(l.t, string(text)))
			if err := os.Remove(l.path(l.old)); err != nil {
				l.t.Fatal(err)
			}
		}
	case "wait":
		l.pass(time.Duration(s.lengths[0]) * 3 * time.Millisecond)
	case "wait a minute":
		l.pass(time.Minute)
	case "wait an hour":
		if l.half == "" { // after an hour what there is of a line counts as one
			l.pass(closed + time.Minute)
		}
	case "restart":
		if !l.stopped {
			l.restart()
		}
	case "stop":
		if !l.stopped {
			l.stop()
			l.stopped = true
		}
	case "start":
		if l.stopped {
			l.start()
			l.stopped = false
		}
	}
	l.stamp()
}

// stamp gives files that changed in the last step the bubble's time, which the
// system does not know.
func (l *rotatedLog) stamp() {
	l.stamps++
	now := time.Now().Add(time.Duration(l.stamps))
	files, err := os.ReadDir(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, f := range files {
		st, err := f.Info()
		if err != nil {
			l.t.Fatal(err)
		}
		if st.ModTime().Year() > 2010 {
			if err := os.Chtimes(filepath.Join(l.dir, f.Name()), now, now); err != nil {
				l.t.Fatal(err)
			}
		}
	}
}
