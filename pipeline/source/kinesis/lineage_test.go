package kinesis

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestLineageReady(t *testing.T) {
	l := newLineage()
	f := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, l.ready()); diff != "" {
			t.Errorf("ready (-want +got):\n%s", diff)
		}
	}
	f()
	// a splits to b, c; b and c merge to d; e's parent is known by name only.
	l.observe("a")
	l.observe("b", "a")
	l.observe("c", "a")
	l.observe("d", "b")
	l.observe("d", "c") // the parents add up
	l.observe("e", "forgotten")
	f("a", "e")
	l.set("a", reading)
	l.set("e", ended)
	f()
	l.set("a", ended)
	f("b", "c")
	l.set("b", ended)
	l.set("c", reading)
	f()
	l.set("c", ended)
	f("d")

	// Reading began at d: what led to it is past, though it is listed.
	l = newLineage()
	l.observe("a")
	l.observe("b", "a")
	l.observe("c", "a")
	l.observe("d", "b", "c")
	l.observe("x", "a")
	l.set("d", reading)
	f("x")
}

// Whatever the family, every shard is read once, after its parents, and with
// any number of interruptions.
func TestLineageProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parents := map[string][]string{}
		var ids, open []string
		for i := range rapid.IntRange(1, 3).Draw(t, "roots") {
			open = append(open, fmt.Sprintf("s%02d", i))
		}
		ids = slices.Clone(open)
		for range rapid.IntRange(0, 8).Draw(t, "changes") {
			made := 2
			closed := []string{rapid.SampledFrom(open).Draw(t, "split")}
			if other := rapid.SampledFrom(open).Draw(t, "merge"); other != closed[0] {
				closed, made = append(closed, other), 1
			}
			open = slices.DeleteFunc(open, func(id string) bool { return slices.Contains(closed, id) })
			for range made {
				id := fmt.Sprintf("s%02d", len(ids))
				parents[id] = closed
				ids, open = append(ids, id), append(open, id)
			}
		}
		done := map[string]state{} // what is committed
		l := newLineage()
		restart := func() {
			l = newLineage()
			for id, s := range done {
				l.observe(id)
				l.set(id, s)
			}
			for _, id := range ids {
				l.observe(id, parents[id]...)
			}
		}
		restart()
		for len(done) < len(ids) || slices.ContainsFunc(ids, func(id string) bool { return done[id] != ended }) {
			if rapid.IntRange(0, 3).Draw(t, "crash") == 0 {
				restart()
			}
			var under []string
			for _, id := range ids {
				if done[id] == reading {
					under = append(under, id)
				}
			}
			ready := l.ready()
			if len(ready)+len(under) == 0 {
				t.Fatalf("stuck: %v of %v", done, parents)
			}
			for _, id := range ready {
				if done[id] != 0 {
					t.Fatalf("shard %s is ready again", id)
				}
				for _, parent := range parents[id] {
					if done[parent] != ended {
						t.Fatalf("shard %s is ready before its parent %s ended", id, parent)
					}
				}
				l.set(id, reading)
				done[id] = reading
				under = append(under, id)
			}
			id := rapid.SampledFrom(under).Draw(t, "ends")
			l.set(id, ended)
			done[id] = ended
		}
	})
}
