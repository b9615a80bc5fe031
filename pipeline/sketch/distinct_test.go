package sketch

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"unsafe"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func distinctOf(hashes ...uint64) *Distinct {
	d := new(Distinct)
	for _, h := range hashes {
		d.Insert(h)
	}
	return d
}

// first returns n distinct hashes, always the same.
func first(n int) []uint64 {
	hashes := make([]uint64, n)
	for i := range hashes {
		hashes[i] = Mix(seed, uint64(i))
	}
	return hashes
}

func TestDistinctCount(t *testing.T) {
	var d Distinct
	if d.Count() != 0 || !d.Exact() {
		t.Errorf("the zero value counts %d, exact %v", d.Count(), d.Exact())
	}
	hashes := first(700)
	for n, h := range hashes {
		for range 2 { // the second time changes nothing
			d.Insert(h)
		}
		d.Insert(hashes[n/2])
		got, want := d.Count(), uint64(n+1)
		if exact := n < ExactLimit; d.Exact() != exact {
			t.Fatalf("%d hashes: exact %v", n+1, d.Exact())
		}
		if d.Exact() && got != want || math.Abs(float64(got)/float64(want)-1) > 0.06 {
			t.Fatalf("%d hashes count as %d", want, got)
		}
	}
}

func TestDistinctNeverFallsBelowWhatIsSure(t *testing.T) {
	var d Distinct
	for i := range uint64(200) {
		d.Insert(i << 1) // all in one register: the HLL sees next to nothing
	}
	if d.Exact() || d.Count() != ExactLimit+1 {
		t.Errorf("count %d, exact %v; want 129, false", d.Count(), d.Exact())
	}
}

func TestDistinctHashZero(t *testing.T) {
	if n := distinctOf(0, 0).Count(); n != 1 {
		t.Errorf("the hash 0 counts %d, want 1", n)
	}
	if !bytes.Equal(distinctOf(0).AppendBinary(nil), distinctOf(1).AppendBinary(nil)) {
		t.Error("the hash 0 is not the hash 1")
	}
}

func TestDistinctIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Distinct{}); n > 32 {
		t.Errorf("a Distinct takes %d bytes, want at most 32", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		var d Distinct
		d.Insert(1)
		d.Insert(2)
		d.Insert(1)
	}); n != 0 {
		t.Errorf("two hashes allocate %v times, want 0", n)
	}
}

func TestDistinctReusesItsMemory(t *testing.T) {
	hashes := first(1000)
	d, part := distinctOf(hashes...), distinctOf(hashes[:100]...)
	buf := d.AppendBinary(nil)
	if n := testing.AllocsPerRun(20, func() {
		d.Reset()
		for _, h := range hashes {
			d.Insert(h)
		}
		d.Merge(part)
		d.Count()
		buf = d.AppendBinary(buf[:0])
		if _, err := d.Decode(buf); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("refilling allocates %v times, want 0", n)
	}
	d.Reset()
	if d.Count() != 0 || !d.Exact() || !bytes.Equal(d.AppendBinary(nil), new(Distinct).AppendBinary(nil)) {
		t.Error("Reset left something")
	}
}

// The model is the set of hashes itself: whatever the order of inserting and
// merging, the bytes are those of inserting the whole set one by one.
func TestDistinctIsCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const parts = 4
		var ds [parts]*Distinct
		for i := range ds {
			ds[i] = new(Distinct)
			if rapid.Bool().Draw(t, "used before") {
				ds[i] = distinctOf(first(rapid.SampledFrom([]int{2, 50, 300}).Draw(t, "before"))...)
				ds[i].Reset()
			}
		}
		space := rapid.SampledFrom([]int{3, 20, 127, 129, 131, 400}).Draw(t, "space")
		set := map[uint64]bool{}
		for range rapid.IntRange(0, 2*space).Draw(t, "n") {
			h := Mix(seed, uint64(rapid.IntRange(0, space).Draw(t, "hash")))
			ds[rapid.IntRange(0, parts-1).Draw(t, "part")].Insert(h)
			set[h] = true
		}
		want := new(Distinct)
		for h := range set { // in whatever order
			want.Insert(h)
		}
		// Merge pairs at random until one is left: any shape of tree.
		left := ds[:]
		for len(left) > 1 {
			left = rapid.Permutation(left).Draw(t, "pair")
			other := left[1].AppendBinary(nil)
			left[0].Merge(left[1])
			if diff := cmp.Diff(other, left[1].AppendBinary(nil)); diff != "" {
				t.Fatalf("Merge changed its argument (-before +after):\n%s", diff)
			}
			left = append([]*Distinct{left[0]}, left[2:]...)
		}
		got := left[0]
		if got.Exact() != (len(set) <= ExactLimit) || got.Count() != want.Count() {
			t.Fatalf("%d hashes: count %d, exact %v; want %d", len(set), got.Count(), got.Exact(), want.Count())
		}
		if got.Exact() && got.Count() != uint64(len(set)) {
			t.Fatalf("%d hashes: count %d", len(set), got.Count())
		}
		encoded := got.AppendBinary(nil)
		if diff := cmp.Diff(want.AppendBinary(nil), encoded); diff != "" {
			t.Fatalf("bytes (-inserted +merged):\n%s", diff)
		}
		got.Merge(got)
		got.Merge(want)
		if diff := cmp.Diff(encoded, got.AppendBinary(nil)); diff != "" {
			t.Fatalf("merging the same set again changed it (-before +after):\n%s", diff)
		}
		var decoded Distinct
		rest, err := decoded.Decode(append(encoded, 'x'))
		if err != nil || string(rest) != "x" {
			t.Fatalf("decode: %v, rest %q", err, rest)
		}
		if diff := cmp.Diff(encoded, decoded.AppendBinary(nil)); diff != "" {
			t.Fatalf("round trip (-before +after):\n%s", diff)
		}
	})
}

func TestDistinctMergeTakesTheLowerPrecision(t *testing.T) {
	f := func(p, q, n, m int) {
		t.Helper()
		a, b := NewDistinct(p), NewDistinct(q)
		want := NewDistinct(min(p, q))
		hashes := first(n + m)
		for _, h := range hashes[:n] {
			a.Insert(h)
		}
		for _, h := range hashes[n:] {
			b.Insert(h)
		}
		for _, h := range hashes {
			want.Insert(h)
		}
		a.Merge(&b)
		if !bytes.Equal(want.AppendBinary(nil), a.AppendBinary(nil)) {
			t.Errorf("p=%d (%d hashes) with p=%d (%d hashes) is not p=%d", p, n, q, m, min(p, q))
		}
	}
	for _, n := range []int{0, 1, 100, 500} {
		for _, m := range []int{0, 1, 100, 500} {
			f(12, 10, n, m)
			f(10, 12, n, m)
		}
	}
}

func TestDistinctDecodeRefuses(t *testing.T) {
	f := func(name, want string, b []byte) {
		t.Helper()
		d := distinctOf(first(300)...)
		if _, err := d.Decode(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", name, err, want)
		}
		if d.Count() != 0 {
			t.Errorf("%s: counts %d after the error, want 0", name, d.Count())
		}
		for _, h := range first(300) { // still in order
			d.Insert(h)
		}
		if d.Exact() || d.Count() < 250 {
			t.Errorf("%s: counts %d of 300 afterwards", name, d.Count())
		}
	}
	two := distinctOf(7, 8).AppendBinary(nil)
	f("nothing", "too early", nil)
	f("precision", "precision 2", []byte{2 | formExact, 0})
	f("no number", "too early", []byte{12 | formExact})
	f("cut", "too early", two[:len(two)-1])
	f("129", "129 hashes", append([]byte{12 | formExact, 129}, make([]byte, 8*129)...))
	f("twice", "ascending", append([]byte{12 | formExact, 2}, append(two[2:10:10], two[2:10]...)...))
	f("hash zero", "ascending", append([]byte{12 | formExact, 1}, make([]byte, 8)...))
	f("HLL", "rank 0", []byte{12 | formSparse, 1, 0})
}

func TestNewPanicsOnPrecision(t *testing.T) {
	f := func(name string, run func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s does not panic", name)
			}
		}()
		run()
	}
	f("NewHLL(3)", func() { NewHLL(3) })
	f("NewHLL(17)", func() { NewHLL(17) })
	f("NewDistinct(3)", func() { NewDistinct(3) })
	f("NewDistinct(17)", func() { NewDistinct(17) })
}

func FuzzDistinctDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(distinctOf().AppendBinary(nil))
	f.Add(distinctOf(first(5)...).AppendBinary(nil))
	f.Add(distinctOf(first(129)...).AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		defer hostiletest.Bound(t)()
		var d Distinct
		rest, err := d.Decode(b)
		if err != nil {
			return
		}
		if again := append(d.AppendBinary(nil), rest...); !bytes.Equal(again, b) {
			t.Fatalf("decoded %x, encoded %x", b, again)
		}
		d.Merge(distinctOf(first(200)...))
		d.Count()
	})
}

func BenchmarkDistinctInsert(b *testing.B) {
	f := func(name string, n int) {
		b.Run(name, func(b *testing.B) {
			hashes := first(n)
			d := distinctOf(hashes...)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i == n {
					i = 0
				}
				d.Insert(hashes[i])
			}
		})
	}
	f("2", 2)
	f("10", 10)
	f("128", 128)
	f("100000", 100_000)
}

// A fresh set of n per iteration: what a million sources with few targets
// each, or one slice of an interface, cost.
func BenchmarkDistinctFill(b *testing.B) {
	f := func(name string, n int) {
		b.Run(name, func(b *testing.B) {
			hashes := first(n)
			b.ReportAllocs()
			for b.Loop() {
				var d Distinct
				for _, h := range hashes {
					d.Insert(h)
				}
			}
		})
	}
	f("2", 2)
	f("4", 4)
	f("128", 128)
}

func BenchmarkDistinctMerge(b *testing.B) {
	f := func(name string, n int) {
		b.Run(name, func(b *testing.B) {
			o := distinctOf(first(n)...)
			d := new(Distinct)
			b.ReportAllocs()
			for b.Loop() {
				d.Reset()
				d.Merge(o)
			}
		})
	}
	f("4", 4)
	f("128", 128)
	f("1000", 1000)
}
