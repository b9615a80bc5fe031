package checkpointtest

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// model holds a store against a map, over random deltas and reopenings.
func model(t *testing.T, fresh func(t *testing.T) Opener) {
	open := fresh(t)
	store := mustOpen(t, open)
	rapid.Check(t, func(rt *rapid.T) {
		wipe := checkpoint.Delta{DeletePrefixes: [][]byte{nil}}
		mustAppend(t, store, wipe)
		want := map[string]string{}
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			if rapid.IntRange(0, 9).Draw(rt, "reopen") == 0 {
				store = reopen(t, store, open)
			}
			delta, after := drawDelta(rt, want)
			err := store.Append(context.Background(), &delta)
			if after != nil {
				want = after
			}
			if (err == nil) != (after != nil) {
				rt.Fatalf("Append: %v, accepted by the model: %v", err, after != nil)
			}
			if diff := cmp.Diff(want, Contents(t, store)); diff != "" {
				rt.Fatalf("contents (-model +store):\n%s", diff)
			}
		}
	})
}

// drawDelta draws a delta and what it makes of a map; nil when it must be
// refused.
func drawDelta(t *rapid.T, before map[string]string) (checkpoint.Delta, map[string]string) {
	key := rapid.StringMatching(`[ab]{1,3}(/[ab]{0,2})?`)
	var d checkpoint.Delta
	after := maps.Clone(before)
	for _, prefix := range rapid.SliceOfN(rapid.StringMatching(`[ab]{1,2}/?`), 0, 2).Draw(t, "prefixes") {
		d.DeletePrefixes = append(d.DeletePrefixes, []byte(prefix))
		maps.DeleteFunc(after, func(key, _ string) bool { return strings.HasPrefix(key, prefix) })
	}
	for _, k := range rapid.SliceOfN(key, 0, 3).Draw(t, "deletes") {
		d.Deletes = append(d.Deletes, []byte(k))
		delete(after, k)
	}
	for _, k := range rapid.SliceOfNDistinct(key, 0, 8, rapid.ID).Draw(t, "puts") {
		size := rapid.SampledFrom([]int{0, 1, 100, 5000}).Draw(t, "size")
		value := strings.Repeat(rapid.StringMatching(`[xyz]`).Draw(t, "fill"), size)
		d.Puts = append(d.Puts, checkpoint.Entry{Key: []byte(k), Value: []byte(value)})
		after[k] = value
	}
	if rapid.IntRange(0, 9).Draw(t, "bad") == 0 {
		d.Puts = append(d.Puts, checkpoint.Entry{Value: []byte("without a key")})
		return d, nil
	}
	return d, after
}
