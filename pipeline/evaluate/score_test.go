package evaluate

import (
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// Values from tables of the score interval (Newcombe, 1998) and of the Poisson
// limits (Garwood, 1936).
func TestIntervals(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{
		{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}, {20, 20, 0.8389, 1}, {0, 0, 0, 1},
	} {
		low, high := Wilson(c.k, c.n)
		if math.Abs(low-c.low) > 1e-4 || math.Abs(high-c.high) > 1e-4 {
			t.Errorf("Wilson(%d, %d) = %.4f to %.4f, want %.4f to %.4f", c.k, c.n, low, high, c.low, c.high)
		}
	}
	for k, want := range map[int]float64{0: 3.689, 1: 5.572, 5: 11.668, 20: 30.888} {
		if got := PoissonUpper(k); math.Abs(got-want) > 1e-3 {
			t.Errorf("PoissonUpper(%d) = %.3f, want %.3f", k, got, want)
		}
	}
}

var begin = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// at is a time of the run, in minutes.
func at(minutes int) time.Time { return begin.Add(time.Duration(minutes) * time.Minute) }

func incident(rule, key string, severity detect.Severity, opened int, change ...func(*Incident)) Incident {
	i := Incident{
		Last:     detect.Finding{Rule: rule, Key: key, Scope: "vpc-1", Account: "1", Severity: severity, Message: rule + " " + key},
		Severity: severity, Opened: at(opened).Unix(),
	}
	for _, f := range change {
		f(&i)
	}
	return i
}

func truth(kind simulate.Kind, expect, rule, severity, key string, from, to int, change ...func(*simulate.Truth)) simulate.Truth {
	t := simulate.Truth{Scenario: kind, Expect: expect, Rule: rule, Severity: severity, Key: key, VPC: "vpc-1", Start: at(from), End: at(to)}
	for _, f := range change {
		f(&t)
	}
	return t
}

func judged(truths []simulate.Truth, incidents ...Incident) *Report {
	return Of([]Run{{
		Seed: 7, Truth: truths, Incidents: incidents, Interfaces: 500, From: begin, To: begin.Add(3 * 24 * time.Hour),
		Learn: 24 * time.Hour, Pane: 5 * time.Minute,
	}})
}

func TestWhatCountsAsFound(t *testing.T) {
	scan := truth("vertical-scan", simulate.ExpectFinding, "scan.internal", "high", "10.0.0.9", 2000, 2004,
		func(t *simulate.Truth) { t.Keys, t.Also = []string{"eni-1"}, []string{"spike"} })
	const day = 1440
	for name, c := range map[string]struct {
		incident    Incident
		found       bool
		falseMedium int // Medium or above
	}{
		"the rule, the source, the time":          {incident("scan.internal", "10.0.0.9", detect.High, 2005), true, 0},
		"not severe enough":                       {incident("scan.internal", "10.0.0.9", detect.Medium, 2005), false, 0},
		"another rule that rightly says so too":   {incident("spike", "eni-1", detect.Medium, 2005), false, 0},
		"another rule":                            {incident("bruteforce", "10.0.0.9", detect.High, 2005), false, 1},
		"another source":                          {incident("scan.internal", "10.0.0.8", detect.High, 2005), false, 1},
		"another VPC":                             {incident("scan.internal", "10.0.0.9", detect.High, 2005, func(i *Incident) { i.Last.Scope = "vpc-2" }), false, 1},
		"too early":                               {incident("scan.internal", "10.0.0.9", detect.High, 1980), false, 1},
		"long after":                              {incident("scan.internal", "10.0.0.9", detect.High, 2004+61), false, 1},
		"provisional, and not confirmed":          {incident("scan.internal", "10.0.0.9", detect.High, 2005, func(i *Incident) { i.Last.CloseReason = detect.NotConfirmed }), false, 0},
		"a false one while all is being learned":  {incident("scan.internal", "10.0.0.8", detect.High, day-10), false, 0},
		"a false one of a format without VPC ids": {incident("scan.internal", "10.0.0.8", detect.High, 2005, func(i *Incident) { i.Last.Scope = "-" }), false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := judged([]simulate.Truth{scan}, c.incident)
			if got := r.Scenarios[0].Reported == 1; got != c.found {
				t.Errorf("found: %v, want %v", got, c.found)
			}
			got := r.False["medium"].Findings + r.False["high"].Findings
			if got != c.falseMedium {
				t.Errorf("%d false findings, want %d", got, c.falseMedium)
			}
		})
	}
}

// A source that scans several times within the hours has one incident.
func TestAnIncidentIsOfTheScanItOpenedFor(t *testing.T) {
	scan := func(kind simulate.Kind, from, to int) simulate.Truth {
		return truth(kind, simulate.ExpectFinding, "scan.internal", "high", "10.0.0.9", from, to)
	}
	long := func(until int) func(*Incident) {
		return func(i *Incident) { i.Last.LastSeen = at(until).Unix() }
	}
	for name, c := range map[string]struct {
		truths          []simulate.Truth
		incidents       []Incident
		found, goesOnIn string // kinds, with blanks between
	}{
		"a small one before it is not found by it": {
			[]simulate.Truth{scan("small", 2000, 2004), scan("large", 2055, 2060)},
			[]Incident{incident("scan.internal", "10.0.0.9", detect.High, 2060, long(2060))}, "large", "",
		},
		"one alone may be found within the window": {
			[]simulate.Truth{scan("small", 2000, 2004)},
			[]Incident{incident("scan.internal", "10.0.0.9", detect.High, 2060, long(2060))}, "small", "",
		},
		"two at a time are both found": {
			[]simulate.Truth{scan("one", 2000, 2060), scan("other", 2030, 2050)},
			[]Incident{incident("scan.internal", "10.0.0.9", detect.High, 2040, long(2060))}, "one other", "",
		},
		"one that follows goes on in it": {
			[]simulate.Truth{scan("first", 2000, 2004), scan("second", 2030, 2034)},
			[]Incident{incident("scan.internal", "10.0.0.9", detect.High, 2005, long(2034))}, "first second", "second",
		},
		"one that follows after its last record is missed": {
			[]simulate.Truth{scan("first", 2000, 2004), scan("second", 2130, 2134)},
			[]Incident{incident("scan.internal", "10.0.0.9", detect.High, 2005, long(2020))}, "first", "",
		},
		"what was open for no good reason finds nothing": {
			[]simulate.Truth{scan("real", 2100, 2104)},
			[]Incident{incident("scan.internal", "10.0.0.9", detect.High, 2005, long(2110))}, "", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := judged(c.truths, c.incidents...)
			var found, goesOn []string
			for _, g := range r.Scenarios {
				if g.Reported > 0 {
					found = append(found, g.Scenario)
				}
				if g.Continued > 0 {
					goesOn = append(goesOn, g.Scenario)
				}
				if measured := g.Panes != nil; measured != (g.Reported > g.Continued) {
					t.Errorf("%s: a delay is told: %v", g.Scenario, measured)
				}
			}
			if got := strings.Join(found, " "); got != c.found {
				t.Errorf("found %q, want %q", got, c.found)
			}
			if got := strings.Join(goesOn, " "); got != c.goesOnIn {
				t.Errorf("in an open incident %q, want %q", got, c.goesOnIn)
			}
		})
	}
}

// Labels of captures name who attacked; a spike names what was attacked.
func TestASpikeIsOfItsMainSource(t *testing.T) {
	flood := truth("ddos", simulate.ExpectFinding, "spike", "", "198.51.100.7", 2000, 2020)
	from := func(sources ...string) func(*Incident) {
		return func(i *Incident) {
			i.Last.Spike = &detect.SpikeEvidence{}
			for _, s := range sources {
				i.Last.Spike.TopSources = append(i.Last.Spike.TopSources, detect.TopSource{Addr: netip.MustParseAddr(s)})
			}
		}
	}
	for name, c := range map[string]struct {
		sources []string
		found   int
	}{
		"its main source":            {[]string{"198.51.100.7", "203.0.113.1"}, 1},
		"a lesser source":            {[]string{"203.0.113.1", "198.51.100.7"}, 0},
		"no source that anyone told": {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := judged([]simulate.Truth{flood}, incident("spike", "eni-1", detect.Low, 2005, from(c.sources...)))
			if got := r.Scenarios[0].Reported; got != c.found || r.False["low"].Findings != 1-c.found {
				t.Errorf("found %d with %d false, want %d with %d", got, r.False["low"].Findings, c.found, 1-c.found)
			}
		})
	}
}

func TestAnotherAccountIsAnotherPlace(t *testing.T) {
	for account, want := range map[string]int{"": 1, "1": 1, "2": 0} {
		scan := truth("scan", simulate.ExpectFinding, "scan.internal", "high", "10.0.0.9", 2000, 2004, func(t *simulate.Truth) { t.Account = account })
		r := judged([]simulate.Truth{scan}, incident("scan.internal", "10.0.0.9", detect.High, 2005))
		if got := r.Scenarios[0].Reported; got != want {
			t.Errorf("truth of account %q, finding of account 1: found %d, want %d", account, got, want)
		}
	}
}

// What was not measured and what came out negative is told beside the delay.
func TestDelaysInSecondsSayWhatTheyAreOf(t *testing.T) {
	truths := []simulate.Truth{
		truth("flood", simulate.ExpectFinding, "spike", "low", "eni-1", 2000, 2020),
		truth("flood", simulate.ExpectFinding, "spike", "low", "eni-2", 2000, 2020),
		truth("flood", simulate.ExpectFinding, "spike", "low", "eni-3", 2000, 2020),
	}
	needed := map[string]time.Time{"eni-1": at(2001), "eni-2": at(2004)} // of eni-3 it never came
	raised := func(minute int) func(*Incident) { return func(i *Incident) { i.Raised = at(minute) } }
	run := Run{
		Seed: 7, Truth: truths, From: begin, To: begin.Add(3 * 24 * time.Hour), Pane: 5 * time.Minute, Interfaces: 500,
		Incidents: []Incident{
			incident("spike", "eni-1", detect.Low, 2005, raised(2003)),
			incident("spike", "eni-2", detect.Low, 2005, raised(2003)),
			incident("spike", "eni-3", detect.Low, 2005, raised(2003)),
		},
		Needed: func(t *simulate.Truth, _ *Incident) time.Time { return needed[t.Key] },
	}
	got := Of([]Run{run}).Scenarios[0].Seconds
	if want := (&Quantiles{Median: 0, P95: 120, Of: 2, Before: 1}); !cmp.Equal(want, got) {
		t.Errorf("delay %+v, want %+v", got, want)
	}
}

func TestQuantilesAreOfTheNearestRank(t *testing.T) {
	var v []float64
	for i := range 20 {
		v = append(v, float64(20-i))
	}
	if q := quantiles(v); q.Median != 10 || q.P95 != 19 || q.Of != 20 || q.Before != 0 {
		t.Errorf("of 1 to 20: %+v, want median 10 and p95 19", q)
	}
	if quantiles(nil) != nil {
		t.Error("quantiles of nothing")
	}
}

func TestPrecision(t *testing.T) {
	scan := truth("scan", simulate.ExpectFinding, "scan.internal", "high", "10.0.0.9", 2000, 2004)
	right, wrong := incident("scan.internal", "10.0.0.9", detect.High, 2005), incident("scan.internal", "10.0.0.8", detect.High, 2005)
	if p := judged([]simulate.Truth{scan}).Precision; p != nil {
		t.Errorf("of no finding it is %v, want none", *p)
	}
	if p := judged([]simulate.Truth{scan}, right, wrong).Precision; p == nil || *p != 0.5 {
		t.Errorf("of one right and one wrong it is %v, want 0.5", p)
	}
}

func TestSeedsAreTold(t *testing.T) {
	for want, seeds := range map[string][]uint64{
		"captures": nil, "seeds 7": {7}, "seeds 1-3, 7, 9-10": {1, 2, 3, 7, 9, 10},
	} {
		if got := seedNames(seeds); got != want {
			t.Errorf("%v: %q, want %q", seeds, got, want)
		}
	}
}

func TestMissesOfCapturesSayWhy(t *testing.T) {
	scan := truth("scan", simulate.ExpectFinding, "scan.internal", "high", "10.0.0.9", 2000, 2004,
		func(t *simulate.Truth) { t.VPC, t.Targets, t.Failed = "", 4, 2 })
	r := Of([]Run{{Captured: true, Truth: []simulate.Truth{scan}, Pane: 5 * time.Minute, Why: func(*simulate.Truth) string { return "9 are needed" }}})
	want := []string{"10.0.0.9 at 3 Mar 09:20, 4 targets, 2 failed, 0 answered (9 are needed)"}
	if diff := cmp.Diff(want, r.Scenarios[0].Examples); diff != "" || r.Seeds != nil {
		t.Errorf("seeds %v; misses (-want +got):\n%s", r.Seeds, diff)
	}
}

func TestWhatIsNotToBeFound(t *testing.T) {
	crowd := truth("flash-crowd", simulate.ExpectNone, "", "", "eni-1", 2000, 2090)
	sweep := truth("internet-sweep", simulate.ExpectMetric, "scan.external", "info", "203.0.113.9", 2000, 2010)
	r := judged([]simulate.Truth{crowd, sweep},
		incident("spike", "eni-1", detect.Low, 2010),
		incident("scan.external", "203.0.113.9", detect.Info, 2010))
	want := map[string]int{"flash-crowd": 1, "internet-sweep": 0}
	got := map[string]int{}
	for _, g := range r.Scenarios {
		got[g.Scenario] = g.Reported
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reported at Low or above (-want +got):\n%s", diff)
	}
	if r.False["low"].Findings != 1 || r.False["info"].Findings != 0 {
		t.Errorf("%d false at Low and %d at Info, want 1 and 0", r.False["low"].Findings, r.False["info"].Findings)
	}
	// 500 interfaces for the two days after learning.
	if r.InterfaceDays != 1000 || r.False["low"].PerDay != 1 {
		t.Errorf("%v interface-days, %v a day; want 1000 and 1", r.InterfaceDays, r.False["low"].PerDay)
	}
}

// An attack that nobody can be told of is told apart from those to be found and
// from what is no attack, with how many were found all the same, and a finding of
// it is no false one.
func TestAttacksThatAreTooSmallAreTold(t *testing.T) {
	flood := func(expect, eni string) simulate.Truth {
		return truth("flood", expect, "spike", "low", eni, 2000, 2030, func(t *simulate.Truth) { t.Factor, t.Also = 5, []string{"scan.distributed"} })
	}
	r := judged([]simulate.Truth{
		flood(simulate.ExpectFinding, "eni-1"), flood(simulate.ExpectMetric, "eni-2"), flood(simulate.ExpectMetric, "eni-3"),
		truth("internet-sweep", simulate.ExpectMetric, "scan.external", "info", "203.0.113.9", 2000, 2010),
	},
		incident("spike", "eni-2", detect.Low, 2010), incident("scan.distributed", "eni-2", detect.Medium, 2010),
		incident("scan.external", "203.0.113.9", detect.Low, 2010))
	type row struct {
		Scenario, Expect    string
		Attack              bool
		Reported, Instances int
	}
	var got []row
	for _, g := range r.Scenarios {
		got = append(got, row{g.Scenario, g.Expect, g.Attack, g.Reported, g.Instances})
	}
	want := []row{{"flood x5", "finding", false, 0, 1}, {"flood x5", "metric", true, 1, 2}, {"internet-sweep", "metric", false, 1, 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.False["medium"].Findings != 0 || r.False["low"].Findings != 1 {
		t.Errorf("%d false at Medium and %d at Low, want none and that of the sweep", r.False["medium"].Findings, r.False["low"].Findings)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "Too small, or not shown") || strings.Contains(text.String(), "flood x5, reported") {
		t.Errorf("the report is\n%s", &text)
	}
}

func TestDelaysCountFromTheFirstPane(t *testing.T) {
	flood := truth("flood", simulate.ExpectFinding, "spike", "low", "eni-1", 2001, 2030)
	for opened, want := range map[int]float64{2005: 0, 2010: 1, 2020: 3} {
		r := judged([]simulate.Truth{flood}, incident("spike", "eni-1", detect.Low, opened))
		if got := r.Scenarios[0].Panes.Median; got != want {
			t.Errorf("opened at the end of minute %d: delay %v panes, want %v", opened, got, want)
		}
	}
}

func TestIncidentsKeepTheirHighestSeverityAndFirstTime(t *testing.T) {
	var all Incidents
	raised := at(3)
	all.Add(&detect.Finding{UID: "a", Severity: detect.Low, Time: 300}, raised)
	all.Add(&detect.Finding{UID: "b", Severity: detect.Low, Time: 300}, raised)
	all.Add(&detect.Finding{UID: "a", Severity: detect.High, Time: 600}, at(9))
	all.Add(&detect.Finding{UID: "a", Severity: detect.Medium, Time: 900, CloseReason: detect.Quiet}, at(12))
	got := all.All()
	if len(got) != 2 || got[0].Severity != detect.High || got[0].Opened != 300 || !got[0].Raised.Equal(raised) || got[0].Last.Time != 900 {
		t.Errorf("incidents are %+v", got)
	}
}

func TestLabels(t *testing.T) {
	got, err := ReadLabels(strings.NewReader("start\tend\tsrc\tkind\tflows\tdsts\tdports\n" +
		"1000\t1045.5\t192.168.0.100\tport_scan\t1370\t3\t1002\r\n\n10\t20\t10.0.0.1\tbotnet\t1\t1\t1\n10\t20\t10.0.0.1\tweak:et_scan\t1\t1\t1\n" +
		"10\t20\t10.0.0.1\tddos\t5000\t1\t1\n10\t20\t10.0.0.1\tudp-flood\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []simulate.Truth{
		{Scenario: "port_scan", Key: "192.168.0.100", Start: time.Unix(1000, 0).UTC(), End: time.Unix(1045, 0).UTC(), Expect: "finding", Also: []string{"spike"}},
		{Scenario: "botnet", Key: "10.0.0.1", Start: time.Unix(10, 0).UTC(), End: time.Unix(20, 0).UTC(), Expect: "none"},
		{Scenario: "weak:et_scan", Key: "10.0.0.1", Start: time.Unix(10, 0).UTC(), End: time.Unix(20, 0).UTC(), Expect: "none"},
		{Scenario: "ddos", Key: "10.0.0.1", Start: time.Unix(10, 0).UTC(), End: time.Unix(20, 0).UTC(), Expect: "finding", Rule: "spike"},
		{Scenario: "udp-flood", Key: "10.0.0.1", Start: time.Unix(10, 0).UTC(), End: time.Unix(20, 0).UTC(), Expect: "finding", Rule: "spike"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	for bad, says := range map[string]string{
		"1\t2\t10.0.0.1":          "line 1: 3 columns",
		"\nx\t2\t10.0.0.1\tscan":  `line 2: time "x"`,
		"1\t2\thost\tscan":        `line 1: source "host"`,
		"3\t2\t10.0.0.1\tscan":    "line 1: end 2 is before start 3",
		"-1\t2\t10.0.0.1\tscan":   `time "-1"`,
		"1\t1e99\t10.0.0.1\tscan": `time "1e99"`,
	} {
		if _, err := ReadLabels(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("labels %q: error %v, want one that says %s", bad, err, says)
		}
	}
}

func TestTheReportFits80Columns(t *testing.T) {
	quantiles := &Quantiles{Median: 147, P95: 180, Of: 99}
	r := judged([]simulate.Truth{truth("a-kind-with-a-very-long-name-indeed", simulate.ExpectFinding, "spike", "low", "eni-1", 2000, 2010)},
		incident("spike", "eni-1", detect.Low, 2005))
	r.Scenarios[0].Seconds, r.Scenarios[0].Continued, quantiles.Before = quantiles, 1, 2
	for _, rule := range []string{"bruteforce", "scan.distributed", "scan.external", "scan.internal", "scan.slow", "scan.success"} {
		r.ByRule[rule] = 1234
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		if line = strings.TrimRight(line, "\n"); len(line) > 80 || strings.HasSuffix(line, " ") {
			t.Errorf("%d columns: %q", len(line), line)
		}
	}
	for _, says := range []string{"seeds 7", "scan.success 1234", "147/180 s of 99", "1 were in an incident", "2 were found before"} {
		if !strings.Contains(text.String(), says) {
			t.Errorf("the report does not say %q:\n%s", says, &text)
		}
	}
}
