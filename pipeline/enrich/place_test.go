package enrich

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/enrich/geotable"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// known is a database that knows some addresses.
type known map[string]*Place

func (k known) Find(a netip.Addr) *Place      { return k[a.String()] }
func (k known) Version() uint64               { return uint64(len(k)) }
func (k known) Tells() (country, system bool) { return true, false }

func TestLookup(t *testing.T) {
	places := NewPlaces(PlacesConfig{
		Own: prefixes("10.0.0.0/8", "192.0.2.0/24", "193.0.6.0/24"),
		Databases: []Database{
			known{
				"193.0.6.139": {Country: "NL", City: "Amsterdam", Located: true, Latitude: 52.37, Longitude: 4.9, ASN: 3333},
				"9.9.9.9":     {Country: "CH"},
				"9.9.9.10":    {Country: "CH", City: "Zürich"},
				"1.2.3.4":     {Country: "AU", Kind: VPN, List: "some.mmdb"},
				// What it says of addresses that are special by themselves is left aside.
				"10.1.2.3":     {Country: "DE", ASN: 1},
				"172.16.0.1":   {Country: "DE", City: "Ulm", ASN: 1, Kind: Hosting},
				"198.51.100.1": {Country: "US"},
			},
			known{
				"9.9.9.9":     {Country: "US", City: "Berkeley", Located: true, Latitude: 37.9, Longitude: -122.3, ASN: 19281, ASName: "Quad9"},
				"9.9.9.10":    {Country: "CH", City: "Bern", Located: true, Latitude: 46.9, Longitude: 7.4},
				"193.0.6.139": {ASN: 1, ASName: "another's"},
			},
		},
		Lists: []Listed{
			{Kind: Hosting, Name: "Cloud", Prefixes: prefixes("1.2.0.0/16", "5.6.7.0/24")},
			{Kind: Scanner, Name: "Scanners", Prefixes: prefixes("5.6.0.0/16")},
			{Kind: VPN, Name: "Tunnels", Prefixes: prefixes("5.6.7.8/32", "2a00:1::/32")},
		},
		Services: []AWSRange{
			{netip.MustParsePrefix("3.0.0.0/8"), "AMAZON"},
			{netip.MustParsePrefix("3.5.0.0/16"), "S3"},
			{netip.MustParsePrefix("3.5.0.0/16"), "AMAZON"},
			{netip.MustParsePrefix("3.5.0.0/16"), "EC2"},
			{netip.MustParsePrefix("3.5.1.0/24"), "AMAZON"},
		},
	})
	f := func(a string, want Place) {
		t.Helper()
		var addr netip.Addr
		if a != "" {
			addr = netip.MustParseAddr(a)
		}
		if diff := cmp.Diff(want, places.Lookup(addr)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", a, diff)
		}
	}
	f("", Place{})
	f("11.0.0.1", Place{})
	f("10.1.2.3", Place{Kind: Own})
	f("192.0.2.7", Place{Kind: Own}) // a bogon that is ours
	f("172.16.0.1", Place{Kind: Private})
	f("198.51.100.1", Place{Kind: Bogon})
	// An own address that the Internet reaches is somewhere.
	f("193.0.6.139", Place{Kind: Own, Country: "NL", City: "Amsterdam", Located: true, Latitude: 52.37, Longitude: 4.9, ASN: 3333})
	// The first that tells counts; a city of another country does not go with it.
	f("9.9.9.9", Place{Country: "CH", ASN: 19281, ASName: "Quad9"})
	f("9.9.9.10", Place{Country: "CH", City: "Zürich", Located: true, Latitude: 46.9, Longitude: 7.4})
	f("::ffff:9.9.9.9", Place{Country: "CH", ASN: 19281, ASName: "Quad9"})
	f("64:ff9b::909:909", Place{Country: "CH", ASN: 19281, ASName: "Quad9"}) // NAT64
	f("1.2.3.4", Place{Country: "AU", Kind: Hosting, List: "Cloud"})         // a list of the user before a database
	f("5.6.7.8", Place{Kind: Scanner, List: "Scanners"})                     // what tells most of several
	f("2a00:1::1", Place{Kind: VPN, List: "Tunnels"})
	f("3.1.1.1", Place{Service: "AMAZON"})
	f("3.5.0.1", Place{Service: "EC2"}) // never AMAZON where there is another
	f("3.5.1.1", Place{Service: "EC2"})
	var none *Places
	if got := none.Lookup(netip.MustParseAddr("9.9.9.9")); got != (Place{}) {
		t.Errorf("nil knows %+v", got)
	}
}

func TestSpecialKind(t *testing.T) {
	f := func(want Kind, all ...string) {
		t.Helper()
		for _, a := range all {
			if got := specialKind(netip.MustParseAddr(a)); got != want {
				t.Errorf("%s: %q, want %q", a, got, want)
			}
		}
	}
	f(Private, "10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255",
		"169.254.169.254", "fc00::", "fdff::1", "fe80::1", "febf::1")
	f(Bogon, "0.0.0.0", "0.255.255.255", "127.0.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.255",
		"224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "100::1", "64:ff9b:1::1", "2001::1", "2001:2::1", "2001:db8::1",
		"2002::1", "3fff::1", "3ffe::1", "4000::1", "fec0::1", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
	f("", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.0.0.9", "192.0.1.0", "198.17.255.255",
		"198.20.0.0", "203.0.114.0", "223.255.255.255", "2001:4:112::1", "2001:200::1", "2600::1", "2a00::1", "3fff:1000::1", "64:ff9b::1")
}

// The steps agree with asking every network.
func TestPrefixMapAgreesWithEveryPrefix(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	rank := []int{0, 0, 1, 1, 2} // by value
	better := func(a, b uint16) bool { return rank[a] > rank[b] }
	for round := range 300 {
		var all []prefixValue
		if round%3 == 0 { // so many that they are found by their /16
			for i := range fewSteps {
				a := netip.AddrFrom4([4]byte{1, byte(i >> 6), byte(i << 2), 0})
				all = append(all, prefixValue{netip.PrefixFrom(a, 24), uint16(1 + i%4)})
			}
		}
		for range random.IntN(12) {
			value := uint16(1 + random.IntN(4))
			switch random.IntN(3) {
			case 0:
				v4 := netip.AddrFrom4([4]byte{255, 255, 255 - byte(random.IntN(4)), byte(random.IntN(256))})
				all = append(all, prefixValue{netip.PrefixFrom(v4, 20+random.IntN(13)), value})
			case 1:
				v4 := netip.AddrFrom4([4]byte{2: byte(random.IntN(4)), 3: byte(random.IntN(256))})
				all = append(all, prefixValue{netip.PrefixFrom(v4, 20+random.IntN(13)), value})
			case 2:
				v6 := netip.AddrFrom16([16]byte{0x20, 1, 14: byte(random.IntN(4)), 15: byte(random.IntN(256))})
				all = append(all, prefixValue{netip.PrefixFrom(v6, 116+random.IntN(13)), value})
			}
		}
		m := newPrefixMap(all, better)
		for range 300 {
			a := netip.AddrFrom4([4]byte{255, 255, 255 - byte(random.IntN(4)), byte(random.IntN(256))})
			switch random.IntN(4) {
			case 3:
				a = netip.AddrFrom4([4]byte{1, byte(random.IntN(17)), byte(random.IntN(256)), 7})
			case 0:
				a = netip.AddrFrom16([16]byte{0x20, 1, 14: byte(random.IntN(5)), 15: byte(random.IntN(256))})
			case 1:
				a = netip.AddrFrom4([4]byte{2: byte(random.IntN(5)), 3: byte(random.IntN(256))})
			}
			want, bits := uint16(0), -1
			for _, p := range all {
				if p.prefix.Contains(a) && (want == 0 || better(p.value, want) || !better(want, p.value) && p.prefix.Bits() > bits) {
					want, bits = p.value, p.prefix.Bits()
				}
			}
			if got := m.at(a); got != want {
				t.Fatalf("%s in %v: %d, want %d", a, all, got, want)
			}
		}
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	places := benchPlaces()
	for _, s := range []string{"8.8.8.8", "10.0.0.1", "2001:4860:4860::8888", "198.51.100.1"} {
		a := netip.MustParseAddr(s)
		if n := testing.AllocsPerRun(100, func() { places.Lookup(a) }); n != 0 {
			t.Errorf("%s: %g allocations", s, n)
		}
	}
}

// benchPlaces knows the embedded table, 30,000 networks of lists and 8,000 of AWS.
func benchPlaces() *Places {
	random := rand.New(rand.NewPCG(3, 4))
	network := func() netip.Prefix {
		v := random.Uint32()
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), 16+random.IntN(17))
	}
	c := PlacesConfig{Own: prefixes("10.0.0.0/8", "fc00::/7"), Table: geotable.Embedded()}
	for _, kind := range told {
		l := Listed{Kind: kind, Name: "list"}
		for range 30_000 / len(told) {
			l.Prefixes = append(l.Prefixes, network())
		}
		c.Lists = append(c.Lists, l)
	}
	for range 8_000 {
		c.Services = append(c.Services, AWSRange{network(), "EC2"})
	}
	return NewPlaces(c)
}

func BenchmarkLookup(b *testing.B) {
	places := benchPlaces()
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]netip.Addr, 1<<16)
	for i := range all {
		v := random.Uint32()
		all[i] = netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		places.Lookup(all[i&(len(all)-1)])
		i++
	}
}

func TestWhatPlacesTell(t *testing.T) {
	f := func(p *Places, country, system bool) {
		t.Helper()
		if c, s := p.Tells(); c != country || s != system {
			t.Errorf("country %v, system %v, want %v, %v", c, s, country, system)
		}
	}
	f(nil, false, false)
	f(NewPlaces(PlacesConfig{}), false, false)
	f(NewPlaces(PlacesConfig{Databases: []Database{known{}}}), true, false)
	f(NewPlaces(PlacesConfig{Table: new(geotable.Table)}), true, true)
}

func TestWhence(t *testing.T) {
	database := known{"9.9.9.9": {Country: "CH"}, "8.8.8.8": {Country: "US"}}
	enricher := New(prefixes("10.0.0.0/8"), nil).
		With(NewPlaces(PlacesConfig{Own: prefixes("10.0.0.0/8"), Databases: []Database{database}}))
	layout, err := flowlog.ParseLayout("srcaddr dstaddr pkt-src-aws-service pkt-dst-aws-service")
	if err != nil {
		t.Fatal(err)
	}
	var r flowlog.Record
	var flow Flow
	f := func(line, want string) {
		t.Helper()
		if reason := layout.Parse([]byte(line), &r); reason != flowlog.ReasonNone {
			t.Fatalf("%s: %s", line, reason)
		}
		enricher.Enrich(&r, &flow)
		if got := fmt.Sprintf("%s %s %s %s", flow.Remote(), flow.Whence().Country, flow.Whence().Kind, flow.LoggedService()); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	f("9.9.9.9 10.0.0.1 S3 -", "9.9.9.9 CH  S3")
	f("9.9.9.9 10.0.0.1 - EC2", "9.9.9.9 CH  ")
	f("10.0.0.1 8.8.8.8 S3 EC2", "8.8.8.8 US  EC2")
	f("10.0.0.1 10.0.0.2 - -", "10.0.0.1  own ")
	f("- - - -", "invalid IP   ")
	for range 3 { // all slots, several times
		for i := range 10_000 {
			a := fmt.Sprintf("11.0.%d.%d", i>>8, i&255)
			f(a+" 10.0.0.1 - -", a+"   ")
			f("9.9.9.9 10.0.0.1 - -", "9.9.9.9 CH  ")
		}
	}
	database["11.0.0.1"] = &Place{Country: "US"} // another version
	f("11.0.0.1 10.0.0.1 - -", "11.0.0.1 US  ")
	f("9.9.9.9 10.0.0.1 - -", "9.9.9.9 CH  ")
	if n := testing.AllocsPerRun(100, func() { flow.Whence() }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}
