package mmdb

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

type (
	text    = mmdbtype.String
	object  = mmdbtype.Map
	records map[string]object // by network
)

func encoded(t testing.TB, kind string, version int, all records) []byte {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, IPVersion: version, BuildEpoch: 1_790_000_000, DisableIPv4Aliasing: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, record := range all {
		_, p, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(p, record); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t testing.TB, path string, file []byte) {
	t.Helper()
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
}

func database(t testing.TB, kind string, version int, all records) *Database {
	t.Helper()
	path := filepath.Join(t.TempDir(), "some.mmdb")
	write(t, path, encoded(t, kind, version, all))
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func names(english string) object {
	return object{"names": object{"en": text(english), "de": text("anders")}}
}

// Each schema that people have, as its maker documents it.
func TestSchemas(t *testing.T) {
	const network, inside = "81.2.69.0/24", "81.2.69.142"
	f := func(kind string, record object, want enrich.Place) {
		t.Helper()
		d := database(t, kind, 6, records{network: record})
		got := d.Find(netip.MustParseAddr(inside))
		if got == nil {
			t.Errorf("%s: nothing is found", kind)
			return
		}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
		if d.Find(netip.MustParseAddr("81.2.70.1")) != nil {
			t.Errorf("%s: an address that is not in it is found", kind)
		}
		if c, s := d.Tells(); c != (want.Country != "") || s != (want.ASN != 0) {
			t.Errorf("%s: tells country %v, system %v", kind, c, s)
		}
	}
	country := object{"iso_code": text("GB"), "names": object{"en": text("United Kingdom")}}
	place := object{"latitude": mmdbtype.Float64(51.5142), "longitude": mmdbtype.Float64(-0.0931), "accuracy_radius": mmdbtype.Uint16(10)}
	f("GeoLite2-Country", object{"country": country, "continent": object{"code": text("EU")}}, enrich.Place{Country: "GB"})
	f("GeoIP2-Country", object{"registered_country": country}, enrich.Place{Country: "GB"})
	f("GeoLite2-City", object{"city": names("London"), "country": country, "location": place},
		enrich.Place{Country: "GB", City: "London", Located: true, Latitude: 51.5142, Longitude: -0.0931})
	f("GeoLite2-ASN", object{"autonomous_system_number": mmdbtype.Uint32(15169), "autonomous_system_organization": text("GOOGLE")},
		enrich.Place{ASN: 15169, ASName: "GOOGLE"})
	f("GeoIP2-Enterprise", object{"country": country, "traits": object{"autonomous_system_number": mmdbtype.Uint32(20712), "autonomous_system_organization": text("Andrews & Arnold Ltd")}},
		enrich.Place{Country: "GB", ASN: 20712, ASName: "Andrews & Arnold Ltd"})
	f("GeoIP2-Anonymous-IP", object{"is_anonymous": mmdbtype.Bool(true), "is_anonymous_vpn": mmdbtype.Bool(true), "is_hosting_provider": mmdbtype.Bool(true)},
		enrich.Place{Kind: enrich.VPN, List: "some.mmdb"})
	f("DBIP-Country-Lite", object{"country": country}, enrich.Place{Country: "GB"})
	f("DBIP-City-Lite", object{"city": names("London"), "country": country, "location": place},
		enrich.Place{Country: "GB", City: "London", Located: true, Latitude: 51.5142, Longitude: -0.0931})
	f("DBIP-ASN-Lite (compat=GeoLite2-ASN)", object{"autonomous_system_number": mmdbtype.Uint32(20712), "autonomous_system_organization": text("A&A")},
		enrich.Place{ASN: 20712, ASName: "A&A"})

	f("ipinfo generic_lite.mmdb", object{"country": text("United Kingdom"), "country_code": text("GB"), "asn": text("AS20712"), "as_name": text("A&A"), "as_domain": text("aa.net.uk")},
		enrich.Place{Country: "GB", ASN: 20712, ASName: "A&A"})
	f("ipinfo generic_country_asn_free.mmdb", object{"country": text("GB"), "country_name": text("United Kingdom"), "asn": text("AS20712"), "as_name": text("A&A")},
		enrich.Place{Country: "GB", ASN: 20712, ASName: "A&A"})
	f("ipinfo standard_location.mmdb", object{"city": text("London"), "country": text("GB"), "lat": text("51.50853"), "lng": text("-0.12574")},
		enrich.Place{Country: "GB", City: "London", Located: true, Latitude: 51.50853, Longitude: -0.12574})
	f("ipinfo standard_asn.mmdb", object{"asn": text("AS14061"), "name": text("DigitalOcean, LLC"), "type": text("hosting")},
		enrich.Place{ASN: 14061, ASName: "DigitalOcean, LLC", Kind: enrich.Hosting, List: "some.mmdb"})
	f("ipinfo standard_privacy.mmdb", object{"hosting": text("true"), "tor": text("true"), "vpn": text("")}, enrich.Place{Kind: enrich.Tor, List: "some.mmdb"})

	f("country ipv4", object{"country_code": text("GB")}, enrich.Place{Country: "GB"})
	f("asn", object{"autonomous_system_number": mmdbtype.Uint32(20712), "autonomous_system_organization": text("A&A\n\x1b[1m")},
		enrich.Place{ASN: 20712, ASName: "A&A[1m"})
	f("city", object{"city": text("London"), "country_code": text("GB"), "latitude": mmdbtype.Float32(51.5), "longitude": mmdbtype.Float32(-0.125)},
		enrich.Place{Country: "GB", City: "London", Located: true, Latitude: 51.5, Longitude: -0.125})
	f("out of this world", object{"country": text("GB"), "latitude": mmdbtype.Float64(91), "longitude": mmdbtype.Float64(0)}, enrich.Place{Country: "GB"})
}

// In a database of IPv4 alone an IPv6 address is unknown, and no error.
func TestIPv4Alone(t *testing.T) {
	d := database(t, "GeoLite2-Country", 4, records{"81.2.69.0/24": {"country": object{"iso_code": text("GB")}}})
	if d.Find(netip.MustParseAddr("2001:4860::1")) != nil || d.broken.Load() != 0 {
		t.Error("an IPv6 address is found, or counted as an error")
	}
	if p := d.Find(netip.MustParseAddr("81.2.69.1")); p == nil || p.Country != "GB" {
		t.Errorf("%+v", p)
	}
	both := database(t, "GeoLite2-Country", 6, records{"2001:4860::/32": {"country": object{"iso_code": text("US")}}})
	if p := both.Find(netip.MustParseAddr("2001:4860::1")); p == nil || p.Country != "US" {
		t.Errorf("%+v", p)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	f := func(name string, file []byte, want string) {
		t.Helper()
		path := filepath.Join(dir, name)
		write(t, path, file)
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want the path and %q", name, err, want)
		}
	}
	whole := encoded(t, "GeoLite2-Country", 6, records{"81.2.69.0/24": {"country": object{"iso_code": text("GB")}}})
	f("empty", nil, "accepted: an mmdb file")
	f("text", []byte("1.0.0.0,1.0.0.255,AU\n"), "accepted: an mmdb file")
	f("cut", whole[:len(whole)-40], "accepted: an mmdb file")
	f("other", encoded(t, "GeoIP2-Connection-Type", 6, records{"81.2.69.0/24": {"connection_type": text("Cable/DSL")}}),
		`its type is "GeoIP2-Connection-Type", and none of its first 1 records tells a country`)
	f("mixed", encoded(t, "homemade", 6, records{"81.2.69.0/24": {"country": object{"iso_code": text("GB")}}}), `its type is "homemade", and the record of 81.2.69.0/24`)
	if _, err := Open(filepath.Join(dir, "missing")); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder: %v", err)
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	d := database(t, "GeoLite2-City", 6, records{"81.2.69.0/24": {"city": names("London"), "country": object{"iso_code": text("GB")}}})
	inside, outside := netip.MustParseAddr("81.2.69.1"), netip.MustParseAddr("9.9.9.9")
	d.Find(inside)
	if n := testing.AllocsPerRun(100, func() { d.Find(inside); d.Find(outside) }); n != 0 {
		t.Errorf("%g allocations for a record that was read before", n)
	}
}

// replaced writes another state of a file, with another time than before.
func replaced(t *testing.T, d *Database, file []byte, age time.Duration) {
	t.Helper()
	write(t, d.path, file)
	at := time.Now().Add(-age)
	if err := os.Chtimes(d.path, at, at); err != nil {
		t.Fatal(err)
	}
}

func countryOf(d *Database) string {
	if p := d.Find(netip.MustParseAddr("81.2.69.1")); p != nil {
		return p.Country
	}
	return ""
}

// A new file is taken up when it no longer changes; a broken one leaves the old.
func TestReload(t *testing.T) {
	british := records{"81.2.69.0/24": {"country": object{"iso_code": text("GB")}}}
	french := encoded(t, "GeoLite2-Country", 6, records{"81.2.69.0/24": {"country": object{"iso_code": text("FR")}}})
	d := database(t, "GeoLite2-Country", 6, british)
	core, logs := observer.New(zap.InfoLevel)
	registry := prometheus.NewPedanticRegistry()
	w, err := NewWatcher([]*Database{d}, zap.New(core), registry)
	if err != nil {
		t.Fatal(err)
	}
	f := func(what, country string, version uint64, ok, failed float64) {
		t.Helper()
		w.look()
		if got := countryOf(d); got != country || d.Version() != version {
			t.Errorf("%s: %q of version %d, want %q of %d", what, got, d.Version(), country, version)
		}
		count := func(outcome string) float64 {
			return testutil.ToFloat64(w.metrics.reloads.WithLabelValues(d.path, outcome))
		}
		if count("ok") != ok || count("error") != failed {
			t.Errorf("%s: %g ok and %g errors, want %g and %g", what, count("ok"), count("error"), ok, failed)
		}
	}
	f("unchanged", "GB", 0, 0, 0)
	replaced(t, d, french[:200], time.Hour)
	f("half of it is there", "GB", 0, 0, 0)
	replaced(t, d, french, time.Minute)
	f("all of it, but just now", "GB", 0, 0, 0)
	f("still the same", "FR", 1, 1, 0)
	f("unchanged again", "FR", 1, 1, 0)
	replaced(t, d, []byte("not a database"), time.Second)
	f("broken, just now", "FR", 1, 1, 0)
	f("broken", "FR", 1, 1, 1)
	f("broken all the time", "FR", 1, 1, 2)
	if err := os.Remove(d.path); err != nil {
		t.Fatal(err)
	}
	f("gone", "FR", 1, 1, 3)
	replaced(t, d, encoded(t, "GeoLite2-Country", 6, british), 0)
	f("back, just now", "FR", 1, 1, 3)
	f("back", "GB", 2, 2, 3)
	var told []string
	for _, entry := range logs.All() {
		told = append(told, entry.Message)
	}
	want := []string{
		"database was read again",
		"database can't be read again; what was read before stays in use", // not a database
		"database can't be read again; what was read before stays in use", // no such file
		"database was read again",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v %v", problems, err)
	}
	if n, err := testutil.GatherAndCount(registry); err != nil || n != 4 {
		t.Errorf("%d series, %v", n, err)
	}
}

// Looking up goes on while files are replaced.
func TestFindWhileReloading(t *testing.T) {
	d := database(t, "GeoLite2-Country", 6, records{"81.2.69.0/24": {"country": object{"iso_code": text("GB")}}})
	states := [][]byte{}
	for _, code := range []string{"FR", "DE"} {
		states = append(states, encoded(t, "GeoLite2-Country", 6, records{"81.2.69.0/24": {"country": object{"iso_code": text(code)}}}))
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if c := countryOf(d); c != "GB" && c != "FR" && c != "DE" {
					t.Errorf("country %q", c)
					return
				}
			}
		})
	}
	for i := range 20 {
		replaced(t, d, states[i%2], time.Duration(i+1)*time.Second)
		for range 2 {
			if _, err := d.Reload(); err != nil {
				t.Error(err)
			}
		}
	}
	close(stop)
	readers.Wait()
	if d.Version() != 20 {
		t.Errorf("version %d after 20 files", d.Version())
	}
}

func BenchmarkFind(b *testing.B) {
	all := records{}
	for i := range 1000 {
		network := netip.PrefixFrom(netip.AddrFrom4([4]byte{81, byte(i >> 8), byte(i), 0}), 24).String()
		all[network] = object{"city": names("City " + network), "country": object{"iso_code": text("GB")},
			"location": object{"latitude": mmdbtype.Float64(i % 90), "longitude": mmdbtype.Float64(i % 180)}}
	}
	d := database(b, "GeoLite2-City", 6, all)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		d.Find(netip.AddrFrom4([4]byte{81, byte(i % 1000 >> 8), byte(i % 1000), 9}))
		i++
	}
}

// The watcher takes up a new file within two looks, and ends with its context.
func TestWatcherRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := database(t, "GeoLite2-Country", 6, records{"81.2.69.0/24": {"country": object{"iso_code": text("GB")}}})
		w, err := NewWatcher([]*Database{d}, zap.NewNop(), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		replaced(t, d, encoded(t, "GeoLite2-Country", 6, records{"81.2.69.0/24": {"country": object{"iso_code": text("FR")}}}), time.Hour)
		time.Sleep(Every + time.Second) // of the bubble's clock
		synctest.Wait()
		if got := countryOf(d); got != "GB" {
			t.Errorf("%s after one look", got)
		}
		time.Sleep(Every)
		synctest.Wait()
		if got := countryOf(d); got != "FR" {
			t.Errorf("%s after two looks", got)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
