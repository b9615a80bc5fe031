package simulate

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// arrivals returns how long after the end of its minute every batch of a day
// arrives, and checks that they come in order.
func arrivals(t *testing.T, g *Generator, hours int) (delays []time.Duration, lines map[string]int) {
	t.Helper()
	lines = map[string]int{}
	previous := time.Time{}
	see := func(batches []Batch) {
		for i := range batches {
			b := &batches[i]
			if b.At.Before(previous) {
				t.Fatalf("delivered at %v after %v", b.At, previous)
			}
			previous = b.At
			end := b.Lines[0].Start - b.Lines[0].Start%60 + 60
			delays = append(delays, b.At.Sub(time.Unix(end, 0)))
			for _, l := range b.Lines {
				lines[string(l.Text)]++
			}
		}
	}
	for range hours * 60 {
		see(g.Next().Batches)
	}
	see(g.Rest())
	slices.Sort(delays)
	return delays, lines
}

func TestDeliverySchedules(t *testing.T) {
	f := func(name string, median, least, most, longest time.Duration) {
		t.Helper()
		d, err := NamedDelivery(name)
		if err != nil {
			t.Fatal(err)
		}
		g := generator(t, Config{Seed: 3, Start: noon.Truncate(24 * time.Hour), Level: 0.05, Radiation: -1, Interfaces: 40, Malformed: -1, Late: -1, Delivery: d})
		delays, _ := arrivals(t, g, 7)
		if got := delays[len(delays)/2]; got < median*9/10 || got > median*11/10 {
			t.Errorf("%s: median %v, want about %v", name, got, median)
		}
		if got := delays[0]; got < least {
			t.Errorf("%s: the first comes after %v, want %v at least", name, got, least)
		}
		if got := delays[len(delays)-1]; got < longest || got > most {
			t.Errorf("%s: the last comes after %v, want %v to %v", name, got, longest, most)
		}
	}
	f("prompt", 33*time.Second, 22*time.Second, 44*time.Second, 40*time.Second)
	f("aws", 30*time.Second, time.Second, 12*time.Minute, 5*time.Minute)
	f("rough", 30*time.Second, time.Second, 33*time.Minute, 18*time.Minute)
}

// Every line that is logged arrives once, but for those that the counts name.
func TestMissingAndRepeatedLinesAreCounted(t *testing.T) {
	cfg := Config{Seed: 3, Level: 0.3, Malformed: -1, Late: -1}
	_, logged := arrivals(t, generator(t, cfg), 6)
	cfg.Delivery = Delivery{Median: time.Minute, Missing: 0.02, Duplicates: 0.03}
	g := generator(t, cfg)
	delays, delivered := arrivals(t, g, 6)
	var missing, twice, all int64
	for line, n := range logged {
		switch got := delivered[line] - n; {
		case got < 0:
			missing -= int64(got)
		case got > 0:
			twice += int64(got)
		}
		all += int64(n)
	}
	c := g.Counts()
	// A line may stand twice in the log as well, so that one lost and one
	// repeated cancel out.
	if missing > c.Missing || c.Missing-missing > c.Missing/50+2 || twice > c.Duplicates || c.Duplicates-twice > c.Duplicates/50+2 {
		t.Errorf("%d missing and %d twice, counted %d and %d", missing, twice, c.Missing, c.Duplicates)
	}
	if c.Lines != all-c.Missing+c.Duplicates {
		t.Errorf("%d lines delivered of %d, %d missing, %d twice", c.Lines, all, c.Missing, c.Duplicates)
	}
	// A share of minutes, each of an interface.
	for what, share := range map[string][2]float64{"missing": {float64(c.Missing), 0.02}, "repeated": {float64(c.Duplicates), 0.03}} {
		if got := share[0] / float64(all); math.Abs(got-share[1]) > share[1]/2 {
			t.Errorf("%.4f of the lines are %s, want about %.4f of %d batches", got, what, share[1], len(delays))
		}
	}
	for line := range delivered {
		if logged[line] == 0 {
			t.Fatalf("nobody logged %s", line)
		}
	}
}

// In an outage nothing of a VPC is delivered; after it, everything.
func TestOutageDelaysAndLosesNothing(t *testing.T) {
	cfg := Config{Seed: 3, Level: 0.3, Malformed: -1, Late: -1}
	_, want := arrivals(t, generator(t, cfg), 2)
	cfg.Scenarios = []Scenario{{Kind: "delivery-outage", At: time.Hour, For: 12 * time.Minute, VPC: 1}}
	g := generator(t, cfg)
	from := noon.Add(time.Hour)
	got := map[string]int{}
	after := 0
	see := func(batches []Batch) {
		for _, b := range batches {
			for _, l := range b.Lines {
				got[string(l.Text)]++
			}
			switch out := !b.At.Before(from) && b.At.Before(from.Add(12*time.Minute)); {
			case out && b.VPC == g.vpcs[1].id:
				t.Errorf("delivered at %v, within the outage", b.At)
			case out:
				after++
			}
		}
	}
	for range 120 {
		see(g.Next().Batches)
	}
	see(g.Rest())
	if after == 0 {
		t.Error("the other VPC delivered nothing")
	}
	for line, n := range want {
		if got[line] != n {
			t.Fatalf("delivered %d times, want %d: %s", got[line], n, line)
		}
	}
}

// A late burst comes later than any lateness that is allowed.
func TestLateBurst(t *testing.T) {
	cfg := Config{Seed: 3, Level: 0.3, Malformed: -1, Late: -1, Scenarios: []Scenario{{Kind: "late-burst", At: time.Hour}}}
	g := generator(t, cfg)
	late := map[string]int{}
	layout, err := flowlog.ParseLayout(g.Format())
	if err != nil {
		t.Fatal(err)
	}
	var r flowlog.Record
	for range 150 {
		for _, b := range g.Next().Batches {
			for _, l := range b.Lines {
				if layout.Parse(l.Text, &r) == 0 && b.At.Unix()-l.Start > 40*60 {
					late[b.VPC]++
				}
			}
		}
	}
	if late[g.vpcs[0].id] < 500 || late[g.vpcs[1].id] > 0 {
		t.Errorf("late lines by VPC: %v", late)
	}
}

func TestDeliveryErrors(t *testing.T) {
	f := func(d Delivery, want string) {
		t.Helper()
		if _, err := New(Config{Start: noon, Delivery: d}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	f(Delivery{Median: -1}, "median")
	f(Delivery{Median: time.Hour}, "median")
	f(Delivery{Missing: 2}, "shares")
	f(Delivery{Duplicates: -1}, "shares")
	f(Delivery{Outage: 2 * time.Hour, OutageAt: 23 * time.Hour}, "within a day")
	if _, err := NamedDelivery("pigeon"); err == nil || !strings.Contains(err.Error(), "prompt, aws and rough") {
		t.Errorf("error %v", err)
	}
}
