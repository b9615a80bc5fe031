package geotable

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// written writes what a builder knows and reads it again.
func written(t *testing.T, b *Builder) *Table {
	t.Helper()
	var file bytes.Buffer
	if _, err := b.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	table, err := Read(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// unpacked is written without the compression, which takes most of the time.
func unpacked(t *testing.T, b *Builder) *Table {
	t.Helper()
	table, err := parse(b.Date, b.encode())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestLookup(t *testing.T) {
	b := &Builder{Date: "2026-06-17"}
	for _, c := range []struct{ from, to, country string }{
		{"0.0.0.0", "0.0.0.255", "ZZ"},
		{"203.0.113.0", "203.0.113.127", "DE"},
		{"203.0.113.16", "203.0.113.31", "FR"},
		{"255.255.255.0", "255.255.255.255", "JP"},
		{"2001:db8::", "2001:db8:0:ffff:ffff:ffff:ffff:ffff", "SE"},
		{"2001:db8:1:1:8000::", "2001:db8:1:2:ffff:ffff:ffff:ffff", "NO"}, // begins within a /64
		{"2001:db8:2:1:8000::", "2001:db8:2:1:8000::ff", "DK"},            // lies within one
		{"ffff::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "FI"},
	} {
		if err := b.AddCountry(addr(c.from), addr(c.to), c.country); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []struct {
		from, to string
		number   uint32
		name     string
	}{
		{"203.0.113.0", "203.0.113.255", 64500, "Example\u00a0  Net - Example Net"},
		{"198.51.100.0", "198.51.100.255", 64501, "Other\u00adNet\n\x1b[1m"},
		{"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 4200000000, ""},
	} {
		if err := b.AddSystem(addr(s.from), addr(s.to), s.number, s.name); err != nil {
			t.Fatal(err)
		}
	}
	table := written(t, b)
	f := func(a, want string) {
		t.Helper()
		number, name := table.System(addr(a))
		if got := fmt.Sprintf("%s %d %s", table.Country(addr(a)), number, name); got != want {
			t.Errorf("%s: %q, want %q", a, got, want)
		}
	}
	f("0.0.0.0", "ZZ 0 ")
	f("0.0.1.0", " 0 ")
	f("203.0.112.255", " 0 ")
	f("203.0.113.0", "DE 64500 Example Net")
	f("203.0.113.15", "DE 64500 Example Net")
	f("203.0.113.16", "FR 64500 Example Net")
	f("203.0.113.31", "FR 64500 Example Net")
	f("203.0.113.32", "DE 64500 Example Net") // the wider range goes on
	f("203.0.113.128", " 64500 Example Net")
	f("203.0.114.0", " 0 ")
	f("198.51.100.7", " 64501 Other-Net [1m")
	f("255.255.255.255", "JP 0 ")
	f("::", " 0 ")
	f("2001:db8::1", "SE 4200000000 ")
	f("2001:db8:1::", " 4200000000 ")
	f("2001:db8:1:1:8000::1", " 4200000000 ")
	f("2001:db8:1:2::", "NO 4200000000 ")
	f("2001:db8:2:1:8000::1", " 4200000000 ")
	f("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "FI 0 ")
	if table.Date() != "2026-06-17" {
		t.Errorf("date %q", table.Date())
	}
	if n, name := table.System(netip.Addr{}); table.Country(netip.Addr{}) != "" || n != 0 || name != "" {
		t.Error("the zero address is somewhere")
	}
}

func TestANilTableKnowsNothing(t *testing.T) {
	var table *Table
	if n, name := table.System(addr("8.8.8.8")); n != 0 || name != "" || table.Country(addr("8.8.8.8")) != "" || table.Date() != "" {
		t.Error("it does")
	}
}

// What a table says is what the span that begins last says, whatever was added.
func TestATableAgreesWithItsSpans(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 100 {
		b := &Builder{Date: "2026-06-17"}
		type told struct {
			from, to netip.Addr
			number   uint32
		}
		var all []told
		at := func(v4 bool, i int) netip.Addr {
			if v4 {
				return netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}) // over the borders of /16
			}
			return netip.AddrFrom16([16]byte{0x20, 1, 6: byte(i >> 8), 7: byte(i)})
		}
		for range random.IntN(30) {
			v4, i := random.IntN(2) == 0, random.IntN(600)
			s := told{at(v4, i), at(v4, i+random.IntN(100)), 1 + random.Uint32N(5)}
			all = append(all, s)
			if err := b.AddSystem(s.from, s.to, s.number, "x"); err != nil {
				t.Fatal(err)
			}
		}
		table := unpacked(t, b)
		for range 400 {
			a := at(random.IntN(2) == 0, random.IntN(700))
			var best *told
			for i := range all {
				s := &all[i]
				if s.from.Is4() != a.Is4() || a.Less(s.from) || s.to.Less(a) {
					continue
				}
				if best == nil || best.from.Less(s.from) || best.from == s.from && !best.to.Less(s.to) {
					best = s
				}
			}
			want := uint32(0)
			if best != nil {
				want = best.number
			}
			if got, _ := table.System(a); got != want {
				t.Fatalf("round %d: %s is in %d, want %d of %v", round, a, got, want, all)
			}
		}
	}
}

func TestBuilderRefuses(t *testing.T) {
	b := &Builder{}
	for name, err := range map[string]error{
		"a name for a country": b.AddCountry(addr("192.0.2.0"), addr("192.0.2.9"), "Germany"),
		"small letters":        b.AddCountry(addr("192.0.2.0"), addr("192.0.2.9"), "de"),
		"two families":         b.AddCountry(addr("192.0.2.0"), addr("2001:db8::"), "DE"),
		"no addresses":         b.AddCountry(netip.Addr{}, netip.Addr{}, "DE"),
		"end before start":     b.AddSystem(addr("192.0.2.9"), addr("192.0.2.0"), 1, ""),
		"system 0":             b.AddSystem(addr("192.0.2.0"), addr("192.0.2.9"), 0, ""),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := b.WriteTo(new(bytes.Buffer)); err == nil {
		t.Error("a table without a date is written")
	}
}

// FuzzRead holds that a broken file is an error and no more.
func FuzzRead(f *testing.F) {
	b := &Builder{Date: "2026-06-17"}
	_ = b.AddCountry(addr("203.0.113.0"), addr("203.0.113.127"), "DE")
	_ = b.AddSystem(addr("2001:db8::"), addr("2001:db8:ffff::"), 64500, "Example")
	var file bytes.Buffer
	if _, err := b.WriteTo(&file); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add([]byte(magic + "2026-06-17\n"))
	f.Add(file.Bytes()[:file.Len()-3])
	f.Add(b.encode())
	f.Fuzz(func(t *testing.T, file []byte) {
		if _, err := Read(file); err != nil && !errors.Is(err, ErrBroken) {
			t.Errorf("%v is not ErrBroken", err)
		}
		table, err := parse("2026-06-17", file) // as what was unpacked
		if err != nil {
			if !errors.Is(err, ErrBroken) {
				t.Errorf("%v is not ErrBroken", err)
			}
			return
		}
		for _, a := range []string{"0.0.0.0", "203.0.113.1", "255.255.255.255", "::", "2001:db8::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"} {
			table.Country(addr(a))
			table.System(addr(a))
		}
	})
}
