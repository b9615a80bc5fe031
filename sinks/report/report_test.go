package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"math"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
	"github.com/flowwatch/flowwatch/pipeline/summary"
	"github.com/flowwatch/flowwatch/sinks/worldmap"
)

func write(t *testing.T, in Input) string {
	t.Helper()
	if in.Made.IsZero() {
		in.Made = time.Unix(1_795_438_500, 0)
	}
	var b bytes.Buffer
	if err := Write(&b, in); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// locate makes up a place for every address.
func locate(a netip.Addr) enrich.Place {
	switch b := a.As16(); b[15] % 3 {
	case 0:
		return enrich.Place{
			Country: "DE", City: "Ulm", Latitude: 48.4, Longitude: 10, Located: true, ASN: 64500, ASName: "EXAMPLE-AS Example <b>GmbH</b>",
			Kind: enrich.Hosting, List: "clouds", Service: "EC2",
		}
	case 1:
		return enrich.Place{Country: "SG", ASN: 64501, ASName: "Example Pte"}
	}
	return enrich.Place{}
}

// some is a summary of an hour from many sources.
func some() *summary.Summary {
	var s summary.Summary
	for i := range int64(6000) {
		s.Add(&summary.Flow{
			Direction: flowlog.Ingress, Source: netip.AddrFrom4([4]byte{203, 0, byte(i % 7), byte(i % 250)}), Target: netip.MustParseAddr("10.0.0.1"),
			DstPort: 20 + i%50, Protocol: 6, Packets: 3, Bytes: 1000, Action: 1 + int(i%4/3), Start: 1_795_435_200 + i%3600, End: 1_795_435_250 + i%3600,
		})
	}
	s.AddMalformed("address", 7)
	s.AddNoData(3)
	return &s
}

// rows returns the texts of a table's rows.
func rows(t *testing.T, page, name string) (all []string) {
	t.Helper()
	_, table, ok := strings.Cut(page, `data-table="`+name+`"`)
	if !ok {
		t.Fatalf("no table %s", name)
	}
	table, _, _ = strings.Cut(table, "</table>")
	_, body, _ := strings.Cut(table, "<tbody>")
	for _, row := range strings.Split(body, "</tr>") {
		row = regexp.MustCompile(`<svg.*?</svg>`).ReplaceAllString(row, "")
		cells := regexp.MustCompile(`<td[^>]*>(.*?)</td>`).FindAllStringSubmatch(row, -1)
		var words []string
		for _, c := range cells {
			words = append(words, html.UnescapeString(c[1]))
		}
		if len(words) > 0 {
			all = append(all, strings.Join(words, "|"))
		}
	}
	return all
}

func TestTheReportSaysWhatTheSummarySays(t *testing.T) {
	findings := []detect.Finding{
		{Rule: "scan.internal", UID: "a", Severity: detect.High, Message: "Vertical port scan", Activity: detect.Close, Time: 1_795_436_000},
		{Rule: "spike", UID: "b", Severity: detect.Low, Message: "Ingress spike", Activity: detect.Create, Time: 1_795_436_000},
	}
	page := write(t, Input{
		Summary: some().Report(summary.Options{Top: MostRows, Locate: locate}), Findings: findings, Version: "v9", GeoDate: "2026-06-17",
	})
	text := html.UnescapeString(page)
	for _, want := range []string{
		"2026-11-23 12:00 UTC to 2026-11-23 13:00 UTC", "<dd>6,010<", "<dd>6,000<", "5.7 MiB", "18,000 packets", ">1,750<", "1 high or critical",
		"4,500 accepted, 75.0 %", "1,500 rejected, 25.0 %", "Vertical port scan", "Germany: 2,016 records, 588 sources", "Singapore: ", `class="dot"`, "Ulm, Germany: 2,016 records",
		`table of 2026-06-17`, `<a href="https://db-ip.com" rel="noreferrer">IP Geolocation by DB-IP</a>`, "One bar is 1 min.", "flowwatch v9",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the report", want)
		}
	}
	f := func(name string, n int, first string) {
		t.Helper()
		got := rows(t, page, name)
		if len(got) != n || got[0] != first {
			t.Errorf("table %s has %d rows, want %d; the first is %q, want %q", name, len(got), n, got[0], first)
		}
	}
	f("sources", MostRows, "203.0.0.0|4|Ulm, Germany|AS64500 EXAMPLE-AS Example <b>GmbH</b>|hosting, clouds, EC2|3.9 KiB|12|1")
	f("ports", 50, "20|tcp|120")
	f("countries", 3, "Germany|2,016|588")
	f("cities", 1, "Ulm, Germany|2,016|588")
	f("systems", 3, "64500|EXAMPLE-AS Example <b>GmbH</b>|2,016|588")
	f("directions", 3, "Ingress|6,000|5.7 MiB|18,000|4,500|1,500|1,750")
	f("records", 5, "With traffic (OK)|6,000")
}

// A file that opens anywhere: it asks nothing of any other place (a link is for
// who follows it), and its policy allows its
// own style and script by their hashes and nothing else.
func TestTheReportIsSelfContained(t *testing.T) {
	page := write(t, Input{Summary: some().Report(summary.Options{Top: MostRows, Locate: locate}), GeoDate: "2026-06-17"})
	page = strings.Replace(page, `<a href="https://db-ip.com" rel="noreferrer">`, "<a>", 1)
	if found := regexp.MustCompile(`(?i)(\b(src|href|action)=|url\(|@import|https?:)[^>]{0,40}`).FindAllString(page, -1); len(found) > 0 {
		t.Errorf("it points elsewhere: %q", found)
	}
	if found := regexp.MustCompile(`(?i)<[^>]+\s(style|on[a-z]+)=`).FindAllString(page, -1); len(found) > 0 {
		t.Errorf("inline styles or handlers, which the policy forbids: %q", found)
	}
	policy := html.UnescapeString(regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(page)[1])
	if !strings.HasPrefix(policy, "default-src 'none'; ") {
		t.Errorf("policy %s", policy)
	}
	for _, element := range []*regexp.Regexp{script, regexp.MustCompile(`(?s)<style>(.*?)</style>`)} {
		found := element.FindAllStringSubmatch(page, -1)
		if len(found) != 1 {
			t.Fatalf("%d of %s", len(found), element)
		}
		sum := sha256.Sum256([]byte(found[0][1]))
		if hash := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, hash) {
			t.Errorf("the policy %s lacks %s", policy, hash)
		}
	}
}

var script = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// Empty sections say what it means that they are.
func TestAReportOfNothing(t *testing.T) {
	var s summary.Summary
	page := write(t, Input{Summary: s.Report(summary.Options{})})
	for _, want := range []string{"no record tells its time", "No rule has found anything", "No map:", "No record of ingress has a source", "No record tells its time."} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in the report", want)
		}
	}
	for _, never := range []string{"NaN", "<nil>", "%!", "ZgotmplZ"} {
		if strings.Contains(page, never) {
			t.Errorf("%q is in the report", never)
		}
	}
}

// A format without direction, action and bytes: what is lacking is said to be
// unknown, and the chart shows all records.
func TestAReportOfPoorRecords(t *testing.T) {
	var s summary.Summary
	for i := range int64(100) {
		s.Add(&summary.Flow{DstPort: summary.Null, Protocol: summary.Null, Packets: summary.Null, Bytes: summary.Null, Start: 1_795_435_200 + i, End: 1_795_435_300})
	}
	page := write(t, Input{Summary: s.Report(summary.Options{})})
	if !strings.Contains(page, `<span class="title">Records</span>`) || strings.Contains(page, "Ingress bytes</span>") || strings.Contains(page, "Accepted against rejected") {
		t.Error("the charts are not those of records alone")
	}
	if got := rows(t, page, "directions")[2]; got != "Unknown|100|-|-|-|-|-" {
		t.Errorf("row %q", got)
	}
}

// largest is a summary at all its limits: every list longer than what is shown,
// with the longest names and numbers.
func largest() *summary.Report {
	most := int64(math.MaxInt64)
	first, last := time.Unix(0, 0).UTC(), time.Unix(math.MaxInt32, 0).UTC()
	direction := summary.Direction{Records: most, Bytes: &most, Packets: &most, Accepted: &most, Rejected: &most, UniqueSources: &most}
	r := &summary.Report{
		Records: summary.Records{Total: most, OK: most, NoData: most, SkipData: most, Malformed: most, Late: most},
		Ingress: direction, Egress: direction, Unknown: direction, UniqueSources: &most, First: &first, Last: &last, Reasons: map[string]int64{},
	}
	for _, reason := range flowlog.Reasons() {
		r.Reasons[reason.String()] = most
	}
	name := strings.Repeat("<", 10_000)
	for i := range 1000 {
		addr := netip.AddrFrom16([16]byte{0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, byte(i >> 16), byte(i >> 8), byte(i)})
		r.TopSources = append(r.TopSources, summary.Source{
			Addr: addr, Records: most, Bytes: &most, Packets: &most, Targets: &most,
			Place: enrich.Place{Country: name, City: name, ASN: math.MaxUint32, ASName: name, Kind: enrich.Scanner, List: name, Service: name},
		})
		r.Cities = append(r.Cities, summary.City{Country: name, City: name, Located: true, Records: most, UniqueSources: most})
		r.TopPorts = append(r.TopPorts, summary.Port{Port: uint16(i), Protocol: "icmpv6", Records: most})
		r.ASNs = append(r.ASNs, summary.AS{ASN: math.MaxUint32, ASName: name, Records: most, UniqueSources: most})
	}
	for _, c := range worldmap.Countries() {
		r.AllCountries = append(r.AllCountries, summary.Country{Country: c.Code, Records: most, UniqueSources: most})
	}
	for range 1000 {
		r.Countries = append(r.Countries, summary.Country{Country: name, Records: most, UniqueSources: most})
	}
	r.Timeline.Step = time.Hour
	for i := range 240 {
		r.Timeline.Intervals = append(r.Timeline.Intervals, summary.Interval{
			Start: first.Add(time.Duration(i) * time.Hour), Records: [3]int64{most / 2, most / 2, most / 2}, Bytes: most - int64(i), Accepted: most / 3, Rejected: most / 3,
		})
	}
	return r
}

// Whatever goes in, at most 2 MiB come out.
func TestTheReportIsBounded(t *testing.T) {
	long := strings.Repeat("<", 100_000)
	var findings []detect.Finding
	for i := range 100 {
		findings = append(findings, detect.Finding{
			Rule: "scan.internal", UID: fmt.Sprint(i), Account: long, Message: long, Desc: long, Lines: []string{long, long, long, long, long, long, long, long, long, long, long},
			Scan: &detect.ScanEvidence{Interface: long, Instance: long}, Queries: detect.Queries{LogsInsights: long, Athena: long},
		})
	}
	page := write(t, Input{Summary: largest(), Findings: findings})
	if len(page) > mostBytes {
		t.Errorf("%d bytes, want at most %d", len(page), mostBytes)
	}
	left := regexp.MustCompile(`(\d+) more, none of them more severe`).FindStringSubmatch(page)
	if left == nil || !strings.Contains(page, `<details class="finding"`) {
		t.Error("the report does not say how many findings it leaves out")
	}
	if n := len(rows(t, page, "sources")); n != MostRows {
		t.Errorf("%d sources", n)
	}
}

func TestShade(t *testing.T) {
	for _, c := range []struct {
		n, most int64
		want    int
	}{{0, 100, 0}, {1, 1, 5}, {1, 1_000_000, 1}, {1_000_000, 1_000_000, 5}, {1000, 1_000_000, 3}, {math.MaxInt64, math.MaxInt64, 5}} {
		if got := shade(c.n, c.most); got != c.want {
			t.Errorf("%d of %d has shade %d, want %d", c.n, c.most, got, c.want)
		}
	}
}

// The legend's steps are those that the map is shaded by, without a gap.
func TestLegend(t *testing.T) {
	for _, most := range []int64{1, 2, 10, 12345, 1_000_000} {
		m := &worldMap{}
		m.legend(most)
		next := int64(1)
		for _, l := range m.Legend[1:] {
			from, to, ranged := strings.Cut(strings.ReplaceAll(l.Text, ",", ""), " to ")
			var a, b int64
			if err := errors.Join(json.Unmarshal([]byte(from), &a), json.Unmarshal([]byte(strings.TrimSpace(map[bool]string{true: to, false: from}[ranged])), &b)); err != nil {
				t.Fatal(err)
			}
			if a != next || l.Class != fmt.Sprintf("m%d", shade(a, most)) || l.Class != fmt.Sprintf("m%d", shade(b, most)) {
				t.Errorf("of %d: %s is %q; shades %d and %d, next is %d", most, l.Class, l.Text, shade(a, most), shade(b, most), next)
			}
			next = b + 1
		}
		if next != most+1 {
			t.Errorf("of %d: the legend ends before %d", most, next)
		}
	}
}
