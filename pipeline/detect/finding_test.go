package detect

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func drawAddr(t *rapid.T) netip.Addr {
	switch rapid.IntRange(0, 2).Draw(t, "kind of address") {
	case 0:
		return netip.Addr{}
	case 1:
		return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4")))
	}
	return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "v6")))
}

func drawFinding(t *rapid.T) Finding {
	text := rapid.String()
	f := rapid.Custom(func(t *rapid.T) Finding {
		return Finding{
			Rule: text.Draw(t, "rule"), Version: text.Draw(t, "version"), Account: text.Draw(t, "account"),
			Region: text.Draw(t, "region"), Scope: text.Draw(t, "scope"), Key: text.Draw(t, "key"), UID: text.Draw(t, "uid"),
			Seq:      rapid.Int().Draw(t, "seq"),
			Activity: rapid.Custom(func(t *rapid.T) Activity { return Activity(rapid.IntRange(1, 3).Draw(t, "a")) }).Draw(t, "activity"),
			Severity: Severity(rapid.IntRange(1, 5).Draw(t, "severity")), Confidence: Confidence(rapid.IntRange(1, 4).Draw(t, "confidence")),
			ConfidenceScore: rapid.IntRange(0, 100).Draw(t, "score"),
			Time:            rapid.Int64().Draw(t, "time"), Created: rapid.Int64().Draw(t, "created"),
			FirstSeen: rapid.Int64().Draw(t, "first"), LastSeen: rapid.Int64().Draw(t, "last"),
			Count: rapid.Int64().Draw(t, "count"), Records: rapid.Int64().Draw(t, "records"),
			Title: text.Draw(t, "title"), Message: text.Draw(t, "message"), Desc: text.Draw(t, "desc"),
			Types:       []string{text.Draw(t, "type")},
			Analytic:    Analytic{text.Draw(t, "algorithm"), text.Draw(t, "category")},
			Attacks:     []Attack{{"TA", text.Draw(t, "tactic"), "T", text.Draw(t, "technique")}},
			Resources:   []Resource{{text.Draw(t, "interface"), TargetRole}},
			LateRecords: rapid.Int64().Draw(t, "late"), Lines: []string{text.Draw(t, "line")},
			CloseReason: CloseReason(text.Draw(t, "reason")), Queries: Queries{text.Draw(t, "q1"), text.Draw(t, "q2")},
		}
	}).Draw(t, "finding")
	if rapid.Bool().Draw(t, "scan") {
		f.Scan = &ScanEvidence{
			Source: drawAddr(t), Target: drawAddr(t), Internal: rapid.Bool().Draw(t, "internal"),
			Shape: Vertical, Failed: rapid.Int().Draw(t, "failed"), Protocol: rapid.Byte().Draw(t, "protocol"),
			HostsSample: []netip.Addr{drawAddr(t)}, PortsSample: []uint16{rapid.Uint16().Draw(t, "port")},
			Score: rapid.Float64().Draw(t, "llr"), Threshold: rapid.Float64().Draw(t, "bound"), Exact: true,
		}
	} else {
		f.Spike = &SpikeEvidence{
			Interface: text.Draw(t, "eni"), WindowStart: rapid.Int64().Draw(t, "start"),
			Measures: []MeasureEvidence{{
				Measure:  Measure(rapid.IntRange(0, int(NumMeasures)-1).Draw(t, "measure")),
				Observed: rapid.Int64().Draw(t, "x"), Expected: rapid.Float64().Draw(t, "mu"), Phi: rapid.Float64().Draw(t, "phi"),
				LnP: rapid.Float64().Draw(t, "ln p"), Alpha: rapid.Float64().Draw(t, "alpha"), Baseline: Seasonal, Days: 3,
			}},
			TopSources: []TopSource{{Addr: drawAddr(t), Records: 3, Error: 1, Country: text.Draw(t, "country"), ASN: rapid.Uint32().Draw(t, "asn")}},
			TopPorts:   []TopPort{{Port: rapid.Uint16().Draw(t, "top port"), Protocol: 6, Records: 7}},
		}
	}
	return f
}

func TestFindingSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawFinding(t)
		b, err := json.Marshal(&want)
		if err != nil {
			t.Fatal(err)
		}
		var got Finding
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, compareAddr); diff != "" {
			t.Fatalf("after JSON (-want +got):\n%s", diff)
		}
	})
}

// An incident that was restored goes on as the one that was saved.
func TestIncidentSurvivesItsEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := &incident{
			Finding: drawFinding(t), Sentence: rapid.String().Draw(t, "sentence"),
			Strength: rapid.Float64().Draw(t, "strength"), Crossed: 1, Opened: 2, Emitted: 3, Covered: 4, Quiet: 2, Closed: 6,
		}
		got, err := decodeIncident(want.encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, compareAddr); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func TestSeverities(t *testing.T) {
	for i, name := range []string{"info", "low", "medium", "high", "critical"} {
		s, err := ParseSeverity(name)
		if err != nil || int(s) != i+1 || s.String() != name {
			t.Errorf("%s is read as %d (%v), error %v", name, s, s, err)
		}
	}
	if _, err := ParseSeverity("urgent"); err == nil {
		t.Error("severity urgent is accepted")
	}
	if got := Severity(9).String(); got != "unknown(9)" {
		t.Errorf("severity 9 is %q", got)
	}
}

func TestShapes(t *testing.T) {
	for _, c := range []struct {
		hosts, ports int
		want         Shape
	}{
		{6, 1, Horizontal}, {100, 5, Horizontal}, {100, 6, Block}, {1, 6, Vertical}, {5, 100, Vertical},
		{6, 6, Block}, {5, 5, Block}, {5, 2, Horizontal}, {2, 5, Vertical}, {3, 3, Block},
	} {
		if got := shapeOf(c.hosts, c.ports); got != c.want {
			t.Errorf("%d hosts and %d ports are %s, want %s", c.hosts, c.ports, got, c.want)
		}
	}
}

func TestWording(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(thousands(0), "0")
	f(thousands(999), "999")
	f(thousands(12900), "12,900")
	f(thousands(-1234567), "-1,234,567")
	f(kibibytes(1), "1.0 KiB")
	f(kibibytes(999.97), "1.0 MiB")
	f(kibibytes(4404019), "4.2 GiB")
	f(span(0), "0 s")
	f(span(300), "5 min")
	f(span(3600), "1 h")
	f(span(4830), "1 h 20 min 30 s")
	f(scientific(5.8e-7), "5.8e-7")
	f(scientific(1), "1")
	f(scientific(1e-5), "1e-5")
	f(probability(-67.509), "p=4.8e-30")
	f(probability(-1e6), "p<1e-300")
	f(count(1, "host"), "1 host")
	f(count(1200, "host"), "1,200 hosts")
	f(insightsQuote(`a'b\`), `'a\'b\\'`)
	f(sqlQuote(`a'b`), `'a''b'`)
	f(printable("a\x00\xffb\x85\u0085"), "a\uFFFD\uFFFDb\uFFFD\uFFFD")
}
