package simulate

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// twoAM is when the nightly job begins.
var twoAM = time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)

// setting is a form that records are written in.
type setting struct {
	format   Format
	interval time.Duration
}

var settings = map[string]setting{
	"v5, 60 s": {V5, time.Minute}, "v5, 600 s": {V5, 10 * time.Minute},
	"v2, 60 s": {V2, time.Minute}, "v2, 600 s": {V2, 10 * time.Minute},
}

const settingMinutes = 60

func (s setting) generator(t testing.TB, scenarios ...Scenario) *Generator {
	return generator(t, Config{Seed: 11, Start: twoAM, Format: s.format, Interval: s.interval, Level: 0.3, Varied: true, Malformed: -1, Late: -1, Scenarios: scenarios})
}

// lines counts every line of an hour, those that arrive after it among them.
func (s setting) lines(g *Generator) map[string]int {
	all := map[string]int{}
	each(g, settingMinutes, func(_ *Batch, l *Line) { all[string(l.Text)]++ })
	for _, b := range g.Rest() {
		for _, l := range b.Lines {
			all[string(l.Text)]++
		}
	}
	return all
}

// record is what a test looks at of one.
type record struct {
	eni, src, dst    string
	srcPort, dstPort int64
	protocol, flags  int64
	packets, bytes   int64
	reject           bool
}

// added returns the records that a scenario adds to the background, which must
// not lose or change any of its own.
func (s setting) added(t *testing.T, background, all map[string]int) []record {
	t.Helper()
	layout, err := flowlog.ParseLayout(string(s.format))
	if err != nil {
		t.Fatal(err)
	}
	var records []record
	var r flowlog.Record
	parse := func(line string) bool {
		if reason := layout.Parse([]byte(line), &r); reason != 0 {
			t.Fatalf("%v: %s", reason, line)
		}
		return r.Status() == flowlog.OK
	}
	for line, n := range background {
		if all[line] < n && parse(line) { // a NODATA line goes when there is data
			t.Fatalf("line is missing: %s", line)
		}
	}
	for line, n := range all {
		for range n - background[line] {
			if parse(line) {
				records = append(records, record{
					string(r.Text(flowlog.InterfaceID)), r.Addr(flowlog.SrcAddr).String(), r.Addr(flowlog.DstAddr).String(),
					r.IntOr(flowlog.SrcPort, 0), r.IntOr(flowlog.DstPort, 0), r.IntOr(flowlog.Protocol, 0), r.IntOr(flowlog.TCPFlags, 0),
					r.IntOr(flowlog.Packets, 0), r.IntOr(flowlog.Bytes, 0), r.Action() == flowlog.Reject,
				})
			}
		}
	}
	return records
}

// TestKindsAreWhatTheirTruthSays reads the records of every kind of scenario, in
// every form, and counts what the truth says.
func TestKindsAreWhatTheirTruthSays(t *testing.T) {
	for name, s := range settings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			background := s.lines(s.generator(t))
			for _, k := range Kinds() {
				t.Run(string(k.Kind), func(t *testing.T) {
					scenario := Scenario{Kind: k.Kind, For: min(k.Lasts, settingMinutes*time.Minute), VPC: 1}
					if k.Kind == "spoofed-flood" {
						scenario.Size = 5000
					}
					g := s.generator(t, scenario)
					truth := g.Truth()[0]
					records := s.added(t, background, s.lines(g))
					check(t, s, &k, &truth, records)
				})
			}
		})
	}
}

func check(t *testing.T, s setting, k *KindInfo, truth *Truth, records []record) {
	t.Helper()
	switch k.Kind {
	case "radiation", "delivery-outage", "late-burst": // these add nothing
		if len(records) > 0 {
			t.Errorf("%d records were added", len(records))
		}
		return
	}
	if len(records) == 0 {
		t.Error("no record was added")
	}
	for _, r := range records {
		if k.six != netip.MustParseAddr(r.src).Is6() {
			t.Fatalf("a record from %s", r.src)
		}
	}
	if truth.Targets > 0 {
		checkScan(t, s, truth, records)
	}
	if truth.Sources > 0 {
		sources := map[string]bool{}
		for _, r := range records {
			if r.eni == truth.Key && !isPrivate(r.src) {
				sources[r.src] = true
			}
		}
		// Of bots, chance leaves some out where a factor makes few visits.
		n, bots := len(sources), truth.Factor > 0
		if n > truth.Sources || n < truth.Sources && !bots {
			t.Errorf("%d sources, the truth says %d", n, truth.Sources)
		}
	}
	if k.Rule == "bruteforce" {
		connections := 0
		for _, r := range records {
			if r.src == truth.Key && r.eni == truth.Keys[0] && (r.dstPort == 22 || r.dstPort == 3389) {
				connections++
			}
		}
		// Two within ten minutes may have the same port, and are one record then.
		if truth.Answered-connections < 0 || truth.Answered-connections > 2 {
			t.Errorf("%d connections, the truth says %d", connections, truth.Answered)
		}
	}
}

func isPrivate(addr string) bool {
	a := netip.MustParseAddr(addr)
	return a.IsPrivate() || a.Is6() && netip.PrefixFrom(netip.MustParseAddr("2a05:d014::"), 32).Contains(a)
}

// scanned is what the records say of a scan.
type scanned struct{ Targets, Failed, Answered int }

func checkScan(t *testing.T, s setting, truth *Truth, records []record) {
	t.Helper()
	type target struct {
		addr           string
		port, protocol int64
	}
	distributed := truth.Sources > 0
	answers := map[target]bool{}
	for _, r := range records {
		if distributed && r.eni == truth.Key && isPrivate(r.dst) || r.src == truth.Key {
			to := target{r.dst, r.dstPort, r.protocol}
			answers[to] = answers[to] || false
		}
		// A SYN-ACK, which in v2 shows by its options only.
		if r.flags&synAck == synAck || s.format == V2 && r.bytes >= 44*r.packets {
			if from := (target{r.src, r.srcPort, r.protocol}); r.dst == truth.Key {
				answers[from] = true
			}
		}
	}
	var got scanned
	for _, answer := range answers {
		got.Targets++
		if answer {
			got.Answered++
		} else {
			got.Failed++
		}
	}
	if diff := cmp.Diff(scanned{truth.Targets, truth.Failed, truth.Answered}, got); diff != "" {
		t.Errorf("targets (-truth +records):\n%s", diff)
	}
}

// What a kind adds is the same in packets and bytes whatever the interval: ten
// minutes are a sum.
func TestIntervalsHoldTheSameTraffic(t *testing.T) {
	type totals struct{ packets, bytes int64 }
	count := func(interval time.Duration, scenario Scenario) (all map[string]totals, records int) {
		g := setting{V5, interval}.generator(t, scenario)
		layout, err := flowlog.ParseLayout(string(V5))
		if err != nil {
			t.Fatal(err)
		}
		all = map[string]totals{}
		var r flowlog.Record
		add := func(l *Line) {
			if layout.Parse(l.Text, &r) != 0 || r.Status() != flowlog.OK {
				return
			}
			records++
			key := fmt.Sprint(string(r.Text(flowlog.InterfaceID)), r.FlowDirection(), r.Action())
			n := all[key]
			n.packets += r.IntOr(flowlog.Packets, 0)
			n.bytes += r.IntOr(flowlog.Bytes, 0)
			all[key] = n
			if start, end := r.IntOr(flowlog.Start, 0), r.IntOr(flowlog.End, 0); end < start || end-start >= int64(interval/time.Second) {
				t.Fatalf("window %d to %d: %s", start, end, l.Text)
			}
		}
		each(g, 45, func(_ *Batch, l *Line) { add(l) }) // ends within an interval
		for _, b := range g.Rest() {
			for i := range b.Lines {
				add(&b.Lines[i])
			}
		}
		return all, records
	}
	for _, scenario := range []Scenario{{Kind: VerticalScan}, {Kind: "flood"}, {Kind: "nightly-job", For: 40 * time.Minute}} {
		short, many := count(time.Minute, scenario)
		long, few := count(10*time.Minute, scenario)
		if diff := cmp.Diff(short, long, cmp.AllowUnexported(totals{})); diff != "" {
			t.Errorf("%s: totals (-60 s +600 s):\n%s", scenario.Kind, diff)
		}
		if few >= many {
			t.Errorf("%s: %d records of 600 s, %d of 60 s", scenario.Kind, few, many)
		}
	}
}

// visits counts the connections to port 443 of an interface in each five minutes.
func (s setting) visits(t *testing.T, g *Generator, eni string) []int {
	t.Helper()
	layout, err := flowlog.ParseLayout(string(s.format))
	if err != nil {
		t.Fatal(err)
	}
	panes := make([]int, settingMinutes/5)
	var r flowlog.Record
	for n := range settingMinutes {
		for _, b := range g.Next().Batches {
			for _, l := range b.Lines {
				if b.Stream == eni+"-all" && layout.Parse(l.Text, &r) == 0 && r.FlowDirection() == flowlog.Ingress && r.IntOr(flowlog.DstPort, 0) == 443 {
					panes[n/5]++
				}
			}
		}
	}
	return panes
}

func total(panes []int) (sum float64) {
	for _, n := range panes {
		sum += float64(n)
	}
	return sum
}

// A flood of so many times makes so many times the visits that would have come in
// those minutes without it, wherever the level had wandered to.
func TestFloodsAreAsHighAsSaid(t *testing.T) {
	s := settings["v5, 60 s"]
	for _, kind := range []Kind{"flood", "crowd-flood", "pulse", "flash-crowd", "level-shift"} {
		for _, factor := range []float64{3, 5, 10, 50} {
			for site := range 2 {
				scenario := Scenario{Kind: kind, Factor: factor, For: settingMinutes * time.Minute, VPC: site}
				g := s.generator(t, scenario)
				truth := g.Truth()[0]
				with, without := s.visits(t, g, truth.Key), s.visits(t, s.generator(t), truth.Key)
				// A crowd comes and goes; minutes have their own ups and downs.
				least, most := 0.85*factor, 1.15*factor
				if kind == "flash-crowd" {
					least = 0.6 * factor
				}
				if got := total(with) / total(without); got < least || got > most {
					t.Errorf("%s x%v: %.2f times the visits", kind, factor, got)
				}
				if got := total(without) / float64(len(without)); math.Abs(got-truth.Normal) > 0.15*got && kind != "flash-crowd" && kind != "level-shift" {
					t.Errorf("%s x%v: the truth says %.1f visits a pane, there are %.1f without it", kind, factor, truth.Normal, got)
				}
				brings := 0
				for i := range with {
					brings = max(brings, with[i]-without[i])
				}
				if truth.Rule == "spike" && brings != truth.Brings {
					t.Errorf("%s x%v: the truth says that a pane brings %d visits, there are %d", kind, factor, truth.Brings, brings)
				}
			}
		}
	}
}

// What brings less than the floors of its rule is not to be found, however many
// times the normal traffic it is.
func TestSmallFloodsAreBelowTheFloors(t *testing.T) {
	for name, c := range map[string]struct {
		visits   []int // a minute
		brings   int
		expect   string
		severity string
	}{
		"one pane, one below":        {[]int{0, 0, 100, 100, 39}, 239, ExpectMetric, "low"},
		"one pane":                   {[]int{0, 0, 100, 100, 40}, 240, ExpectFinding, "medium"},
		"two panes in a row":         {[]int{60, 0, 0, 0, 0, 0, 0, 0, 0, 60}, 60, ExpectFinding, "low"},
		"two, one of them one below": {[]int{60, 0, 0, 0, 0, 0, 0, 0, 0, 59}, 60, ExpectMetric, "low"},
		"two that are not in a row":  {[]int{60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60}, 60, ExpectMetric, "low"},
		"nothing":                    {make([]int, 30), 0, ExpectMetric, "low"},
	} {
		truth := Truth{Expect: ExpectFinding, Severity: "medium"}
		p := planning{from: noon.Unix(), truth: &truth}
		p.weigh(c.visits)
		if truth.Brings != c.brings || truth.Expect != c.expect || truth.Severity != c.severity {
			t.Errorf("%s: brings %d, expect %s of %s; want %d, %s of %s", name, truth.Brings, truth.Expect, truth.Severity, c.brings, c.expect, c.severity)
		}
	}
	// A minute belongs to the pane of the clock, not of the scenario.
	truth := Truth{Expect: ExpectFinding}
	p := planning{from: noon.Unix() + 3*minute, truth: &truth}
	if p.weigh([]int{100, 100, 100, 100, 100}); truth.Brings != 300 {
		t.Errorf("two minutes of a pane and three of the next bring %d, want 300", truth.Brings)
	}
}

// However many sources a flood has, no two are the same.
func TestForgedSourcesAreDistinct(t *testing.T) {
	all := make([]uint32, 5_000_000)
	for i := range all {
		a := forgedSource(3_000_000_000 + uint32(i)).As4()
		all[i] = binary.BigEndian.Uint32(a[:])
	}
	slices.Sort(all)
	if distinct := len(slices.Compact(all)); distinct != 5_000_000 {
		t.Errorf("%d sources of 5,000,000 are distinct", distinct)
	}
}

func TestEveryKindSaysWhatItIs(t *testing.T) {
	names := map[Kind]bool{}
	for _, k := range Kinds() {
		if names[k.Kind] {
			t.Errorf("%s is there twice", k.Kind)
		}
		names[k.Kind] = true
		if k.Doc == "" || k.Lasts < time.Minute || !slices.Contains([]string{ExpectFinding, ExpectMetric, ExpectNone}, k.Expect) {
			t.Errorf("%s: %+v", k.Kind, k)
		}
		if (k.Expect == ExpectNone) == (k.Rule != "") {
			t.Errorf("%s expects %s of rule %q", k.Kind, k.Expect, k.Rule)
		}
	}
}

// What a format doesn't show is not to be found: the truth says so.
func TestSmallScansAreInvisibleWithoutFlags(t *testing.T) {
	f := func(kind Kind, size int, format Format, want string) {
		t.Helper()
		g := generator(t, Config{Seed: 3, Format: format, Scenarios: []Scenario{{Kind: kind, Size: size}}})
		if got := g.Truth()[0].Expect; got != want {
			t.Errorf("%s of %d targets in %.30s...: expect %s, want %s", kind, size, format, got, want)
		}
	}
	f(HostSweep, 60, V5, ExpectFinding)
	f(HostSweep, 60, V2, ExpectMetric) // most addresses are nobody's
	f(VerticalScan, 300, V2, ExpectFinding)
	f(VerticalScan, 9, V2, ExpectMetric)
	f("udp-sweep", 60, V2, ExpectFinding) // silence shows in any format
	f(ExternalScan, 300, V2, ExpectFinding)
}
