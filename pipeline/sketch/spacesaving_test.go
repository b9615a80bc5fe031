package sketch

import (
	"cmp"
	"math/rand/v2"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSpaceSavingOffer(t *testing.T) {
	s := NewSpaceSaving(2, cmp.Compare[string])
	offer := func(key string, n int64, wantEvicted string) {
		t.Helper()
		if got, was := s.Offer(key, n); got != wantEvicted || was != (wantEvicted != "") {
			t.Errorf("Offer(%s, %d) evicts %q, %v; want %q", key, n, got, was, wantEvicted)
		}
	}
	offer("a", 5, "")
	offer("b", 2, "")
	offer("b", 1, "")
	offer("c", 0, "")
	offer("c", -3, "")
	if s.Bound() != 3 || s.Evicted() != 0 {
		t.Errorf("bound %d, evicted %d; want 3, 0", s.Bound(), s.Evicted())
	}
	offer("c", 1, "b")
	offer("a", 1, "")
	want := []Counted[string]{{"a", 6, 0}, {"c", 4, 3}}
	if diff := gocmp.Diff(want, s.Top()); diff != "" {
		t.Errorf("Top (-want +got):\n%s", diff)
	}
	if s.Evicted() != 1 || s.Len() != 2 {
		t.Errorf("evicted %d, %d held; want 1, 2", s.Evicted(), s.Len())
	}
	if _, ok := s.Get("b"); ok {
		t.Error("b is still there")
	}
	s.Reset()
	if s.Len() != 0 || s.Evicted() != 0 || s.Bound() != 0 || len(s.Top()) != 0 {
		t.Error("Reset left something")
	}
	offer("z", 1, "")
}

func TestSpaceSavingTies(t *testing.T) {
	s := NewSpaceSaving(3, cmp.Compare[string])
	for _, k := range []string{"m", "z", "a"} {
		s.Offer(k, 1)
	}
	if got, _ := s.Offer("b", 1); got != "z" {
		t.Errorf("of equal counts %q went, want the greatest key z", got)
	}
}

func TestSpaceSavingMergeAddsTheOthersBound(t *testing.T) {
	a, b := NewSpaceSaving(2, cmp.Compare[string]), NewSpaceSaving(2, cmp.Compare[string])
	a.Offer("x", 10)
	a.Offer("y", 4)
	b.Offer("x", 3)
	b.Offer("z", 2)
	a.Merge(b)
	want := []Counted[string]{{"x", 13, 0}, {"y", 6, 2}}
	if diff := gocmp.Diff(want, a.Top()); diff != "" {
		t.Errorf("Top (-want +got):\n%s", diff)
	}
	if a.Evicted() != 1 || a.Bound() != 6 {
		t.Errorf("evicted %d, bound %d; want 1, 6", a.Evicted(), a.Bound())
	}
}

// A summary that is not full holds every key, so nothing is added for it; one
// of lower capacity that is full leaves its bound behind for keys to come.
func TestSpaceSavingMergeOfUnequalCapacities(t *testing.T) {
	big, small := NewSpaceSaving(10, cmp.Compare[string]), NewSpaceSaving(1, cmp.Compare[string])
	big.Offer("x", 5)
	small.Offer("y", 2)
	small.Offer("z", 1)
	big.Merge(small)
	want := []Counted[string]{{"x", 8, 3}, {"z", 3, 2}}
	if diff := gocmp.Diff(want, big.Top()); diff != "" {
		t.Errorf("Top (-want +got):\n%s", diff)
	}
	big.Offer("y", 1)
	if got, _ := big.Get("y"); got.Count != 4 || got.Error != 3 {
		t.Errorf("y = %+v, want 4 with error 3: it may have weighed 3 before", got)
	}
}

// checkBounds holds a summary against the true weights.
func checkBounds(t *rapid.T, s *SpaceSaving[int], truth map[int]int64) {
	for _, c := range s.Top() {
		if w := truth[c.Key]; c.Count < w || c.Count-c.Error > w {
			t.Fatalf("key %d: %+v, true weight %d", c.Key, c, w)
		}
	}
	for key, w := range truth {
		if _, ok := s.Get(key); !ok && w > s.Bound() {
			t.Fatalf("key %d of weight %d is absent, the bound is %d", key, w, s.Bound())
		}
	}
	if s.Evicted() == 0 && s.Len() != len(truth) {
		t.Fatalf("%d of %d keys held, none evicted", s.Len(), len(truth))
	}
}

func TestSpaceSavingBoundsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		truth := map[int]int64{}
		fill := func() *SpaceSaving[int] {
			s := NewSpaceSaving(rapid.IntRange(1, 12).Draw(t, "capacity"), cmp.Compare[int])
			for range rapid.IntRange(0, 60).Draw(t, "offers") {
				key, n := rapid.IntRange(0, 15).Draw(t, "key"), rapid.Int64Range(1, 9).Draw(t, "n")
				s.Offer(key, n)
				truth[key] += n
			}
			return s
		}
		all := fill()
		checkBounds(t, all, truth)
		for range rapid.IntRange(0, 3).Draw(t, "merges") {
			all.Merge(fill())
			checkBounds(t, all, truth)
			key := rapid.IntRange(0, 30).Draw(t, "key after")
			all.Offer(key, 2)
			truth[key] += 2
			checkBounds(t, all, truth)
		}
	})
}

func TestSpaceSavingMergeCommutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 8).Draw(t, "capacity")
		offers := rapid.SliceOf(rapid.Custom(func(t *rapid.T) [2]int {
			return [2]int{rapid.IntRange(0, 12).Draw(t, "key"), rapid.IntRange(1, 5).Draw(t, "n")}
		}))
		x, y := offers.Draw(t, "x"), offers.Draw(t, "y")
		fill := func(all [][2]int) *SpaceSaving[int] {
			s := NewSpaceSaving(capacity, cmp.Compare[int])
			for _, o := range all {
				s.Offer(o[0], int64(o[1]))
			}
			return s
		}
		ab, ba := fill(x), fill(y)
		ab.Merge(fill(y))
		ba.Merge(fill(x))
		if diff := gocmp.Diff(ab.Top(), ba.Top()); diff != "" {
			t.Fatalf("Merge (-x,y +y,x):\n%s", diff)
		}
		if ab.Bound() != ba.Bound() || ab.Evicted() != ba.Evicted() {
			t.Fatalf("bound %d and %d, evicted %d and %d", ab.Bound(), ba.Bound(), ab.Evicted(), ba.Evicted())
		}
	})
}

// Heavy keys of a Zipf stream are found, and N/m bounds every error.
func TestSpaceSavingFindsHeavyKeys(t *testing.T) {
	const capacity, offers = 256, 50_000
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.2, 1, 100_000)
	s := NewSpaceSaving(capacity, cmp.Compare[uint64])
	truth := map[uint64]int64{}
	for range offers {
		k := zipf.Uint64()
		s.Offer(k, 1)
		truth[k]++
	}
	if s.Bound() > offers/capacity {
		t.Errorf("bound %d, want at most %d", s.Bound(), offers/capacity)
	}
	for k := range uint64(20) {
		c, ok := s.Get(k)
		if !ok || c.Count-c.Error > truth[k] || c.Count < truth[k] {
			t.Errorf("key %d of weight %d: %+v, held %v", k, truth[k], c, ok)
		}
	}
}

func TestSpaceSavingDoesNotAllocateWhenFull(t *testing.T) {
	s := NewSpaceSaving(64, cmp.Compare[int])
	for k := range 1000 {
		s.Offer(k, 1)
	}
	k := 0
	if n := testing.AllocsPerRun(1000, func() { k++; s.Offer(k%500, 3) }); n != 0 {
		t.Errorf("Offer allocates %v times, want 0", n)
	}
}

func BenchmarkSpaceSavingOffer(b *testing.B) {
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, 1<<20)
	keys := make([]uint64, 1<<16)
	for i := range keys {
		keys[i] = zipf.Uint64()
	}
	f := func(name string, capacity int) {
		b.Run(name, func(b *testing.B) {
			s := NewSpaceSaving(capacity, cmp.Compare[uint64])
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.Offer(keys[i%len(keys)], 1)
			}
		})
	}
	f("1024", 1024)
	f("65536", 65536)
}
