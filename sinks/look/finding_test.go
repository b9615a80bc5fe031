package look

import (
	"html"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// hostile is what a field of a log may be.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img/src=x/onerror=alert(1)>`, `'-alert(1)-'`, `</pre></details><h1>`, `{{.}}`, `javascript:alert(1)`,
	"&lt;b&gt;", "<!--", "]]>", "\u202e", "\x00",
}

func written(t interface{ Fatal(...any) }, f *detect.Finding) string {
	var b strings.Builder
	v := FindingOf(f)
	if err := New("x").ExecuteTemplate(&b, "finding", &v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// tags are the elements and attributes of markup, without values and texts.
var tags = regexp.MustCompile(`<[^>]*>`)

// Whatever a log says: a finding has the elements that it has with plain words.
func TestTextsBecomeNoMarkup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(hostile), rapid.String()), 1, 3).Draw(t, "words"), "")
		})
		finding := func(word func(name string) string) *detect.Finding {
			return &detect.Finding{
				Rule: "spike", UID: word("uid"), Account: word("account"), Region: word("region"), Scope: word("vpc"), Severity: detect.High,
				Activity: detect.Create, Message: word("message"), Desc: word("desc"), Lines: []string{word("line")},
				Queries: detect.Queries{LogsInsights: word("insights"), Athena: word("athena")}, CloseReason: detect.CloseReason(word("reason")),
				Attacks: []detect.Attack{{TechniqueUID: "T1", Technique: word("technique")}},
				Spike: &detect.SpikeEvidence{
					Interface: word("interface"), Instance: word("instance"), TargetAddr: word("target"),
					Measures:   []detect.MeasureEvidence{{Measure: detect.Bytes, Observed: 10, Expected: 1, Baseline: detect.BaselineKind(word("baseline"))}},
					TopSources: []detect.TopSource{{Addr: netip.MustParseAddr("203.0.113.9"), Country: word("country"), Records: 3}},
				},
			}
		}
		shape := func(markup string) string {
			var names []string
			for _, tag := range tags.FindAllString(markup, -1) {
				names = append(names, strings.Fields(tag)[0])
			}
			return strings.Join(names, " ")
		}
		plain := written(t, finding(func(name string) string { return name }))
		said := map[string]string{}
		got := written(t, finding(func(name string) string {
			said[name] = "x" + text.Draw(t, name)
			return said[name]
		}))
		if shape(got) != shape(plain) {
			t.Fatalf("elements %s, want %s, of %s", shape(got), shape(plain), got)
		}
		if message := said["message"]; utf8.ValidString(message) && !strings.Contains(message, "\x00") && !strings.Contains(html.UnescapeString(got), message) {
			t.Fatalf("the message %q is not in %s", message, got)
		}
	})
}

func TestAFindingShowsItsEvidence(t *testing.T) {
	f := func(finding detect.Finding, want ...string) {
		t.Helper()
		got := html.UnescapeString(written(t, &finding))
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: %q is not in %s", finding.Rule, w, got)
			}
		}
	}
	f(detect.Finding{
		Rule: "scan.internal", Severity: detect.High, Activity: detect.Update, Time: 1795438500, Message: "tried", Records: 12345,
		Scan: &detect.ScanEvidence{
			Source: netip.MustParseAddr("10.0.3.17"), Interface: "eni-1", Hosts: 1, Ports: 120, Failed: 118, Answered: 2, Rejected: 100, SynOnly: 18,
			PortsSample: []uint16{21, 22}, Score: 160.8, Threshold: 13.8, WindowStart: 1795438200, WindowSeconds: 300,
		},
	}, "▲", "high", "updated 2026-11-23 12:55 UTC", "12,345", "10.0.3.17", "about 118 failed (100 rejected, 18 SYN only), 2 answered", "21, 22 and 118 more", "161 where 13.8 is the bound", "5 min from 2026-11-23 12:50 UTC")
	f(detect.Finding{
		Rule: "spike", Severity: detect.Medium, Activity: detect.Create,
		Spike: &detect.SpikeEvidence{
			Interface:  "eni-2",
			Measures:   []detect.MeasureEvidence{{Measure: detect.Bytes, Observed: 2048, Expected: 100, Baseline: detect.Seasonal}, {Measure: detect.Packets, Observed: 5, Baseline: detect.Nothing}},
			TopSources: []detect.TopSource{{Addr: netip.MustParseAddr("2001:db8::1"), Country: "DE", ASN: 64500, Records: 7}},
			TopPorts:   []detect.TopPort{{Port: 443, Protocol: 6}},
		},
	}, "●", "opened", "2 MiB", "100 KiB", "20.5x", "seasonal", "2001:db8::1", "64500", "443/tcp")
	f(detect.Finding{
		Rule: "bruteforce", Severity: detect.Low, Activity: detect.Close, CloseReason: detect.NewBaseline,
		Counted: &detect.CountEvidence{Port: 22, What: "connections", Observed: 47, Threshold: 30, Sources: 3},
	}, "○", "closed", "47 connections where 30 is the bound", "new baseline")
}

// However much a finding carries, what is written of it has a bound.
func TestAFindingIsBounded(t *testing.T) {
	long := strings.Repeat("<", 100_000)
	f := &detect.Finding{Rule: "spike", UID: long, Account: long, Message: long, Desc: long, Queries: detect.Queries{LogsInsights: long, Athena: long}}
	e := &detect.ScanEvidence{Interface: long, Instance: long}
	for i := range 100_000 {
		f.Lines = append(f.Lines, long)
		e.PortsSample = append(e.PortsSample, uint16(i))
		e.HostsSample = append(e.HostsSample, netip.IPv6LinkLocalAllNodes())
	}
	f.Scan = e
	if n := len(written(t, f)); n > 100_000 {
		t.Errorf("%d bytes", n)
	}
}
