package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var faultsConfig = S3Config{Bucket: "state-bucket", Prefix: "flowwatch"}

// life is one process after the other on a bucket, against a model of what they
// were told.
type life struct {
	*rapid.T
	bucket *memoryBucket
	acked  map[string]string   // after the last Append that succeeded
	maybe  []map[string]string // after each that failed since
	left   int                 // objects that dead processes may have left
}

// Over all faults of the network and deaths of the process: what was
// acknowledged is there, whole; what failed is there whole or not at all, and
// not any more once a later commit succeeds; and what is left behind are the
// objects that a process was about to refer to when it died.
func TestS3Faults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(noDeadline{t}, func(t *rapid.T) {
			l := &life{T: t, bucket: newMemoryBucket(), acked: map[string]string{}}
			for range rapid.IntRange(1, 4).Draw(t, "processes") {
				l.process()
			}
			l.undisturbed()
		})
	})
}

// noDeadline hides the method that a test in a bubble may not call.
type noDeadline struct{ testing.TB }

// process opens the store, appends under faults, and dies or closes.
func (l *life) process() {
	faults := weather(rapid.IntRange(0, 20).Draw(l.T, "gusts in 100 requests"), rapid.Uint64().Draw(l.T, "seed"))
	w := &wire{memoryBucket: l.bucket, fault: faults}
	s, err := l.open(w)
	if err != nil {
		if errors.Is(err, ErrInUse) || errors.Is(err, ErrDamaged) {
			l.Fatalf("open: %v", err)
		}
		l.left += w.puts
		return // the network was too bad, or it died
	}
	s.size = smallSegment
	if !w.dead { // by what it deleted while it opened
		w.setFault(nil)
		l.settle(contents(l, s))
		w.setFault(faults)
	}
	for range rapid.IntRange(0, 12).Draw(l.T, "appends") {
		l.append(s)
	}
	if w.dead || rapid.Bool().Draw(l.T, "kill") {
		kill(s)
	} else if err := s.Close(); errors.Is(err, ErrInUse) {
		l.Fatalf("close: %v", err)
	}
	l.left += w.puts
}

// open opens the store. A write of a dead process that takes effect only now
// looks as if it lived; whoever was refused for that tries again.
func (l *life) open(w *wire) (*S3, error) {
	for {
		late := len(l.bucket.late) > 0
		s, err := openBucket(context.Background(), &faultsConfig, w, usualPace, nil)
		if !late || !errors.Is(err, ErrInUse) {
			return s, err
		}
	}
}

// weather is faults in gusts, which outlast the tries of one request. It is by
// a seed since requests are made by several goroutines.
func weather(rate int, seed uint64) func() wireFault {
	chance := rand.New(rand.NewPCG(seed, 0))
	gust := 0
	return func() wireFault {
		if gust--; gust < 0 && chance.IntN(100) < rate {
			gust = 1 + chance.IntN(12)
		}
		switch {
		case gust <= 0:
			return noFault
		case chance.IntN(30) == 0:
			return []wireFault{dieBefore, dieAfter}[chance.IntN(2)]
		}
		return []wireFault{slowDown, lostRequest, lostAnswer, lateRequest}[chance.IntN(4)]
	}
}

// kill ends a process without its store noticing.
func kill(s *S3) {
	s.stop()
	<-s.stopped
}

func (l *life) append(s *S3) {
	d, after := l.draw()
	switch err := s.Append(context.Background(), d); {
	case err == nil:
		l.acked, l.maybe = after, nil
	case errors.Is(err, ErrInUse), errors.Is(err, ErrDamaged):
		l.Fatalf("append: %v", err)
	default:
		l.maybe = append(l.maybe, after)
	}
}

// draw returns a delta and what it makes of the acknowledged state. Every key
// has a value of its own commit, so that a mixture would be seen.
func (l *life) draw() (*Delta, map[string]string) {
	after := maps.Clone(l.acked)
	d := &Delta{}
	if prefix := rapid.SampledFrom([]string{"", "a", "b/"}).Draw(l.T, "prefix"); prefix != "" {
		d.DeletePrefixes = [][]byte{[]byte(prefix)}
		maps.DeleteFunc(after, func(key, _ string) bool { return strings.HasPrefix(key, prefix) })
	}
	value := fmt.Sprint(rapid.Uint32().Draw(l.T, "value"))
	if rapid.IntRange(0, 4).Draw(l.T, "large") == 0 { // two or three make a base due, or a second segment
		value += strings.Repeat("x", smallSegment/2)
	}
	for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "a1", "a2", "b/1", "b/2", "c"}), 0, 4, rapid.ID).Draw(l.T, "keys") {
		d.Puts = append(d.Puts, Entry{Key: []byte(key), Value: []byte(value)})
		after[key] = value
	}
	return d, after
}

// undisturbed opens the store without faults and looks at what is there.
func (l *life) undisturbed() {
	w := &wire{memoryBucket: l.bucket}
	s, err := l.open(w)
	if err != nil {
		l.Fatalf("open without faults: %v", err)
	}
	defer kill(s)
	l.settle(contents(l, s))
	for range 2 { // the second names nothing unwanted any more
		if err := s.Append(context.Background(), &Delta{Puts: []Entry{{Key: []byte("z"), Value: []byte("last")}}}); err != nil {
			l.Fatalf("append without faults: %v", err)
		}
	}
	now, _ := s.current()
	kept := map[string]bool{s.prefix + pointerName: true}
	for _, one := range now.segments() {
		kept[s.prefix+one.Key] = true
	}
	for key := range kept {
		if _, there := l.bucket.objects[key]; !there {
			l.Fatalf("%s is missing", key)
		}
	}
	if extra, most := len(l.bucket.objects)-len(kept), l.left+l.bucket.revived; extra > most {
		l.Fatalf("%d objects are left behind, at most %d may be", extra, most)
	}
}

// settle holds what a new process finds against what the former ones were told.
func (l *life) settle(got map[string]string) {
	if !slices.ContainsFunc(append(l.maybe, l.acked), func(m map[string]string) bool { return maps.Equal(got, m) }) {
		l.Fatalf("the store has neither what was acknowledged nor what a failed Append would have made of it:\n%s", cmp.Diff(lengths(l.acked), lengths(got)))
	}
	l.acked, l.maybe = got, nil
}

// lengths keeps a difference readable.
func lengths(m map[string]string) map[string]string {
	short := map[string]string{}
	for key, value := range m {
		short[key] = fmt.Sprintf("%.12s (%d)", value, len(value))
	}
	return short
}

func contents(t interface{ Fatalf(string, ...any) }, s *S3) map[string]string {
	got := map[string]string{}
	if err := s.Load(context.Background(), func(key, value []byte) error {
		got[string(key)] = string(value)
		return nil
	}); err != nil {
		t.Fatalf("load: %v", err)
	}
	return got
}
