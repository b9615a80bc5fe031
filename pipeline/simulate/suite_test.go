package simulate

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var suiteConfig = Config{Seed: 5, Start: noon, Interfaces: 60, VPCs: 3}

func suite(t *testing.T, name string, cfg Config, lasts time.Duration) []Scenario {
	t.Helper()
	all, err := Suite(name, cfg, lasts)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

const week = 7 * 24 * time.Hour

func TestSuitesHoldEveryKindTheyAreFor(t *testing.T) {
	f := func(name string, in func(*KindInfo) bool) {
		t.Helper()
		have := map[Kind]int{}
		for _, s := range suite(t, name, suiteConfig, 2*week) {
			have[s.Kind]++
		}
		for _, k := range Kinds() {
			// The spike of the demo is a flood like those of the suites.
			if k.Kind == IngressSpike {
				continue
			}
			if got := have[k.Kind] > 0; got != in(&k) {
				t.Errorf("suite %s: %d of %s", name, have[k.Kind], k.Kind)
			}
		}
	}
	ofVPC := func(k *KindInfo) bool { return k.Kind == "delivery-outage" || k.Kind == "late-burst" }
	f("background", func(*KindInfo) bool { return false })
	f("attacks", func(k *KindInfo) bool { return k.Expect == ExpectFinding })
	f("floods", func(k *KindInfo) bool {
		return k.Rule == "spike" || k.Kind == "flash-crowd" || k.Kind == "level-shift" || k.Kind == "dormant-wakes"
	})
	f("benign", func(k *KindInfo) bool { return k.Expect != ExpectFinding })
	f("all", func(k *KindInfo) bool { return !ofVPC(k) })
}

// Two scenarios at one site are hours apart, what needs a baseline comes after
// two days, and everything ends within the simulation.
func TestSuitesLeaveRoom(t *testing.T) {
	for _, name := range Suites() {
		type place struct{ vpc, site int }
		free := map[place]time.Duration{}
		for _, s := range suite(t, name, suiteConfig, week) {
			k := kindOf(s.Kind)
			if s.At+s.For > week || s.At%time.Minute != 0 {
				t.Errorf("%s: %s at %v for %v", name, s.Kind, s.At, s.For)
			}
			if k.Kind == "nightly-job" || k.Kind == "delivery-outage" || k.Kind == "late-burst" {
				continue
			}
			if s.At < k.needs {
				t.Errorf("%s: %s at %v, before %v", name, s.Kind, s.At, k.needs)
			}
			if at := (place{s.VPC, s.Site}); s.At < free[at] {
				t.Errorf("%s: %s at %v, %v too early", name, s.Kind, s.At, free[at]-s.At)
			} else {
				free[at] = s.At + s.For + 3*time.Hour
			}
		}
	}
}

func TestSuitesAreOfTheirSeed(t *testing.T) {
	other := suiteConfig
	other.Seed++
	a, b, c := suite(t, "all", suiteConfig, week), suite(t, "all", suiteConfig, week), suite(t, "all", other, week)
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("the same seed, twice:\n%s", diff)
	}
	if cmp.Equal(a, c) {
		t.Error("another seed gave the same plan")
	}
	// The generator takes what the suite plans.
	cfg := suiteConfig
	cfg.Scenarios = a
	if got := generator(t, cfg).Truth(); len(got) != len(a) {
		t.Errorf("%d truths of %d scenarios", len(got), len(a))
	}
}

func TestSuiteErrors(t *testing.T) {
	f := func(name string, cfg Config, want string) {
		t.Helper()
		if _, err := Suite(name, cfg, week); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	f("party", suiteConfig, "accepted are [background attacks floods benign all]")
	f("all", Config{}, "no start time")
	f("all", Config{Start: noon, Interfaces: 9, VPCs: 1}, "accepted are 10 or more for each VPC")
}
