package sinks

import (
	"fmt"
	"slices"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func (q *queue) all() []Entry {
	entries := []Entry{}
	for e := q.entries.Front(); e != nil; e = e.Next() {
		entries = append(entries, e.Value.(Entry))
	}
	return entries
}

// The model is a slice that is searched.
func TestQueueModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 6).Draw(t, "capacity")
		q, model := newQueue(capacity), []Entry{}
		seqs := map[string]int{}
		for id := range uint64(rapid.IntRange(0, 60).Draw(t, "steps")) {
			if len(model) > 0 && rapid.IntRange(0, 3).Draw(t, "pop") == 0 {
				if diff := cmp.Diff(model[0], q.pop()); diff != "" {
					t.Fatalf("pop (-want +got):\n%s", diff)
				}
				model = model[1:]
				continue
			}
			uid := fmt.Sprint("incident ", rapid.IntRange(0, 8).Draw(t, "uid"))
			seqs[uid]++
			e := Entry{ID: id, Finding: detect.Finding{UID: uid, Seq: seqs[uid]}}
			want, wantGone := added, Entry{}
			if len(model) < capacity {
				model = append(model, e)
			} else if i := lastOf(model, uid); i >= 0 {
				want, wantGone, model[i] = replacing, model[i], e
			} else {
				want, wantGone, model = dropping, model[0], append(model[1:], e)
			}
			gone, got := q.push(e)
			if got != want {
				t.Fatalf("push: %d, want %d", got, want)
			}
			if diff := cmp.Diff(wantGone, gone); diff != "" {
				t.Fatalf("gone (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(model, q.all()); diff != "" {
				t.Fatalf("queue (-want +got):\n%s", diff)
			}
			seen := map[string]int{}
			for _, e := range q.all() {
				if e.Finding.Seq <= seen[e.Finding.UID] {
					t.Fatalf("event %d of %s after event %d", e.Finding.Seq, e.Finding.UID, seen[e.Finding.UID])
				}
				seen[e.Finding.UID] = e.Finding.Seq
			}
			if len(q.newest) != len(seen) {
				t.Fatalf("%d incidents remembered, %d queued", len(q.newest), len(seen))
			}
		}
	})
}

func lastOf(entries []Entry, uid string) int {
	for i, e := range slices.Backward(entries) {
		if e.Finding.UID == uid {
			return i
		}
	}
	return -1
}
