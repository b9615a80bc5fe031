package summary

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

func encoded(t *testing.T, s *Summary, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.Report(o).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, b.Bytes()); err != nil {
		t.Fatal(err)
	}
	return compact.String()
}

func TestJSON(t *testing.T) {
	f := func(name string, s *Summary, o Options, want ...string) {
		t.Helper()
		if diff := gocmp.Diff(strings.Join(want, ""), encoded(t, s, o)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	zero := `{"records":0,"bytes":0,"packets":0,"accepted":0,"rejected":0,"unique_sources":0}`
	f("nothing", &Summary{}, Options{},
		`{"records":{"total":0,"ok":0,"nodata":0,"skipdata":0,"malformed":0,"late":0},`,
		`"ingress":`, zero, `,"egress":`, zero, `,"unknown_direction":`, zero, `,`,
		`"unique_sources":0,"first":null,"last":null,"top_sources":[],"top_ports":[],"countries":[],"asns":[],"findings":[]}`)

	var s Summary
	s.Add(&Flow{Direction: flowlog.Ingress, Source: netip.MustParseAddr("203.0.113.9"), Target: netip.MustParseAddr("10.0.0.1"),
		DstPort: 443, Protocol: 6, Packets: 3, Bytes: 180, Action: flowlog.Accept, Start: 1795435200, End: 1795435259})
	s.Add(&Flow{Direction: flowlog.Egress, Source: netip.MustParseAddr("10.0.0.1"), Target: netip.MustParseAddr("203.0.113.9"),
		DstPort: 50000, Protocol: 6, Packets: 2, Bytes: 100, Action: flowlog.Reject, Start: 1795435190, End: 1795435300})
	s.AddNoData(2)
	s.AddSkipData(1)
	s.AddMalformed("fields", 4)
	s.AddLate(1)
	f("two records", &s, Options{Locate: locate, Findings: []json.RawMessage{[]byte(`{"uid":"<x>"}`)}},
		`{"records":{"total":9,"ok":2,"nodata":2,"skipdata":1,"malformed":4,"late":1},`,
		`"ingress":{"records":1,"bytes":180,"packets":3,"accepted":1,"rejected":0,"unique_sources":1},`,
		`"egress":{"records":1,"bytes":100,"packets":2,"accepted":0,"rejected":1,"unique_sources":1},`,
		`"unknown_direction":`, zero, `,`,
		`"unique_sources":2,"first":"2026-11-23T11:59:50Z","last":"2026-11-23T12:01:40Z",`,
		`"top_sources":[{"addr":"203.0.113.9","records":1,"bytes":180,"packets":3,"targets":1,"country":"DE","asn":64500,"as_name":"EXAMPLE"}],`,
		`"top_ports":[{"port":443,"protocol":"tcp","records":1}],`,
		`"countries":[{"country":"DE","records":1,"unique_sources":1}],`,
		`"asns":[{"asn":64500,"as_name":"EXAMPLE","records":1,"unique_sources":1}],"findings":[{"uid":"<x>"}]}`)

	var lacking Summary
	lacking.Add(&Flow{Direction: flowlog.Ingress, Source: netip.MustParseAddr("2001:db8::1"),
		DstPort: Null, Protocol: Null, Packets: Null, Bytes: Null, Start: Null, End: Null})
	none := `{"records":0,"bytes":null,"packets":null,"accepted":null,"rejected":null,"unique_sources":0}`
	f("a format that lacks most", &lacking, Options{},
		`{"records":{"total":1,"ok":1,"nodata":0,"skipdata":0,"malformed":0,"late":0},`,
		`"ingress":{"records":1,"bytes":null,"packets":null,"accepted":null,"rejected":null,"unique_sources":1},`,
		`"egress":`, none, `,"unknown_direction":`, none, `,`,
		`"unique_sources":1,"first":null,"last":null,`,
		`"top_sources":[{"addr":"2001:db8::1","records":1,"bytes":null,"packets":null,"targets":null,"country":"","asn":0,"as_name":""}],`,
		`"top_ports":[],"countries":[],"asns":[],"findings":[]}`)

	var nameless Summary
	nameless.Add(&Flow{DstPort: Null, Protocol: Null, Packets: 1, Bytes: Null, Start: Null, End: Null})
	if got := encoded(t, &nameless, Options{}); !strings.Contains(got, `"unique_sources":null,"first":null`) {
		t.Errorf("no source in any record: %s", got)
	}
}

func locate(a netip.Addr) enrich.Place {
	if a.Is6() {
		return enrich.Place{}
	}
	return enrich.Place{Country: "DE", ASN: 64500, ASName: "EXAMPLE", Kind: enrich.Hosting}
}

// crowded has long addresses, great numbers and every list.
func crowded() *Summary {
	var s Summary
	for i := range 30 {
		f := Flow{Direction: i % 3, Target: netip.MustParseAddr("10.0.0.1"), DstPort: int64(i), Protocol: 58,
			Packets: 98_765_432_109, Bytes: 1 << 60, Action: flowlog.Accept, Start: 1795435200, End: 1795835259}
		f.Source = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10, 0xab, 0xcd, 0xef, byte(0x10 + i)})
		s.Add(&f)
		f.Direction = flowlog.Ingress
		s.Add(&f)
		s.ok, s.directions[1].accepted = s.ok+3_333_333, s.directions[1].accepted+7_777_777
		f.Source = netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
		s.Add(&f)
		s.AddMalformed(fmt.Sprintf("reason number %d", i), 1234)
	}
	s.AddLate(5)
	return &s
}

func TestTableFitsItsWidth(t *testing.T) {
	findings := []string{
		"High scan.internal: 10.0.3.17 tried 120 distinct TCP ports on 10.0.7.42 in 5 min; 118 failed, 2 answered",
		strings.Repeat("wide", 60) + " and on",
		"bell \a and\x1b[31m colour",
	}
	r := crowded().Report(Options{Locate: func(netip.Addr) enrich.Place {
		return enrich.Place{
			Country: "DE", City: strings.Repeat("Aue bei Bad Berleburg ", 5) + "\a", Kind: enrich.Scanner, Service: "EC2",
			ASN: 4_200_000_000, ASName: "A network with a name that is far too long for any table\x1b[2J",
		}
	}})
	for _, width := range []int{0, 40, 80, 120, 200} {
		for _, color := range []bool{false, true} {
			var b strings.Builder
			if err := r.WriteTable(&b, TableOptions{Width: width, Color: color, Findings: findings}); err != nil {
				t.Fatal(err)
			}
			got := b.String()
			if color != strings.Contains(got, "\x1b[1m") {
				t.Errorf("width %d, color %v: bold headings %v", width, color, !color)
			}
			got = strings.NewReplacer("\x1b[1m", "", "\x1b[0m", "").Replace(got)
			if strings.ContainsAny(got, "\x1b\a") {
				t.Errorf("width %d: control characters got through", width)
			}
			limit := width
			if limit == 0 {
				limit = DefaultWidth
			}
			for line := range strings.Lines(got) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > limit {
					t.Errorf("width %d: %d columns: %s", width, n, line)
				}
			}
		}
	}
}

// At 80 columns every number of the widest table can be read.
func TestTableShowsAllColumns(t *testing.T) {
	var b strings.Builder
	if err := crowded().Report(Options{Top: 30}).WriteTable(&b, TableOptions{}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "…") {
		t.Errorf("something was cut:\n%s", b.String())
	}
}

func TestTable(t *testing.T) {
	var s Summary
	for i := range 12345 {
		s.Add(&Flow{Direction: flowlog.Ingress, Source: netip.AddrFrom4([4]byte{203, 0, 113, byte(i % 3)}),
			Target: netip.MustParseAddr("10.0.0.1"), DstPort: int64(80 + i%2*363), Protocol: 6, Packets: 3, Bytes: 1800,
			Action: 1 + i%2, Start: 1795435200, End: 1795435259 + int64(i)})
	}
	s.AddMalformed("fields", 2)
	s.AddMalformed("time", 1)
	s.AddNoData(7)
	var b strings.Builder
	if err := s.Report(Options{}).WriteTable(&b, TableOptions{Findings: []string{"High scan.internal 10.0.3.17"}}); err != nil {
		t.Fatal(err)
	}
	want := `Records   12,355 in all: 12,345 ok, 7 no data, 0 skipped, 3 malformed
Malformed fields 2, time 1
Time      2026-11-23 12:00:00 to 2026-11-23 15:26:43 UTC (3h 26m)
Sources   3 distinct

         records     bytes  packets  accepted  rejected  sources
Ingress   12,345  21.2 MiB   37,035     6,173     6,172        3
Egress         0       0 B        0         0         0        0
Unknown        0       0 B        0         0         0        0

Top sources  records    bytes  packets  targets
203.0.113.0    4,115  7.1 MiB   12,345        2
203.0.113.1    4,115  7.1 MiB   12,345        2
203.0.113.2    4,115  7.1 MiB   12,345        2

Top ports  records
80/tcp       6,173
443/tcp      6,172

Findings: 1
  High scan.internal 10.0.3.17
`
	if diff := gocmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Where a source belongs fits into the rest of 80 columns, the country first.
func TestTableOfPlaces(t *testing.T) {
	places := map[string]enrich.Place{
		"8.8.8.8":  {Country: "US", ASN: 15169, ASName: "Google LLC"},
		"9.9.9.9":  {Country: "CH", City: "Zürich", Located: true, Latitude: 47.37, Longitude: 8.55, Kind: enrich.Hosting, ASN: 19281, ASName: "Quad9"},
		"9.9.9.10": {Country: "CH", Located: true, Latitude: 46.948, Longitude: 7.447},
		"10.1.2.3": {Kind: enrich.Own},
	}
	var s Summary
	for addr, records := range map[string]int{"8.8.8.8": 4, "9.9.9.9": 3, "9.9.9.10": 2, "10.1.2.3": 1} {
		for range records {
			s.Add(&Flow{Direction: flowlog.Ingress, Source: netip.MustParseAddr(addr), Target: netip.MustParseAddr("10.0.0.1"),
				DstPort: 443, Protocol: 6, Packets: 3, Bytes: 1800, Action: flowlog.Accept, Start: 1795435200, End: 1795435259})
		}
	}
	r := s.Report(Options{Top: 2, Locate: func(a netip.Addr) enrich.Place { return places[a.String()] }})
	if diff := gocmp.Diff([]Country{{"CH", 5, 2}, {"US", 4, 1}, {"", 1, 1}}, r.AllCountries); diff != "" {
		t.Errorf("all countries (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff([]Country{{"CH", 5, 2}, {"US", 4, 1}}, r.Countries); diff != "" {
		t.Errorf("countries (-want +got):\n%s", diff)
	}
	var b strings.Builder
	if err := s.Report(Options{Locate: func(a netip.Addr) enrich.Place { return places[a.String()] }}).WriteTable(&b, TableOptions{}); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(b.String(), "\n\nTop sources")
	want := `  records    bytes  packets  targets  from
8.8.8.8            4  7.0 KiB       12        1  US AS15169 Google LLC
9.9.9.9            3  5.3 KiB        9        1  CH hosting AS19281 Quad9 Zürich
9.9.9.10           2  3.5 KiB        6        1  CH
10.1.2.3           1  1.8 KiB        3        1  own

Top ports  records
443/tcp         10

Countries   records  sources
CH                5        2
US                4        1
none known        1        1

Cities          records  sources
CH Zürich             3        1
CH 46.95, 7.45        2        1

Networks    records  sources  name
AS15169           4        1  Google LLC
none known        3        2
AS19281           3        1  Quad9

No findings
`
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUnits(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(count(0), "0")
	f(count(999), "999")
	f(count(1_000), "1,000")
	f(count(99_999_999), "99,999,999")
	f(count(123_456_789), "123.5M")
	f(brief(999_999), "999,999")
	f(brief(1_000_000), "1.0M")
	f(brief(999_999_999), "1.0G")
	f(size(0), "0 B")
	f(size(1023), "1023 B")
	f(size(1024), "1.0 KiB")
	f(size(1<<63-1), "8.0 EiB")
	f(span(0), "0s")
	f(span(61e9), "1m 1s")
	f(span(25*3600e9), "1d 1h")
}

func TestWriteErrors(t *testing.T) {
	r := new(Summary).Report(Options{})
	if err := r.WriteJSON(broken{}); err == nil {
		t.Error("JSON: the error got lost")
	}
	if err := r.WriteTable(broken{}, TableOptions{}); err == nil {
		t.Error("table: the error got lost")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
