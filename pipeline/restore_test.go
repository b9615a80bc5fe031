package pipeline

import (
	"fmt"
	"strings"
	"testing"
)

// What was let go of open panes is still in the parts that were written before.
// A new process lets it go as well, and counts nothing twice.
func TestARestartCountsNoEvictionAgain(t *testing.T) {
	limited := func(cfg *Config, _ *Dependencies) { cfg.Sources = 100 }
	store := &worldStore{entries: map[string][]byte{}}
	source := newHand("a")
	b := start(t, source, withStore(store), limited)
	for i := range 4 {
		var lines strings.Builder
		for j := range 80 {
			fmt.Fprintln(&lines, strings.Replace(v2, "203.0.113.9", fmt.Sprintf("203.0.%d.%d", i, j), 1))
		}
		source.parts["a"].feed(Position(fmt.Sprint(i)), 1_700_000_100, lines.String())
		if err := b.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b.stop()
	if err := <-b.done; err != nil {
		t.Fatal(err)
	}
	before := b.Published().Evicted["sources"]
	if before == 0 {
		t.Fatal("nothing was let go")
	}
	again := newPipeline(t, store, limited)
	if after := again.Published().Evicted["sources"]; after != before {
		t.Errorf("%d sources were let go, and %d after a restart", before, after)
	}
	if held := again.back.entries(); held > 100 {
		t.Errorf("%d entries are held after a restart, the limit is 100", held)
	}
}
