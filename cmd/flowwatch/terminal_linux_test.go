package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// terminal is a pseudo-terminal: what programs write to Screen can be read as
// they wrote it.
type terminal struct {
	Screen *os.File
	mu     sync.Mutex
	text   bytes.Buffer
	wrote  chan struct{} // holds a token when there is more
	read   sync.WaitGroup
	keys   *os.File
}

func newTerminal(t *testing.T, columns uint16) *terminal {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	screen, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	if err := unix.IoctlSetWinsize(int(screen.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: columns}); err != nil {
		t.Fatal(err)
	}
	x := &terminal{Screen: screen, keys: keys, wrote: make(chan struct{}, 1)}
	x.read.Go(func() {
		part := make([]byte, 4096)
		for {
			n, err := keys.Read(part)
			x.mu.Lock()
			x.text.Write(part[:n])
			x.mu.Unlock()
			select {
			case x.wrote <- struct{}{}:
			default:
			}
			if err != nil { // the screen was closed
				return
			}
		}
	})
	t.Cleanup(func() { x.close() })
	return x
}

// close ends the terminal and returns all that was written to it.
func (x *terminal) close() string {
	x.Screen.Close()
	x.read.Wait()
	x.keys.Close()
	return strings.ReplaceAll(x.text.String(), "\r\n", "\n")
}

// await returns once what was written matches.
func (x *terminal) await(t *testing.T, want *regexp.Regexp) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		x.mu.Lock()
		text := x.text.String()
		x.mu.Unlock()
		if want.MatchString(text) {
			return
		}
		select {
		case <-x.wrote:
		case <-deadline:
			t.Fatalf("%s does not come: %q", want, text)
		}
	}
}

// While files are read a terminal shows how much of them, how fast, and how long
// it will take.
func TestProgressShowsSpeedAndTimeLeft(t *testing.T) {
	x := newTerminal(t, 80)
	w := newWorld(nil)
	w.Stderr = x.Screen
	var done atomic.Int64
	stop := showProgress(&w.env, func() (int64, int64) { return done.Add(1 << 20), 100 << 20 })
	x.await(t, regexp.MustCompile(`reading +\d+% .*\(\d+(\.\d+)?/10\d MB, \d+(\.\d+)? [kM]?B/s\) \[\d+s:[1-9]\d*s\]`))
	stop()
	for line := range strings.SplitSeq(x.close(), "\r") {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
}

// A result on a terminal is coloured and as wide as that; NO_COLOR leaves the
// colours out and nothing else.
func TestNoColorOnATerminal(t *testing.T) {
	path, _ := simulated(t, simulate.V5, 90)
	escape := regexp.MustCompile(`\x1b\[[0-9;]*m`)
	shown := func(columns uint16, variables map[string]string) string {
		t.Helper()
		x := newTerminal(t, columns)
		w := newWorld(variables)
		w.Stdout = x.Screen
		if code := execute(t.Context(), &w.env, []string{"analyze", path}); code != exitOK {
			t.Fatalf("exit code %d: %s", code, w.stderr.String())
		}
		return x.close()
	}
	coloured, plain := shown(80, nil), shown(80, map[string]string{"NO_COLOR": "1"})
	if !escape.MatchString(coloured) {
		t.Error("no colours on a terminal")
	}
	if strings.Contains(plain, "\x1b") {
		t.Errorf("escapes in spite of NO_COLOR: %q", plain)
	}
	if got := escape.ReplaceAllString(coloured, ""); got != plain {
		t.Errorf("without its colours it says\n%s\nand with NO_COLOR\n%s", got, plain)
	}
	for _, columns := range []uint16{80, 60} {
		for line := range strings.SplitSeq(shown(columns, map[string]string{"NO_COLOR": "1"}), "\n") {
			if n := len([]rune(line)); n > int(columns) {
				t.Errorf("a line of %d columns on %d: %s", n, columns, line)
			}
		}
	}
}
