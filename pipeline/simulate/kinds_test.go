package simulate

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// Every kind makes well-formed records in its time, in both formats and at both
// intervals, and says whom it is about.
func TestEveryKindMakesRecords(t *testing.T) {
	for _, k := range Kinds() {
		for _, format := range []Format{V2, V5} {
			for _, interval := range []time.Duration{time.Minute, 10 * time.Minute} {
				t.Run(fmt.Sprintf("%s %d fields %v", k.Kind, len(strings.Fields(string(format))), interval), func(t *testing.T) {
					s := Scenario{Kind: k.Kind, At: 10 * time.Minute, For: min(k.Lasts, 10*time.Minute), Size: 40}
					cfg := Config{Seed: 5, Interfaces: 20, VPCs: 1, Format: format, Interval: interval, Malformed: -1, Late: -1, Level: 0.1, Scenarios: []Scenario{s}}
					if k.Kind == "nightly-job" { // at two o'clock
						cfg.Start = time.Date(2026, 3, 2, 1, 50, 0, 0, time.UTC)
						cfg.Scenarios[0].For = 30 * time.Minute
					}
					quiet := cfg
					quiet.Scenarios = nil
					with, without := lines(t, cfg, 40), lines(t, quiet, 40)
					wholeVPC := k.Kind == "delivery-outage" || k.Kind == "late-burst"
					if !wholeVPC && with <= without {
						t.Errorf("%d lines, and %d without the scenario", with, without)
					}
				})
			}
		}
	}
}

// lines counts the lines of so many minutes, each of which must be well-formed.
func lines(t *testing.T, cfg Config, minutes int) int {
	t.Helper()
	layout, err := flowlog.ParseLayout(string(cfg.Format))
	if err != nil {
		t.Fatal(err)
	}
	g := generator(t, cfg)
	if len(cfg.Scenarios) > 0 && g.Truth()[0].Key == "" {
		t.Error("the truth does not say whom it is about")
	}
	n := 0
	var r flowlog.Record
	each(g, minutes, func(_ *Batch, l *Line) {
		if reason := layout.Parse(l.Text, &r); reason != 0 {
			t.Fatalf("%s: malformed: %v", l.Text, reason)
		}
		if r.Status() == flowlog.OK {
			n++
		}
	})
	for _, b := range g.Rest() {
		n += len(b.Lines)
	}
	return n
}

// Ten-minute records hold the packets and bytes of the one-minute ones.
func TestIntervalsHoldTheSameTraffic(t *testing.T) {
	layout, err := flowlog.ParseLayout(string(V5))
	if err != nil {
		t.Fatal(err)
	}
	total := func(interval time.Duration) (records, packets, bytes int64) {
		g := generator(t, Config{Seed: 3, Interval: interval, Malformed: -1, Late: -1, Scenarios: []Scenario{{Kind: VerticalScan, At: 12 * time.Minute}}})
		var r flowlog.Record
		each(g, 60, func(_ *Batch, l *Line) {
			if layout.Parse(l.Text, &r) == 0 && r.Status() == flowlog.OK {
				records++
				packets += r.IntOr(flowlog.Packets, 0)
				bytes += r.IntOr(flowlog.Bytes, 0)
			}
		})
		return records, packets, bytes
	}
	records, packets, size := total(time.Minute)
	fewer, samePackets, sameSize := total(10 * time.Minute)
	if fewer >= records {
		t.Errorf("%d records of ten minutes, %d of one: connections that go on should be put together", fewer, records)
	}
	// The chance that statuses draw differs with the interval, the traffic's own does not.
	if near(packets, samePackets) > 0.05 || near(size, sameSize) > 0.05 {
		t.Errorf("%d packets and %d bytes, want about %d and %d", samePackets, sameSize, packets, size)
	}
}

func near(a, b int64) float64 { return max(float64(a-b), float64(b-a)) / float64(a) }

func TestDeliveryHasATail(t *testing.T) {
	g := generator(t, Config{Seed: 8, Interfaces: 60, Delivery: AWSDelivery(), Malformed: -1, Late: -1})
	var delays []float64
	last := time.Time{}
	note := func(b *Batch) {
		end := b.Lines[0].Start/60*60 + 60
		delays = append(delays, b.At.Sub(time.Unix(end, 0)).Seconds())
	}
	for range 200 {
		for _, b := range g.Next().Batches {
			if b.At.Before(last) {
				t.Fatalf("a batch of %v comes after one of %v", b.At, last)
			}
			last = b.At
			note(&b)
		}
	}
	for _, b := range g.Rest() {
		note(&b)
	}
	slices.Sort(delays)
	if m := delays[len(delays)/2]; m < 25 || m > 36 {
		t.Errorf("the median delay is %.0f s, want about 30", m)
	}
	if most := delays[len(delays)-1]; most < 240 || most > 721 {
		t.Errorf("the longest delay is %.0f s, want minutes, and twelve at most", most)
	}
	if n := g.Counts(); n.Missing == 0 || n.Duplicates == 0 {
		t.Errorf("%d lines are missing and %d come twice, want some", n.Missing, n.Duplicates)
	}
}

func TestSuitesKeepTheirDistance(t *testing.T) {
	cfg := Config{Seed: 11, Start: time.Unix(1_772_409_600, 0), Interfaces: 60, VPCs: 3}
	for _, name := range Suites() {
		plan, err := Suite(name, cfg, 5*24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Suite(name, cfg, 5*24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plan, again); diff != "" {
			t.Errorf("%s is planned in two ways:\n%s", name, diff)
		}
		type site struct{ vpc, site int }
		free := map[site]time.Duration{}
		seen := map[Kind]bool{}
		slices.SortFunc(plan, func(a, b Scenario) int { return int(a.At - b.At) })
		for _, s := range plan {
			seen[s.Kind] = true
			if s.Kind == "nightly-job" || s.Kind == "delivery-outage" || s.Kind == "late-burst" {
				continue
			}
			at := site{s.VPC, s.Site}
			if s.At < free[at] {
				t.Errorf("%s: %s at %v, and the site is free from %v on", name, s.Kind, s.At, free[at])
			}
			free[at] = s.At + s.For + apart
			if kindOf(s.Kind).needs > s.At {
				t.Errorf("%s: %s at %v, before there is anything to learn from", name, s.Kind, s.At)
			}
		}
		for _, k := range Kinds() {
			attack := k.Expect == ExpectFinding
			wanted := k.Kind != IngressSpike && (name == "all" || name == "attacks" && attack || name == "benign" && !attack)
			if name == "all" && (k.Kind == "delivery-outage" || k.Kind == "late-burst") {
				wanted = false // whole VPCs: not among attacks
			}
			if wanted && !seen[k.Kind] {
				t.Errorf("%s has no %s", name, k.Kind)
			}
		}
		cfg.Scenarios = plan
		generator(t, cfg) // each can be made
		cfg.Scenarios = nil
	}
}

func TestTruthIsReadAsWritten(t *testing.T) {
	g := generator(t, Config{Seed: 2, Scenarios: Demo()})
	var text bytes.Buffer
	if err := WriteTruth(&text, g.Truth()); err != nil {
		t.Fatal(err)
	}
	got, err := ReadTruth(&text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(g.Truth(), got); diff != "" {
		t.Errorf("truth (-written +read):\n%s", diff)
	}
	good := `{"scenario":"x","key":"10.0.0.1","start":"2026-01-01T00:00:00Z","end":"2026-01-01T01:00:00Z","expect":"none"}`
	for bad, says := range map[string]string{
		"{": "line 1",
		good + "\n" + `{"scenario":"x","wrong":1}`:           `line 2: json: unknown field "wrong"`,
		`{"key":"10.0.0.1"}`:                                 "no scenario",
		strings.Replace(good, "10.0.0.1", "", 1):             "no key",
		good + "\n" + strings.Replace(good, "T00", "T02", 1): "line 2: start",
		strings.Replace(good, `"none"`, `"no"`, 1):           `expect "no"`,
	} {
		if _, err := ReadTruth(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("truth %q: error %v, want one that says %s", bad, err, says)
		}
	}
}

// The same configuration gives the same bytes, with everything switched on.
func TestEverythingIsDeterministic(t *testing.T) {
	sum := func() [32]byte {
		cfg := Config{Seed: 21, Start: time.Unix(1_772_409_600, 0), Interfaces: 30, Varied: true, Delivery: AWSDelivery(), Misread: 0.1}
		plan, err := Suite("all", cfg, 6*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Scenarios = plan
		h := sha256.New()
		each(generator(t, cfg), 300, func(b *Batch, l *Line) { fmt.Fprintf(h, "%d %s %s\n", b.At.UnixNano(), b.Stream, l.Text) })
		return [32]byte(h.Sum(nil))
	}
	if first, second := sum(), sum(); first != second {
		t.Error("two runs give different bytes")
	}
}

func TestMisreadOutcomesAreAboutAsManyAsAskedFor(t *testing.T) {
	layout, err := flowlog.ParseLayout(string(V5))
	if err != nil {
		t.Fatal(err)
	}
	g := generator(t, Config{Seed: 6, Misread: 0.2, Malformed: -1, Late: -1, Scenarios: []Scenario{{Kind: ExternalScan, At: time.Minute, Size: 400}}})
	truth := g.Truth()[0]
	rejected := map[netip.AddrPort]bool{}
	var r flowlog.Record
	each(g, 10, func(_ *Batch, l *Line) {
		if layout.Parse(l.Text, &r) == 0 && r.Addr(flowlog.SrcAddr).String() == truth.Key && r.Action() == flowlog.Reject {
			rejected[netip.AddrPortFrom(r.Addr(flowlog.DstAddr), uint16(r.IntOr(flowlog.DstPort, 0)))] = true
		}
	})
	if share := 1 - float64(len(rejected))/float64(truth.Failed); share < 0.15 || share > 0.25 {
		t.Errorf("%.2f of the failures are misread, want 0.2", share)
	}
}
