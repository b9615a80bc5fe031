package pipeline

import (
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// marks drives watermarks by short calls: root and child register, slice
// merges one with a watermark, end one that ends its partition.
type marks struct {
	*watermarks
	t *testing.T
}

func (m marks) root(ids ...string) {
	for _, id := range ids {
		m.register("test", Start{ID: id})
	}
	m.advance()
}

func (m marks) child(id string, parents ...string) {
	m.register("test", Start{ID: id, Parents: parents})
	m.advance()
}

func (m marks) slice(id string, watermark int64) { m.merge(id, watermark, false) }

func (m marks) end(id string, watermark int64, children ...string) {
	var starts []Start
	for _, c := range children {
		starts = append(starts, Start{ID: c})
	}
	m.merge(id, watermark, true, starts...)
}

func (m marks) merge(id string, watermark int64, ended bool, children ...Start) {
	m.t.Helper()
	s := &slice{partition: id, n: m.partitions[id].Slice + 1, watermark: watermark, ended: ended, children: children}
	if err := m.merged(s); err != nil {
		m.t.Fatal(err)
	}
	m.advance()
}

func (m marks) want(global int64) {
	m.t.Helper()
	if m.global != global {
		m.t.Errorf("global watermark %d, want %d", m.global, global)
	}
}

func TestEveryRegisteredPartitionHoldsTheWatermark(t *testing.T) {
	m := marks{newWatermarks(), t}
	m.root("a", "b")
	m.slice("a", 100)
	m.want(aggregate.Never)
	m.slice("b", 70)
	m.want(70)
	m.slice("b", 200)
	m.want(100)
}

func TestAnEndedPartitionLeavesWhenItsChildrenHaveEntered(t *testing.T) {
	m := marks{newWatermarks(), t}
	m.root("a", "b")
	m.slice("a", 100)
	m.end("b", 70, "c", "d")
	m.want(70)
	m.child("c", "b")
	m.slice("c", 500)
	m.want(70) // d has not entered
	m.child("d", "b")
	m.want(70) // it has, with b's watermark
	m.slice("d", 90)
	m.want(90)
}

func TestAChildOfAMergeEntersWithTheLeastOfItsParents(t *testing.T) {
	m := marks{newWatermarks(), t}
	m.root("a", "b")
	m.end("a", 100, "c")
	m.end("b", 70, "c")
	m.child("c", "a", "b")
	if got := m.partitions["c"].Watermark; got != 70 {
		t.Errorf("the child enters at %d, want 70", got)
	}
	m.want(70)
}

func TestWhenAllHaveEndedTheWatermarkIsInfinite(t *testing.T) {
	m := marks{newWatermarks(), t}
	m.root("a", "b")
	m.end("a", 100)
	m.want(aggregate.Never)
	m.end("b", 70)
	m.want(aggregate.Forever)
}

func TestALateRootCannotReopenPanes(t *testing.T) {
	m := marks{newWatermarks(), t}
	m.root("a")
	m.slice("a", 100)
	m.root("z")
	m.want(100)
	if got := m.partitions["z"].Watermark; got != 100 {
		t.Errorf("a root that turns up late enters at %d, want 100", got)
	}
}

func TestAKnownBoundIsTheFirstWatermark(t *testing.T) {
	m := marks{newWatermarks(), t}
	m.register("test", Start{ID: "a", Watermark: time.Unix(50, 0)})
	m.register("test", Start{ID: "b", Watermark: time.Unix(80, 0)})
	m.advance()
	m.want(50)
}

func TestSlicesComeInOrderAndWatermarksNeverFall(t *testing.T) {
	m := marks{newWatermarks(), t}
	m.root("a")
	m.slice("a", 100)
	for name, s := range map[string]*slice{
		"unknown partition": {partition: "x", n: 1, watermark: 200},
		"repeated":          {partition: "a", n: 1, watermark: 200},
		"skipped":           {partition: "a", n: 3, watermark: 200},
		"falling":           {partition: "a", n: 2, watermark: 99},
	} {
		if err := m.merged(s); err == nil {
			t.Errorf("%s: a slice that can't be was merged", name)
		}
	}
}
