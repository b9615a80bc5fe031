package detect

import (
	"math"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestDefaultsAreValid(t *testing.T) {
	spike, internal, external := DefaultSpike(), DefaultScanInternal(), DefaultScanExternal()
	for name, err := range map[string]error{
		"spike": spike.Validate(), "scan.internal": internal.Validate(), "scan.external": external.Validate(),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every problem is told at once, each with its key.
func TestValidateTellsAll(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want []string
	}{
		{"spike", (&SpikeConfig{Profile: "loud", FalseFindings: math.NaN()}).Validate(),
			[]string{`profile: "loud" is not known; accepted are quiet and sensitive`, "false_findings: NaN", "min_counts: 0", "min_bytes: 0"}},
		{"scan.internal", (&ScanInternalConfig{Alpha: 1}).Validate(),
			[]string{"min_failed: 0 is outside 1 to 1000000", "sweep_hosts: 0", "alpha: 1 is outside (0, 1)", "sources: 0"}},
		{"scan.external", (&ScanExternalConfig{MinFailed: -1, Alpha: math.NaN()}).Validate(),
			[]string{"min_failed: -1", "min_failed_hour: 0", "alpha: NaN", "sources: 0"}},
	} {
		if c.err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		lines := strings.Split(c.err.Error(), "\n")
		if len(lines) != len(c.want) {
			t.Errorf("%s: %d problems told, want %d: %v", c.name, len(lines), len(c.want), c.err)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(lines[i], want) {
				t.Errorf("%s: problem %q, want it to begin with %q", c.name, lines[i], want)
			}
		}
	}
}

func TestConfigKeys(t *testing.T) {
	rules := struct {
		Spike    SpikeConfig        `yaml:"spike"`
		Internal ScanInternalConfig `yaml:"scan.internal"`
		External ScanExternalConfig `yaml:"scan.external"`
	}{DefaultSpike(), DefaultScanInternal(), DefaultScanExternal()}
	text := "spike: {profile: sensitive}\nscan.internal: {min_failed: 12}\nscan.external: {min_failed_hour: 500}\n"
	if err := yaml.Unmarshal([]byte(text), &rules); err != nil {
		t.Fatal(err)
	}
	if rules.Spike.Profile != Sensitive || rules.Spike.MinCounts != DefaultSpike().MinCounts || rules.Internal.MinFailed != 12 ||
		rules.Internal.SweepHosts != 25 || rules.External.MinFailedHour != 500 || rules.External.MinFailed != 100 {
		t.Errorf("read as %+v", rules)
	}
}

// One false finding a day and 1,000 interfaces, whatever the pane's length.
func TestAlpha(t *testing.T) {
	c := DefaultSpike()
	if got := c.alpha(300); math.Abs(got-5.787e-7) > 1e-10 {
		t.Errorf("alpha is %g, want 5.787e-7", got)
	}
	if got, want := c.alpha(60), c.alpha(300)/5; math.Abs(got-want) > 1e-15 {
		t.Errorf("alpha of one-minute panes is %g, want a fifth, %g", got, want)
	}
}
