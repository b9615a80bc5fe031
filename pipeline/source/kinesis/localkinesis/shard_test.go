package localkinesis

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A shard with drops in between behaves as a slice does.
func TestShardProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sh := newShard(0, hashRange{}, time.UnixMilli(1_000_000))
		type kept struct {
			number  uint64
			arrival time.Time
		}
		var model []kept
		now := time.UnixMilli(2_000_000)
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			if len(model) > 0 && rapid.Bool().Draw(t, "trim") {
				sh.trim()
				model = model[1:]
				continue
			}
			now = now.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, "ms")) * time.Millisecond)
			r := sh.put(now, "k", nil)
			model = append(model, kept{r.number, r.arrival})
		}
		from := uint64(rapid.IntRange(0, 70).Draw(t, "from"))
		at := time.UnixMilli(int64(rapid.IntRange(1_999_900, 2_000_100).Draw(t, "at")))
		wantAt, want := sh.next, []kept(nil)
		for _, k := range model {
			if k.number >= from {
				want = append(want, k)
			}
			if wantAt == sh.next && !k.arrival.Before(at) {
				wantAt = k.number
			}
		}
		got := sh.retained(from)
		if len(got) != len(want) {
			t.Fatalf("from %d: %d records, want %d", from, len(got), len(want))
		}
		for i := range got {
			if got[i].number != want[i].number {
				t.Errorf("from %d: record %d, want %d", from, got[i].number, want[i].number)
			}
			if i > 0 && got[i].arrival.Before(got[i-1].arrival) {
				t.Errorf("arrival falls from %s to %s", got[i-1].arrival, got[i].arrival)
			}
		}
		if number := sh.numberAt(at); number != wantAt {
			t.Errorf("at %s: record %d, want %d", at, number, wantAt)
		}
		number := uint64(rapid.IntRange(0, 70).Draw(t, "number"))
		if back, ok := sh.number(sh.sequence(number)); ok != (number < sh.next) || ok && back != number {
			t.Errorf("sequence number of %d is read as %d, %t", number, back, ok)
		}
	})
}

func TestPace(t *testing.T) {
	var p pace
	now := time.Unix(1_000, 0)
	admitted := 0
	for ms := range 2000 {
		if p.admitRead(now.Add(time.Duration(ms) * time.Millisecond)) {
			admitted++
		}
	}
	if admitted != 2*readsPerSecond {
		t.Errorf("%d reads in two seconds", admitted)
	}
	now = now.Add(time.Minute)
	p.read(now, 10<<20)
	if p.admitRead(now.Add(4900*time.Millisecond)) || !p.admitRead(now.Add(5*time.Second)) {
		t.Error("10 MiB must block a shard for five seconds")
	}
	now = now.Add(time.Minute)
	written := 0
	for ms := range 3000 {
		for range 2 {
			if p.admitWrite(now.Add(time.Duration(ms)*time.Millisecond), 10) {
				written++
			}
		}
	}
	if written < 3500 || written > 4001 { // a full bucket, and three seconds' worth
		t.Errorf("%d records written in three seconds", written)
	}
}
