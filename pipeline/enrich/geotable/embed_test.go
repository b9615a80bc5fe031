//go:build !nogeo

package geotable

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Addresses whose country and system are as good as certain to stay.
func TestEmbedded(t *testing.T) {
	f := func(a, country string, number uint32) {
		t.Helper()
		got, _ := Embedded().System(addr(a))
		if c := Embedded().Country(addr(a)); c != country || got != number {
			t.Errorf("%s: %s AS%d, want %s AS%d", a, c, got, country, number)
		}
	}
	f("8.8.8.8", "US", 15169)
	f("193.0.6.139", "NL", 3333) // RIPE NCC
	f("130.89.1.1", "NL", 1133)  // University of Twente
	f("133.11.0.1", "JP", 2501)  // University of Tokyo
	f("2001:67c:2e8::1", "NL", 3333)
	f("2001:4860:4860::8888", "US", 15169)
	if _, name := Embedded().System(addr("193.0.6.139")); name == "" {
		t.Error("AS3333 has no name")
	}
	if EmbeddedDate() != Embedded().Date() || EmbeddedDate() == "" {
		t.Errorf("date %q and %q", EmbeddedDate(), Embedded().Date())
	}
	if countries, systems := len(Embedded().countries), len(Embedded().systems); countries < 240 || systems < 80_000 {
		t.Errorf("%d countries and %d systems", countries, systems)
	}
}

func TestLookupsAllocateNothing(t *testing.T) {
	table := Embedded()
	for _, s := range []string{"8.8.8.8", "2001:4860:4860::8888"} {
		a := addr(s)
		if n := testing.AllocsPerRun(100, func() {
			table.Country(a)
			table.System(a)
		}); n != 0 {
			t.Errorf("%s: %g allocations", s, n)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	table := Embedded()
	random := rand.New(rand.NewPCG(1, 2))
	for name, next := range map[string]func() netip.Addr{
		"IPv4": func() netip.Addr {
			v := random.Uint32()
			return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
		},
		"IPv6": func() netip.Addr {
			v := random.Uint64()
			return netip.AddrFrom16([16]byte{0x20 | byte(v>>60)&0x0b, byte(v >> 48), byte(v >> 40), byte(v >> 32), byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
		},
	} {
		b.Run(name, func(b *testing.B) {
			all := make([]netip.Addr, 1<<16)
			for i := range all {
				all[i] = next()
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				a := all[i&(len(all)-1)]
				table.Country(a)
				table.System(a)
				i++
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(embedded); err != nil {
			b.Fatal(err)
		}
	}
}

// The documents name the day of the data that is built in.
func TestDocumentsNameTheDate(t *testing.T) {
	for _, name := range []string{"NOTICE", "docs/enrichment.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), EmbeddedDate()) {
			t.Errorf("%s does not name %s, the day of the data", name, EmbeddedDate())
		}
	}
}
