package file

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// chunks cuts content and returns the chunks and the offsets after them.
func chunks(r io.Reader, size int) (got []string, offsets []int64, err error) {
	c := &chunker{r: r}
	for {
		chunk, err := c.next(size)
		if err != nil {
			return got, offsets, err
		}
		got = append(got, string(chunk))
		offsets = append(offsets, c.off)
	}
}

func TestChunks(t *testing.T) {
	f := func(name, content string, size int, want ...string) {
		t.Helper()
		got, offsets, err := chunks(iotest.OneByteReader(strings.NewReader(content)), size)
		if err != io.EOF {
			t.Errorf("%s: ended with %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		end := int64(0)
		for i, c := range got {
			end += int64(len(c))
			if offsets[i] != end {
				t.Errorf("%s: offset %d after chunk %d, want %d", name, offsets[i], i, end)
			}
		}
	}
	f("empty", "", 8)
	f("lines", "one\ntwo\nthree\n", 8, "one\ntwo\n", "three\n")
	f("a line longer than a chunk", "a\n0123456789\nb\n", 4, "a\n", "0123456789\n", "b\n")
	f("last line without its end", "one\ntwo", 4, "one\n", "two")
	f("CRLF", "one\r\ntwo\r\n", 4, "one\r\n", "two\r\n")
	f("one value a line", "{\"a\":\"}\"}\n{\"b\":[1,2]}\n", 8, "{\"a\":\"}\"}", "\n", "{\"b\":[1,2]}", "\n")
	f("a damaged line loses itself only", "{\"a\":1}\n{\"b\":\"\n{\"c\":3}\n", 9, "{\"a\":1}\n", "{\"b\":\"\n", "{\"c\":3}\n")
	f("values over many lines", "{\n \"a\": \"x\\\"}\"\n}\n{\n}\n", 4, "{\n \"a\": \"x\\\"}\"\n}", "\n{\n}", "\n")
	f("values with nothing between", "{\"a\":1}{\"b\":2}{\"c\":3}", 14, "{\"a\":1}{\"b\":2}", "{\"c\":3}")
	f("an array is one value", "[\n{\"a\":1},\n{\"b\":2}\n]", 4, "[\n{\"a\":1},\n{\"b\":2}\n]")
	f("byte order mark", "\xef\xbb\xbf{\"a\":1}\n", 8, "\xef\xbb\xbf{\"a\":1}", "\n")
	f("white space alone", " \n", 4, " \n")
}

func TestOverlongLineIsCut(t *testing.T) {
	for _, length := range []int{2*MaxLine + 3, 5 * MaxLine} {
		for _, end := range []string{"\nafter\n", "\n", ""} {
			content := "before\n" + strings.Repeat("x", length) + end
			got, offsets, err := chunks(strings.NewReader(content), 1<<10)
			if err != io.EOF {
				t.Fatal(err)
			}
			if got[0] != "before\n" {
				t.Errorf("first chunk has %d bytes", len(got[0]))
			}
			if len(got[1]) != MaxLine+1 {
				t.Errorf("a line of %d bytes was passed as %d", length, len(got[1]))
			}
			if want := int64(7 + length + min(1, len(end))); offsets[1] != want {
				t.Errorf("offset after the long line is %d, want %d", offsets[1], want)
			}
			if rest := strings.Join(got[2:], ""); rest != strings.TrimPrefix(end, "\n") {
				t.Errorf("after the long line came %q", rest)
			}
		}
	}
}

func TestDamageKeepsWholeLines(t *testing.T) {
	broken := errors.New("broken")
	r := io.MultiReader(strings.NewReader("one\ntwo\nthr"), iotest.ErrReader(broken))
	got, _, err := chunks(r, 4)
	if diff := cmp.Diff([]string{"one\ntwo\n"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "incomplete last line of 3 bytes") {
		t.Errorf("got error %v", err)
	}
}

func TestHugeValueIsRefused(t *testing.T) {
	endless := io.MultiReader(strings.NewReader(`{"a":"`), repeat('x'))
	c := &chunker{r: endless, limit: 2 << 20}
	if _, err := c.next(1 << 10); err == nil || !strings.Contains(err.Error(), "larger than 2 MiB at byte 0") {
		t.Errorf("got error %v", err)
	}
}

type repeat byte

func (b repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

// Whatever the sizes of chunks and reads, the content comes out as it went in,
// cut between lines or values only.
func TestChunksJoinToTheContent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		isJSON := rapid.Bool().Draw(t, "json")
		piece := rapid.StringMatching(`[a-z 0-9]{0,20}\r?\n`)
		if isJSON {
			piece = rapid.StringMatching(`\{"a":("[{}x\[\]]{0,9}"|\{\}|\[1,\n2\])\}\n?`)
		}
		content := strings.Join(rapid.SliceOf(piece).Draw(t, "pieces"), "")
		size := rapid.IntRange(1, 64).Draw(t, "size")
		var r io.Reader = strings.NewReader(content)
		if rapid.Bool().Draw(t, "short reads") {
			r = iotest.HalfReader(r)
		}
		got, _, err := chunks(r, size)
		if err != io.EOF {
			t.Fatalf("ended with %v", err)
		}
		if joined := strings.Join(got, ""); joined != content {
			t.Fatalf("got %q, want %q", joined, content)
		}
		for _, c := range got[:max(0, len(got)-1)] {
			if !isJSON && !strings.HasSuffix(c, "\n") {
				t.Fatalf("chunk %q ends inside a line", c)
			}
		}
	})
}

func FuzzChunks(f *testing.F) {
	f.Add([]byte("a\nb\n"), uint8(3))
	f.Add([]byte("{\"a\":1}\n{\"b\""), uint8(3))
	f.Add([]byte("[[\"\\\"\n{}"), uint8(1))
	f.Add([]byte("\xef\xbb\xbf \n\n{"), uint8(9))
	hostiletest.Seeds(f, "vpc/*", func(seed []byte) { f.Add(seed, uint8(200)) })
	hostiletest.Seeds(f, "envelopes/*", func(seed []byte) { f.Add(seed, uint8(200)) })
	f.Fuzz(func(t *testing.T, content []byte, size uint8) {
		defer hostiletest.Bound(t)()
		got, _, err := chunks(strings.NewReader(string(content)), int(size)+1)
		if err != io.EOF {
			t.Fatalf("ended with %v", err)
		}
		if strings.Join(got, "") != string(content) {
			t.Fatalf("content changed: %q", got)
		}
	})
}

func TestNextAllocatesNothing(t *testing.T) {
	line := fmt.Sprintf("%s\n", strings.Repeat("x", 99))
	c := &chunker{r: io.LimitReader(&cycle{line: line}, 1<<40)}
	if _, err := c.next(maxChunk); err != nil {
		t.Fatal(err)
	}
	got := testing.AllocsPerRun(50, func() {
		if _, err := c.next(maxChunk); err != nil {
			t.Fatal(err)
		}
	})
	if got != 0 {
		t.Errorf("%v allocations a chunk", got)
	}
}

type cycle struct {
	line string
	at   int
}

func (c *cycle) Read(p []byte) (int, error) {
	for n := 0; n < len(p); {
		k := copy(p[n:], c.line[c.at:])
		c.at = (c.at + k) % len(c.line)
		n += k
	}
	return len(p), nil
}
