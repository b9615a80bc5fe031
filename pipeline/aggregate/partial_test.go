package aggregate

import (
	"fmt"
	"testing"
)

// A partial of small slices is given the room of the whole pane now and then, when
// the two swap what is empty, and does not keep it.
func TestPartialsKeepNoMoreThanTheyNeed(t *testing.T) {
	plan := builtins(t, 300, "source")
	fill := func(p *Partial, sources int) {
		f := &Folder{Partial: p, plan: plan}
		for i := range sources {
			f.Add(flow{src: fmt.Sprintf("11.0.%d.%d", i/256, i%256), sport: 40000, dport: 443, start: 600, end: 659, packets: 1, bytes: 40}.enriched(t))
		}
	}
	slice, all := NewPartial(plan), NewPartial(plan)
	for range 8 {
		fill(slice, 500)
		all.Absorb(slice)
		fill(all, 5_000)
		all.Recycle(all.Take(600))
	}
	if most := 4 * 2 * 500; slice.room > most {
		t.Errorf("a slice of 1,000 rows keeps room for %d, want at most %d", slice.room, most)
	}
	if all.room < 5_000 || all.room > spareRows {
		t.Errorf("where panes have 10,000 rows, room for %d is kept, want one at least and %d at most", all.room, spareRows)
	}
}
