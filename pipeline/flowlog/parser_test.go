package flowlog

import (
	"strings"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// verdict is what a Parser says of a line.
func verdict(kind LineKind, reason Reason) string {
	switch kind {
	case Header:
		return "header"
	case Blank:
		return "blank"
	}
	if reason != ReasonNone {
		return reason.String()
	}
	return "ok"
}

func layouts(formats ...string) []*Layout {
	var all []*Layout
	for _, f := range formats {
		all = append(all, mustLayout(f))
	}
	return all
}

// f parses lines in order; each is followed by what is wanted of it.
func parseAll(t *testing.T, formats []*Layout, linesAndVerdicts ...string) {
	t.Helper()
	p := NewParser(formats)
	var r Record
	for i := 0; i < len(linesAndVerdicts); i += 2 {
		line, want := linesAndVerdicts[i], linesAndVerdicts[i+1]
		if got := verdict(p.Parse([]byte(line), &r)); got != want {
			t.Errorf("line %d %.90q: %s, want %s", i/2+1, line, got, want)
		}
		if want != "ok" && len(dump(&r)) > 0 {
			t.Errorf("line %d %.90q leaves %v", i/2+1, line, dump(&r))
		}
	}
}

func TestParserHeaders(t *testing.T) {
	parseAll(t, nil,
		"\xef\xbb\xbf"+V2+"\r", "header",
		lineV2, "ok",
		"", "blank",
		" \r", "blank",
		"\xef\xbb\xbf", "blank",
		lineV5, "address", // the header is in force: no other layout is tried
		ConsoleV5, "header", // in mid-file
		lineV5, "ok",
		ConsoleV5, "header", // repeated
		lineV2, "fields",
		"\xef\xbb\xbf"+V2, "header", // files joined, with their marks
		lineV2, "ok",
		lineV2+" more", "ok",
		"version srcaddr srcaddr", "format", // changes nothing
		lineV2, "ok")
	parseAll(t, layouts(ConsoleV5),
		lineV5, "ok",
		"srcaddr dstaddr", "header", // wins over what was configured
		"10.0.0.1 10.0.0.2", "ok",
		lineV2, "address")
	parseAll(t, nil, "\xef\xbb\xbf"+lineV2, "ok")
}

func TestParserKnowsHeaders(t *testing.T) {
	f := func(line string, want bool) {
		t.Helper()
		p := NewParser(nil)
		var r Record
		kind, _ := p.Parse([]byte(line), &r)
		if (kind == Header) != want {
			t.Errorf("%q: kind %v", line, kind)
		}
		if want != (p.Header() != "") {
			t.Errorf("%q: header in force is %q", line, p.Header())
		}
	}
	f("srcaddr", true)
	f("version", true)
	f("account_id pkt_srcaddr", true)
	f("${version} ${account-id}", true)
	f("version srcaddr some-new-field instance-tag-12", true)
	f("new_field srcaddr", true)
	f("new version", false) // "new" may be a value
	f("new-field other-field", false)
	f("version 2", false)
	f("eni-abcdef srcaddr 2", false)
	f("eni-0a1b2c3d srcaddr", false)
	f("i-01234567890123456 eni-1111aaaa2222bbbb3 10.0.1.5 203.0.113.5", false)
	f("unknown ACCEPT use1-az1", false)
	f("version -", false)
	f("Version account-id", false)
	f("timestamp,message", false)
	f("version-", false)
	f("-version", false)
	f("$version", false)
}

func TestParserHeaderPersists(t *testing.T) {
	p := NewParser(nil)
	var r Record
	if kind, reason := p.Parse([]byte("${srcaddr} new_field ${end}"), &r); kind != Header || reason != ReasonNone {
		t.Fatal(kind, reason)
	}
	q := NewParser(nil)
	if err := q.SetHeader(p.Header()); err != nil {
		t.Fatal(err)
	}
	if q.Header() != "srcaddr new-field end" {
		t.Errorf("header is %q", q.Header())
	}
	if got := verdict(q.Parse([]byte("10.0.0.1 x 1700000000"), &r)); got != "ok" || r.IntOr(End, 0) != 1700000000 {
		t.Errorf("after SetHeader: %s, end %d", got, r.IntOr(End, 0))
	}
	if err := q.SetHeader("nonsense"); err == nil || q.Header() == "" {
		t.Errorf("SetHeader of nonsense: %v, header %q", err, q.Header())
	}
	if err := q.SetHeader(""); err != nil || q.Header() != "" {
		t.Errorf("SetHeader of nothing: %v, header %q", err, q.Header())
	}
	if got := verdict(q.Parse([]byte(lineV2), &r)); got != "ok" {
		t.Errorf("with no header: %s", got)
	}
}

func TestParserWithoutHeader(t *testing.T) {
	noData := "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA"
	skipV5 := "325000000000 - apne1-az1 - - - 1700185000 - i-0a eni-0a SKIPDATA - - - - - - ap-northeast-1 - - 1700185000 - - subnet-0a - - - 5 vpc-0a"
	tgwBad := strings.Replace(lineTGW, "10.0.0.1", "ten", 1)

	parseAll(t, nil,
		lineV2, "ok", noData, "ok",
		lineV2+" more", "ok",
		"2 1 eni", "fields",
		lineTGW, "ok",
		strings.Replace(lineTGW, "TransitGateway", "TransitGatewayAttachment", 1), "ok",
		tgwBad, "address",
		strings.Replace(tgwBad, "TransitGateway", "Nat", 1), "address",
		strings.Repeat("x", MaxLine+1), "line",
		strings.Repeat(" ", MaxLine+1)+"x", "line")
	parseAll(t, layouts(ConsoleV5),
		lineV5, "ok", skipV5, "ok", lineV2, "ok", noData, "ok", lineTGW, "ok",
		lineV5+" more", "ok",
		strings.Replace(lineV5, "ACCEPT", "MAYBE", 1), "action",
		strings.Replace(lineV2, "ACCEPT", "MAYBE", 1), "action",
		strings.Replace(lineV2, "443", "44300000", 1), "number",
		"123456789012 ACCEPT", "fields",
		"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15", "fields")
	parseAll(t, layouts("srcaddr dstaddr", "srcaddr dstaddr srcport", "srcaddr srcport dstaddr"),
		"10.0.0.1 10.0.0.2", "ok",
		"10.0.0.1 10.0.0.2 80", "ok",
		"10.0.0.1 80 10.0.0.2", "ok",
		"10.0.0.1 80 80", "format",
		"10.0.0.1", "fields",
		"10.0.0.1 10.0.0.2 80 80", "format",
		lineV2, "ok",
		strings.Replace(lineV2, "443", "x", 1), "number",
		lineV2+" more", "format")
}

// A line's layout must not depend on the lines before it, though the parser
// remembers what fitted last.
func TestParserForgetsOtherLines(t *testing.T) {
	formats := layouts("srcport dstport srcaddr", "srcport packets dstaddr", "packets bytes srcaddr", "srcaddr dstaddr", "dstaddr srcaddr")
	token := rapid.SampledFrom([]string{"1", "70000", "10.0.0.1", "-"})
	line := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(token, 2, 3).Draw(t, "tokens"), " ")
	})
	rapid.Check(t, func(t *rapid.T) {
		p := NewParser(formats)
		for _, text := range rapid.SliceOfN(line, 1, 20).Draw(t, "lines") {
			var got, want Record
			kind, reason := p.Parse([]byte(text), &got)
			freshKind, freshReason := NewParser(formats).Parse([]byte(text), &want)
			if kind != freshKind || reason != freshReason {
				t.Fatalf("%q: %v %v here, %v %v alone", text, kind, reason, freshKind, freshReason)
			}
			if diff := cmp.Diff(dump(&want), dump(&got)); diff != "" {
				t.Fatalf("%q (-alone +here):\n%s", text, diff)
			}
		}
	})
}

func FuzzParser(f *testing.F) {
	f.Add(V2 + "\n" + lineV2 + "\r\n\n" + ConsoleV5 + "\n" + lineV5)
	f.Add(lineTGW + "\n" + lineIPv6 + "\n\xef\xbb\xbfsrcaddr new-field\n10.0.0.1 x y")
	formats := layouts(ConsoleV5, "srcaddr dstaddr", "interface-id srcaddr dstaddr action")
	hostiletest.Seeds(f, "vpc/*", func(seed []byte) { f.Add(string(seed)) })
	f.Fuzz(func(t *testing.T, text string) {
		defer hostiletest.Bound(t)()
		p := NewParser(formats)
		var r Record
		for _, line := range strings.Split(text, "\n") {
			kind, reason := p.Parse([]byte(line), &r)
			if kind != Data && reason != ReasonNone {
				t.Fatalf("%q: kind %v with reason %v", line, kind, reason)
			}
			if (kind != Data || reason != ReasonNone) && (len(dump(&r)) > 0 || r.Extra() || r.TransitGateway()) {
				t.Fatalf("%q leaves %v", line, dump(&r))
			}
			if err := NewParser(nil).SetHeader(p.Header()); err != nil {
				t.Fatalf("header %q does not persist: %v", p.Header(), err)
			}
		}
	})
}
