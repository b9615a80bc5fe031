package sketch

import (
	"bytes"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func hllOf(p int, hashes ...uint64) *HLL {
	h := NewHLL(p)
	for _, x := range hashes {
		h.Insert(x)
	}
	return h
}

// The error over cardinalities from 129 to 1 M, in 240 runs with fixed seeds.
func TestHLLError(t *testing.T) {
	var errs []float64
	var signed float64
	for run := range uint64(240) {
		limit := 20_000
		if run%120 == 0 {
			limit = 1_000_000
		}
		h := NewHLL(12)
		random := rand.New(rand.NewPCG(run, 1))
		for n, next := 1, 129; n <= limit; n++ {
			h.Insert(random.Uint64())
			if n == next {
				e := h.Estimate()/float64(n) - 1
				errs, signed = append(errs, math.Abs(e)), signed+e
				next += next/4 + 1
			}
		}
	}
	slices.Sort(errs)
	sum := 0.0
	for _, e := range errs {
		sum += e
	}
	mean, p99, bias := sum/float64(len(errs)), errs[len(errs)*99/100], signed/float64(len(errs))
	t.Logf("%d estimates: mean error %.2f %%, p99 %.2f %%, bias %+.2f %%", len(errs), 100*mean, 100*p99, 100*bias)
	if mean > 0.014 || p99 > 0.045 || math.Abs(bias) > 0.003 {
		t.Errorf("mean error %.4f, p99 %.4f, bias %.4f; want at most 0.014, 0.045, 0.003", mean, p99, bias)
	}
}

// At every precision, on hashes of sequential addresses.
func TestHLLErrorByPrecision(t *testing.T) {
	for p := MinPrecision; p <= MaxPrecision; p++ {
		h := NewHLL(p)
		worst, at := 0.0, 0
		a := netip.MustParseAddr("10.0.0.0")
		for n, next := 1, 1; n <= 100_000; n++ {
			h.Insert(HashAddr(a))
			a = a.Next()
			if n == next {
				if e := math.Abs(h.Estimate()/float64(n) - 1); e > worst {
					worst, at = e, n
				}
				next += next/2 + 1
			}
		}
		if limit := 3.5 * 1.04 / math.Sqrt(float64(int(1)<<p)); worst > limit {
			t.Errorf("precision %d: error %.4f at %d, want at most %.4f", p, worst, at, limit)
		}
	}
}

func TestHLLExtremes(t *testing.T) {
	f := func(name string, h *HLL, low, high float64) {
		t.Helper()
		if e := h.Estimate(); !(e >= low && e <= high) {
			t.Errorf("%s: estimate %v, want %v to %v", name, e, low, high)
		}
	}
	f("empty", NewHLL(12), 0, 0)
	f("one", hllOf(12, 0x123456789abcdef), 0.99, 1.01)
	f("hash zero", hllOf(12, 0), 0.99, 1.01)
	f("all ones", hllOf(12, math.MaxUint64), 0.99, 1.01)
	full := NewHLL(4)
	for i := range full.registers {
		full.registers[i] = full.maxRank()
	}
	f("saturated", full, 1e18, math.Inf(1))
}

func TestHLLRanks(t *testing.T) {
	f := func(p int, hash uint64, register int, rank byte) {
		t.Helper()
		want := NewHLL(p)
		want.registers[register] = rank
		if got := hllOf(p, hash); !bytes.Equal(want.registers, got.registers) {
			t.Errorf("p=%d hash %#x: not rank %d alone in register %d", p, hash, rank, register)
		}
	}
	f(4, 0x0fffffffffffffff, 0, 1)
	f(4, 0x5800000000000000, 5, 1)
	f(4, 0x5100000000000000, 5, 4)
	f(4, 0xf000000000000001, 15, 60)
	f(4, 0xf000000000000000, 15, 61)
	f(16, 0xabcd000000000000, 0xabcd, 49)
}

func TestHLLMergeRefusesAnotherPrecision(t *testing.T) {
	h := hllOf(12, 7)
	before := h.AppendBinary(nil)
	err := h.Merge(hllOf(11, 8<<40))
	if err == nil || !strings.Contains(err.Error(), "precision 11") {
		t.Errorf("error %v, want one that names precision 11", err)
	}
	if !bytes.Equal(before, h.AppendBinary(nil)) {
		t.Error("a refused merge changed the sketch")
	}
}

// skewed hashes make high ranks likely, so that merging compares all of them.
func skewed(t *rapid.T, name string) uint64 {
	return rapid.Uint64().Draw(t, name) >> rapid.IntRange(0, 60).Draw(t, name+" shift") << rapid.IntRange(0, 60).Draw(t, name+" up")
}

func TestHLLMergeIsUnion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.IntRange(MinPrecision, 8).Draw(t, "p")
		parts := [3]*HLL{NewHLL(p), NewHLL(p), NewHLL(p)}
		all := NewHLL(p)
		for range rapid.IntRange(0, 300).Draw(t, "n") {
			x := skewed(t, "hash")
			parts[rapid.IntRange(0, 2).Draw(t, "part")].Insert(x)
			all.Insert(x)
		}
		merged := NewHLL(p)
		for _, i := range rapid.Permutation([]int{0, 1, 2}).Draw(t, "order") {
			if err := merged.Merge(parts[i]); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(all.registers, merged.registers); diff != "" {
			t.Fatalf("merged parts differ from the whole (-whole +merged):\n%s", diff)
		}
	})
}

func TestHLLFoldedIsBuiltLower(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		high := rapid.IntRange(MinPrecision, 9).Draw(t, "high")
		low := rapid.IntRange(MinPrecision, high).Draw(t, "low")
		a, b := NewHLL(high), NewHLL(low)
		for range rapid.IntRange(0, 200).Draw(t, "n") {
			x := skewed(t, "hash")
			a.Insert(x)
			b.Insert(x)
		}
		if diff := cmp.Diff(b.registers, a.folded(low).registers); diff != "" {
			t.Fatalf("folded %d to %d (-want +got):\n%s", high, low, diff)
		}
	})
}

func TestHLLBinaryRoundTrip(t *testing.T) {
	for p := MinPrecision; p <= MaxPrecision; p++ {
		h, got := NewHLL(p), NewHLL(5)
		random := rand.New(rand.NewPCG(uint64(p), 2))
		for n := 0; n <= 4<<p; n = 2*n + 1 {
			for range n {
				h.Insert(random.Uint64())
			}
			b := h.AppendBinary([]byte("before"))
			rest, err := got.DecodeBinary(append(b, "after"...)[len("before"):])
			if err != nil {
				t.Fatalf("precision %d, %d inserted: %v", p, n, err)
			}
			if string(rest) != "after" || !bytes.Equal(h.registers, got.registers) || got.Precision() != p {
				t.Fatalf("precision %d, %d inserted: decoded another sketch, or left %q", p, n, rest)
			}
		}
	}
}

func TestHLLIsSmallWhileSparse(t *testing.T) {
	h := NewHLL(12)
	random := rand.New(rand.NewPCG(3, 3))
	for range ExactLimit + 1 {
		h.Insert(random.Uint64())
	}
	if n := len(h.AppendBinary(nil)); n > 300 {
		t.Errorf("129 hashes take %d bytes, want at most 300", n)
	}
	for range 100_000 {
		h.Insert(random.Uint64())
	}
	if n := len(h.AppendBinary(nil)); n != 1+3072 {
		t.Errorf("a full sketch takes %d bytes, want 3073", n)
	}
}

func TestHLLDecodeRefuses(t *testing.T) {
	sparse := hllOf(12, 1).AppendBinary(nil)
	f := func(name, want string, b []byte) {
		t.Helper()
		h := hllOf(12, 99)
		if _, err := h.DecodeBinary(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", name, err, want)
		}
		if h.precision != 0 && h.Estimate() != 0 && len(b) > 1 {
			t.Errorf("%s: not empty after the error", name)
		}
	}
	f("nothing", "too early", nil)
	f("precision 3", "precision 3", []byte{3})
	f("precision 17", "precision 17", []byte{17 | formSparse})
	f("unknown form", "unknown form", []byte{12 | formExact, 0})
	f("cut dense", "too early", append([]byte{12}, make([]byte, 3071)...))
	f("empty but dense", "sparse is shorter", append([]byte{12}, make([]byte, 3072)...))
	f("cut sparse", "too early", sparse[:len(sparse)-1])
	f("too many registers", "17 registers", []byte{4 | formSparse, 17})
	f("padded count", "padded", []byte{4 | formSparse, 0x80, 0})
	f("rank 0", "rank 0", []byte{4 | formSparse, 1, 0})
	f("rank 62 of 61", "rank 62", []byte{4 | formSparse, 1, 62})
	f("dense rank 63", "rank above 61", append([]byte{4}, bytes.Repeat([]byte{0xff}, 12)...))
	f("register 16 of 16", "outside", []byte{4 | formSparse, 1, 0x81, 0x08})
	f("sparse but long", "dense is no longer", append([]byte{4 | formSparse, 16}, bytes.Repeat([]byte{1}, 16)...))
}

func TestHLLDoesNotAllocate(t *testing.T) {
	a, b := hllOf(12, 1, 2, 3), hllOf(12, 4<<50, 5<<50)
	buf := make([]byte, 0, 4096)
	f := func(name string, run func()) {
		t.Helper()
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s allocates %v times, want 0", name, n)
		}
	}
	f("Insert", func() { a.Insert(77 << 40) })
	f("Merge", func() { _ = a.Merge(b) })
	f("Estimate", func() { a.Estimate() })
	f("AppendBinary", func() { a.AppendBinary(buf) })
	f("DecodeBinary", func() { _, _ = b.DecodeBinary(a.AppendBinary(buf)) })
}

func FuzzHLLDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(hllOf(12, 1, 2<<60).AppendBinary(nil))
	f.Add(hllOf(4, 1, 2<<60, 3<<60, 4<<60).AppendBinary(nil))
	dense := NewHLL(5)
	for i := range dense.registers {
		dense.registers[i] = byte(i)
	}
	f.Add(dense.AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		defer hostiletest.Bound(t)()
		var h HLL
		rest, err := h.DecodeBinary(b)
		if err != nil {
			return
		}
		if again := append(h.AppendBinary(nil), rest...); !bytes.Equal(again, b) {
			t.Fatalf("decoded %x, encoded %x", b, again)
		}
	})
}

func BenchmarkHLLInsert(b *testing.B) {
	h := NewHLL(12)
	x := uint64(1)
	b.ReportAllocs()
	for b.Loop() {
		x = Mix(seed, x)
		h.Insert(x)
	}
}

func BenchmarkHLLMerge(b *testing.B) {
	x, y := NewHLL(12), NewHLL(12)
	for i := range uint64(100_000) {
		y.Insert(Mix(seed, i))
	}
	b.SetBytes(1 << 12)
	b.ReportAllocs()
	for b.Loop() {
		_ = x.Merge(y)
	}
}

func BenchmarkHLLEstimate(b *testing.B) {
	h := NewHLL(12)
	for i := range uint64(100_000) {
		h.Insert(Mix(seed, i))
	}
	b.ReportAllocs()
	for b.Loop() {
		h.Estimate()
	}
}

func BenchmarkHLLAppendBinary(b *testing.B) {
	f := func(name string, n uint64) {
		b.Run(name, func(b *testing.B) {
			h := NewHLL(12)
			for i := range n {
				h.Insert(Mix(seed, i))
			}
			buf := h.AppendBinary(nil)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				buf = h.AppendBinary(buf[:0])
			}
		})
	}
	f("sparse", 200)
	f("dense", 100_000)
}
