package localkinesis

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func drawKey(t *rapid.T, label string) hashKey {
	return hashKey{rapid.Uint64().Draw(t, label+" high"), rapid.Uint64().Draw(t, label+" low")}
}

func TestHashKeyArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, other := drawKey(t, "key"), drawKey(t, "other")
		if back, ok := parseHashKey(k.String()); !ok || back != k {
			t.Errorf("%s is read as %s, %t", k, back, ok)
		}
		if got, want := k.compare(other), k.big().Cmp(other.big()); got != want {
			t.Errorf("%s compared with %s: %d, want %d", k, other, got, want)
		}
		want := new(big.Int).Add(k.big(), big.NewInt(1))
		if want.Mod(want, hashSpace); k.next().big().Cmp(want) != 0 || k.next().previous() != k {
			t.Errorf("%s is followed by %s", k, k.next())
		}
	})
}

// Ranges are adjacent, cover the space, and differ by one point at most.
func TestEvenRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "shards")
		ranges := evenRanges(n)
		want := hashKey{}
		least, most := hashSpace, new(big.Int)
		for _, r := range ranges {
			if r.first != want {
				t.Fatalf("a range begins at %s, want %s", r.first, want)
			}
			size := new(big.Int).Sub(r.last.big(), r.first.big())
			if size.Cmp(least) < 0 {
				least = size
			}
			if size.Cmp(most) > 0 {
				most = size
			}
			want = r.last.next()
		}
		if want != (hashKey{}) {
			t.Errorf("the last range ends before %s", want)
		}
		if new(big.Int).Sub(most, least).Cmp(big.NewInt(1)) > 0 {
			t.Errorf("sizes from %s to %s", least, most)
		}
	})
}

// The MD5 of the partition key is the hash key, as the API says.
func TestHashOf(t *testing.T) {
	for key, want := range map[string]string{
		"":    "281949768489412648962353822266799178366", // d41d8cd98f00b204e9800998ecf8427e
		"abc": "191415658344158766168031473277922803570", // 900150983cd24fb0d6963f7d28e17f72
	} {
		if got := hashOf(key).String(); got != want {
			t.Errorf("%q: got %s, want %s", key, got, want)
		}
	}
}
