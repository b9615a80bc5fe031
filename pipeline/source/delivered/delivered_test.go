package delivered

import (
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/flowwatch/flowwatch/pipeline"
)

var (
	kind = Kind{Prefix: "test1:", Keep: 3 * time.Hour}
	noon = time.Unix(1_700_000_000, 0)
)

func memoryAt(t rapid.TB, p pipeline.Position) *Memory {
	t.Helper()
	m, err := kind.Memory(p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Whatever happens after it, a place is what the memory was when it was taken.
func TestPlacesStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, now := memoryAt(t, ""), noon
		known := map[uint64]int64{}
		type taken struct {
			at    pipeline.Place
			seq   uint64
			known map[uint64]int64
		}
		var all []taken
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "seconds")) * time.Second)
			id := rapid.Uint64Range(0, 5).Draw(t, "id")
			done := rapid.SampledFrom([]int64{Whole, 0, 1, 127, 128, 1 << 40}).Draw(t, "done")
			m.Set(id, now, done)
			known[id] = done
			all = append(all, taken{m.Place(), m.Seq(), maps.Clone(known)})
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				m = memoryAt(t, m.Place().Position())
			}
		}
		for _, a := range all {
			p := a.at.Position()
			then := memoryAt(t, p)
			if seq, err := kind.Seq(p); err != nil || seq != a.seq || then.Seq() != a.seq {
				t.Fatalf("number %d, %v, and %d after a restart; want %d", seq, err, then.Seq(), a.seq)
			}
			for id := range uint64(6) {
				want, known := a.known[id]
				if got, ok := then.Done(id); got != want || ok != known {
					t.Fatalf("delivery %d is at %d, %t; want %d, %t", id, got, ok, want, known)
				}
			}
		}
	})
}

func TestMemoryForgets(t *testing.T) {
	m := memoryAt(t, "")
	for id, at := range []time.Time{noon.Add(-kind.Keep - time.Second), noon.Add(-kind.Keep), noon} {
		m.Set(uint64(id), at, Whole)
	}
	if early := m.Forget(noon); early != 0 {
		t.Errorf("%d were forgotten early", early)
	}
	for id, want := range []bool{false, true, true} {
		if _, known := m.Done(uint64(id)); known != want {
			t.Errorf("delivery %d is known: %t, want %t", id, known, want)
		}
	}
	m = memoryAt(t, "")
	for id := range uint64(Max + 3) {
		m.Set(id, noon, Whole)
	}
	early := m.Forget(noon)
	_, second := m.Done(2)
	_, third := m.Done(3)
	if early != 3 || second || !third {
		t.Errorf("%d were forgotten early, the third known: %t, the fourth: %t; want three", early, second, third)
	}
	if n := len(m.Place().Position()); n > 20*Max {
		t.Errorf("a full memory takes %d bytes in a position, want at most 20 a delivery", n)
	}
}

func TestPlacesCostTheSameHoweverMuchIsKnown(t *testing.T) {
	for _, known := range []uint64{1, Max} {
		m := memoryAt(t, "")
		for id := range known {
			m.Set(id, noon, Whole)
		}
		done := int64(0)
		if got := testing.AllocsPerRun(100, func() {
			m.Set(Max+1, noon, done)
			_ = m.Place()
			done++
		}); got > 1 {
			t.Errorf("%g allocations with %d deliveries known, want 1", got, known)
		}
	}
}

func TestDamagedPositions(t *testing.T) {
	m := memoryAt(t, "")
	m.Set(7, noon, 300)
	good := m.Place().Position()
	for p, want := range map[pipeline.Position]string{
		"off:12":                        "want test1:<number>:<deliveries>",
		"test1:12":                      "want test1:<number>:<deliveries>",
		"test1:x:":                      "want test1:<number>:<deliveries>",
		good + "=":                      "damaged",
		good[:len(good)-2]:              "damaged",
		good + "AAAA":                   "damaged",
		"test1:1:AAAAAAAAAAAAAAAA":      "damaged",
		"test1:1:" + ffs(12+10) + "AAA": "damaged",
	} {
		if _, err := kind.Memory(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", p, err, want)
		}
	}
}

// ffs is base64 of about so many bytes of all ones.
func ffs(n int) pipeline.Position { return pipeline.Position(strings.Repeat("/", (n+2)/3*4)) }
