package sketch

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// The hashes are part of the persisted format: these values may never change.
func TestHashesAreStable(t *testing.T) {
	f := func(name string, got, want uint64) {
		t.Helper()
		if got != want {
			t.Errorf("%s = %#x, want %#x", name, got, want)
		}
	}
	f("Hash64(nil)", Hash64(nil), 0xef46db3751d8e999)
	f("Hash64(abc)", Hash64([]byte("abc")), 0x44bc2cf5ad770999)
	f("HashString(abc)", HashString("abc"), Hash64([]byte("abc")))
	f("Mix(seed, 0)", Mix(seed, 0), mappedPrefix)
	f("10.0.3.17", HashAddr(netip.MustParseAddr("10.0.3.17")), 0xbb0a73eba7981483)
	f("2001:db8::1", HashAddr(netip.MustParseAddr("2001:db8::1")), 0x9fae7cfb61b2e641)
}

func TestHashAddrForms(t *testing.T) {
	f := func(a, b string, equal bool) {
		t.Helper()
		if got := HashAddr(netip.MustParseAddr(a)) == HashAddr(netip.MustParseAddr(b)); got != equal {
			t.Errorf("%s and %s hash alike: %v, want %v", a, b, got, equal)
		}
	}
	f("192.0.2.1", "::ffff:192.0.2.1", true)
	f("fe80::1%eth0", "fe80::1", true)
	f("192.0.2.1", "::192.0.2.1", false)
	f("2001:db8::1", "2001:db8:0:1::", false)
	if HashAddr(netip.Addr{}) != HashAddr(netip.IPv6Unspecified()) {
		t.Error("the zero Addr does not hash like ::")
	}
}

// Sequential addresses must spread evenly over registers (upper bits) and
// table slots (lower bits), and every bit must be set half of the time.
func TestHashAddrSpreadsSequentialAddresses(t *testing.T) {
	for _, first := range []string{"10.0.0.0", "203.0.113.0", "2001:db8::", "2600:1f18::ffff:0"} {
		const n, buckets = 1 << 16, 1 << 10
		var upper, lower [buckets]float64
		var set [64]int
		for a, i := netip.MustParseAddr(first), 0; i < n; a, i = a.Next(), i+1 {
			h := HashAddr(a)
			upper[h>>54]++
			lower[h%buckets]++
			for b := h; b != 0; b &= b - 1 {
				set[bits.TrailingZeros64(b)]++
			}
		}
		for name, counts := range map[string]*[buckets]float64{"upper": &upper, "lower": &lower} {
			chi := 0.0
			for _, c := range counts {
				chi += (c - n/buckets) * (c - n/buckets) / (n / buckets)
			}
			// 1023 degrees of freedom: mean 1023, standard deviation 45.
			if chi < 1023-5*45 || chi > 1023+5*45 {
				t.Errorf("%s from %s: chi square of the %s ten bits = %.0f, want 1023 +- 225", "addresses", first, name, chi)
			}
		}
		for bit, c := range set {
			if c < n/2-5*128 || c > n/2+5*128 { // standard deviation 128
				t.Errorf("addresses from %s: bit %d is set %d times of %d", first, bit, c, n)
			}
		}
	}
}

// One flipped input bit flips each output bit with probability one half.
func TestMixAvalanche(t *testing.T) {
	var flips [64]int
	const rounds = 2000
	for i := range uint64(rounds) {
		h := Mix(seed, i)
		for bit := range 64 {
			flips[bit] += bits.OnesCount64(h ^ Mix(seed, i^1<<bit))
		}
	}
	for bit, n := range flips {
		if mean := float64(n) / rounds; mean < 31 || mean > 33 {
			t.Errorf("flipping input bit %d flips %.2f output bits, want about 32", bit, mean)
		}
	}
}

func TestMixIsInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, a, b := rapid.Uint64().Draw(t, "h"), rapid.Uint64().Draw(t, "a"), rapid.Uint64().Draw(t, "b")
		if (Mix(h, a) == Mix(h, b)) != (a == b) {
			t.Fatalf("Mix(%#x, %#x) and Mix(%#x, %#x)", h, a, h, b)
		}
	})
}

func BenchmarkHashAddr(b *testing.B) {
	f := func(name, addr string) {
		b.Run(name, func(b *testing.B) {
			a := netip.MustParseAddr(addr)
			b.ReportAllocs()
			sum := uint64(0)
			for b.Loop() {
				sum += HashAddr(a)
			}
			_ = sum
		})
	}
	f("v4", "198.51.100.7")
	f("v6", "2001:db8::7")
}

func BenchmarkHash64(b *testing.B) {
	key := binary.BigEndian.AppendUint64([]byte("eni-0123456789abcdef"), 7)
	b.SetBytes(int64(len(key)))
	b.ReportAllocs()
	sum := uint64(0)
	for b.Loop() {
		sum += Hash64(key)
	}
	_ = sum
}
