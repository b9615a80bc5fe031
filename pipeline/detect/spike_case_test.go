package detect

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// origin is a Monday, 00:00 UTC.
const origin = 1_795_392_000

const fiveMinutes = 300

// ingressCase feeds one interface pane by pane, and writes down what the rule
// finds as lines such as "p13 create low #1 uid=p13 spike,accepted_flows".
type ingressCase struct {
	t      *testing.T
	rule   *Spike
	pane   int64 // number of the next pane
	found  []Finding
	events []string
}

func newIngressCase(t *testing.T, change ...func(*SpikeConfig)) *ingressCase {
	cfg := DefaultSpike()
	cfg.MinCounts = 50 // the floor that the cases reckon with
	for _, c := range change {
		c(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return &ingressCase{t: t, rule: NewSpike(cfg, 5*time.Minute)}
}

func startOf(pane int64) int64 { return origin + pane*fiveMinutes }

// panes feeds n panes with so many accepted flows each.
func (c *ingressCase) panes(n int, accepted int64, change ...func(*Load)) *ingressCase {
	for range n {
		load := Load{
			Key:    Key{"111122223333", "vpc-0abc", "eni-0bb2"},
			Region: "eu-central-1", TargetAddr: "10.0.7.42", OK: true,
			Records: accepted,
		}
		load.Values[AcceptedFlows] = accepted
		if accepted > 0 {
			load.First, load.Last = startOf(c.pane)+5, startOf(c.pane)+299
		}
		for _, f := range change {
			f(&load)
		}
		c.feed(load)
	}
	return c
}

func (c *ingressCase) feed(loads ...Load) {
	found := c.rule.Detect(&Pane{Start: startOf(c.pane), End: startOf(c.pane + 1), Loads: loads})
	conforms(c.t, found)
	c.found = append(c.found, found...)
	for _, f := range found {
		c.events = append(c.events, eventLine(&f))
	}
	c.pane++
}

// missing passes over panes of which there is no record at all.
func (c *ingressCase) missing(n int64) *ingressCase {
	c.pane += n
	return c
}

// elsewhere feeds panes of another interface only.
func (c *ingressCase) elsewhere(n int) *ingressCase {
	for range n {
		c.feed(Load{Key: Key{"111122223333", "vpc-0abc", "eni-0other"}, OK: true})
	}
	return c
}

func (c *ingressCase) want(events ...string) *ingressCase {
	c.t.Helper()
	if diff := cmp.Diff(events, c.events); diff != "" {
		c.t.Fatalf("events (-want +got):\n%s", diff)
	}
	c.events = nil
	return c
}

func (c *ingressCase) last() *Finding { return &c.found[len(c.found)-1] }

func (c *ingressCase) baseline(m Measure) *baseline {
	return &c.rule.interfaces[Key{"111122223333", "vpc-0abc", "eni-0bb2"}].measures[m]
}

// eventLine writes a finding with pane numbers for times: "p13" for an event
// at the end of pane 13.
func eventLine(f *Finding) string {
	start := f.UID[strings.LastIndexByte(f.UID, '/')+1:]
	var crossed int64
	if _, err := fmt.Sscan(start, &crossed); err != nil {
		panic(err)
	}
	line := fmt.Sprintf("p%d %v %v #%d uid=p%d %s",
		(f.Time-origin)/fiveMinutes-1, f.Activity, f.Severity, f.Seq, (crossed-origin)/fiveMinutes, strings.Join(f.Types, ","))
	if f.CloseReason != "" {
		line += " " + string(f.CloseReason)
	}
	return line
}

func skipData(l *Load) { l.OK, l.SkipData = false, true }

func noData(l *Load) { l.OK, l.NoData = false, true }

func bytesOf(n int64) func(*Load) {
	return func(l *Load) { l.Values[Bytes] = n }
}

const day = 288 // panes

func TestSpikeSteadyTrafficIsQuiet(t *testing.T) {
	newIngressCase(t).panes(2*day, 100).want()
}

func TestSpikeNeedsASecondPane(t *testing.T) {
	t.Run("alone", func(t *testing.T) {
		newIngressCase(t).panes(3*day, 100).panes(1, 600).panes(20, 100).want()
	})
	t.Run("confirmed", func(t *testing.T) {
		c := newIngressCase(t).panes(3*day, 100).panes(2, 600)
		c.want("p865 create low #1 uid=p865 spike,accepted_flows")
		if c.last().Count != 2 {
			t.Errorf("count is %d, want the 2 panes that were candidates", c.last().Count)
		}
	})
	t.Run("not across a gap", func(t *testing.T) {
		newIngressCase(t).panes(3*day, 100).panes(1, 600).missing(1).panes(1, 600).panes(5, 100).want()
	})
	t.Run("across a pane with SKIPDATA", func(t *testing.T) {
		newIngressCase(t).panes(3*day, 100).panes(1, 600, skipData).panes(1, 600).
			want("p865 create low #1 uid=p865 spike,accepted_flows")
	})
}

func TestSpikeTenfoldFiresAtOnce(t *testing.T) {
	newIngressCase(t).panes(3*day, 100).panes(1, 1000).
		want("p864 create medium #1 uid=p864 spike,accepted_flows")
}

// Ten times, but an excess below ten times the floor: it must be confirmed.
func TestSpikeTenfoldOfLittleWaits(t *testing.T) {
	newIngressCase(t).panes(3*day, 10).panes(1, 200).want().panes(1, 200).
		want("p865 create low #1 uid=p865 spike,accepted_flows")
}

func TestSpikeFloor(t *testing.T) {
	t.Run("counts", func(t *testing.T) {
		newIngressCase(t).panes(3*day, 2).panes(3, 51).want().panes(2, 53).
			want("p868 create low #1 uid=p868 spike,accepted_flows")
	})
	t.Run("bytes, with more flows", func(t *testing.T) {
		c := newIngressCase(t).panes(3*day, 20, bytesOf(2048))
		c.panes(3, 50, bytesOf(5<<20)).want() // the excess is 2 KiB short of 5 MiB
		c.panes(2, 50, bytesOf(5<<20+4096)).want("p868 create low #1 uid=p868 spike,bytes")
	})
	t.Run("bytes alone", func(t *testing.T) {
		c := newIngressCase(t).panes(3*day, 0, bytesOf(2048))
		c.panes(3, 0, bytesOf(50<<20)).want()
		c.panes(2, 0, bytesOf(50<<20+4096)).want("p868 create low #1 uid=p868 spike,bytes")
	})
}

func TestSpikeFirstPanesAreNotTested(t *testing.T) {
	c := newIngressCase(t).panes(6, 100).panes(1, 100_000).panes(5, 100).want()
	if m := c.baseline(AcceptedFlows).m; m != 100 {
		t.Errorf("the level starts at %v, want the median 100", m)
	}
	for _, k := range c.rule.TakeCalibration() {
		if k.Tested != 0 {
			t.Errorf("%d panes were tested, want none", k.Tested)
		}
	}
	c.panes(1, 100_000).want("p12 create low #1 uid=p12 spike,accepted_flows")
}

func TestSpikeLearningCapsSeverity(t *testing.T) {
	c := newIngressCase(t).panes(20, 100).panes(1, 5000).want("p20 create low #1 uid=p20 spike,accepted_flows")
	if f := c.last(); f.Confidence != Learning || f.Confidence.String() != "learning" {
		t.Errorf("confidence is %v, want learning", f.Confidence)
	}
	c = newIngressCase(t).panes(2*day, 100).panes(1, 5000).want("p576 create medium #1 uid=p576 spike,accepted_flows")
	if f := c.last(); f.Confidence != HighConfidence {
		t.Errorf("after two days confidence is %v, want high", f.Confidence)
	}
}

func TestSpikeFromNothing(t *testing.T) {
	c := newIngressCase(t).panes(3*day, 0).panes(1, 1000).want("p864 create medium #1 uid=p864 spike,accepted_flows")
	f := c.last()
	if want := "Ingress spike on eni-0bb2: 1,000 accepted flows in 5 min from nothing"; f.Message != want {
		t.Errorf("message is %q, want %q", f.Message, want)
	}
	if _, ok := f.Spike.Measures[0].Ratio(); ok {
		t.Error("there is a ratio to nothing")
	}
}

func TestSpikeZeroesAreNoSurprise(t *testing.T) {
	c := newIngressCase(t).panes(2*day, 0, noData).want()
	for m, k := range c.rule.TakeCalibration() {
		if k.Tested != 2*day-12 || k.Below2 != 0 {
			t.Errorf("%v: %d panes tested and %d below 1e-2, want %d and 0", Measure(m), k.Tested, k.Below2, 2*day-12)
		}
	}
}

func TestSpikeMissingPanesTeachNothing(t *testing.T) {
	c := newIngressCase(t).panes(40, 100)
	before := *c.baseline(AcceptedFlows)
	c.missing(30).panes(1, 100).want()
	if after := c.baseline(AcceptedFlows); after.m != before.m {
		t.Errorf("the level went from %v to %v over a gap", before.m, after.m)
	}
}

func TestSpikeSkipDataIsTestedButNotLearned(t *testing.T) {
	c := newIngressCase(t).panes(3*day, 100)
	before := *c.baseline(AcceptedFlows)
	c.panes(1, 160, skipData).want()
	if after := c.baseline(AcceptedFlows); after.m != before.m || after.phi != before.phi || after.recent != before.recent {
		t.Error("a pane with SKIPDATA was learned from")
	}
	c.panes(1, 1000, skipData).want("p865 create medium #1 uid=p865 spike,accepted_flows")
}

func TestSpikeUpdatesAndCloses(t *testing.T) {
	newIngressCase(t).panes(3*day, 100).panes(7, 1500).panes(4, 100).want(
		"p864 create medium #1 uid=p864 spike,accepted_flows",
		"p867 update medium #2 uid=p864 spike,accepted_flows",
		"p870 update medium #3 uid=p864 spike,accepted_flows",
		"p873 close medium #4 uid=p864 spike,accepted_flows quiet",
	)
}

func TestSpikeTellsSeverityAtOnce(t *testing.T) {
	newIngressCase(t).panes(3*day, 100).panes(2, 600).panes(1, 2000).want(
		"p865 create low #1 uid=p865 spike,accepted_flows",
		"p866 update medium #2 uid=p865 spike,accepted_flows",
	)
}

func TestSpikeOneIncidentForAllMeasures(t *testing.T) {
	c := newIngressCase(t).panes(3*day, 100, bytesOf(100<<20))
	c.panes(1, 1000, bytesOf(100<<20)).panes(2, 1000, bytesOf(2000<<20)).panes(3, 100, bytesOf(100<<20)).want(
		"p864 create medium #1 uid=p864 spike,accepted_flows",
		"p867 update medium #2 uid=p864 spike,accepted_flows,bytes",
		"p869 close medium #3 uid=p864 spike,accepted_flows,bytes quiet",
	)
	measures := c.last().Spike.Measures
	if len(measures) != 2 || measures[0].Measure != Bytes {
		t.Errorf("the last evidence is %+v, want both measures, bytes first", measures)
	}
}

func TestSpikeReopens(t *testing.T) {
	t.Run("within six panes", func(t *testing.T) {
		newIngressCase(t).panes(3*day, 100).panes(1, 1500).panes(3, 100).panes(5, 100).panes(1, 2000).want(
			"p864 create medium #1 uid=p864 spike,accepted_flows",
			"p867 close medium #2 uid=p864 spike,accepted_flows quiet",
			"p873 update medium #3 uid=p864 spike,accepted_flows",
		)
	})
	t.Run("not later", func(t *testing.T) {
		newIngressCase(t).panes(3*day, 100).panes(1, 1500).panes(3, 100).panes(6, 100).panes(1, 2000).want(
			"p864 create medium #1 uid=p864 spike,accepted_flows",
			"p867 close medium #2 uid=p864 spike,accepted_flows quiet",
			"p874 create medium #1 uid=p874 spike,accepted_flows",
		)
	})
}

func TestSpikeShiftOfTheLevel(t *testing.T) {
	c := newIngressCase(t).panes(3*day, 100).panes(3*day, 1500)
	closed := slices.IndexFunc(c.events, func(e string) bool { return strings.Contains(e, "close") })
	if closed < 0 {
		t.Fatal("the incident never closed")
	}
	if want := "p935 close medium #25 uid=p864 spike,accepted_flows new_baseline"; c.events[closed] != want {
		t.Errorf("got %q, want %q: six hours after it opened", c.events[closed], want)
	}
	if more := c.events[closed+1:]; len(more) > 0 {
		t.Errorf("found on the new level: %v", more)
	}
	if m := c.baseline(AcceptedFlows).m; m < 1490 {
		t.Errorf("the level is %v, want the new one, 1500", m)
	}
}

func TestSpikeNoCoverage(t *testing.T) {
	t.Run("told by another interface", func(t *testing.T) {
		newIngressCase(t).panes(3*day, 100).panes(1, 1500).elsewhere(14).want(
			"p864 create medium #1 uid=p864 spike,accepted_flows",
			"p876 close medium #2 uid=p864 spike,accepted_flows no_data",
		)
	})
	t.Run("told by the next pane", func(t *testing.T) {
		newIngressCase(t).panes(3*day, 100).panes(1, 1500).missing(12).panes(1, 100).want(
			"p864 create medium #1 uid=p864 spike,accepted_flows",
			"p876 close medium #2 uid=p864 spike,accepted_flows no_data",
		)
	})
	t.Run("eleven panes are not enough", func(t *testing.T) {
		newIngressCase(t).panes(3*day, 100).panes(1, 1500).missing(11).panes(1, 1500).want(
			"p864 create medium #1 uid=p864 spike,accepted_flows",
			"p876 update medium #2 uid=p864 spike,accepted_flows",
		)
	})
}

// nightly feeds days with a job of six panes at 02:00.
func (c *ingressCase) nightly(days int) *ingressCase {
	for range days {
		c.panes(24, 100).panes(6, 1500).panes(day-30, 100)
	}
	return c
}

func TestSpikeNightlyJobBecomesNormal(t *testing.T) {
	c := newIngressCase(t).panes(2*day, 100).nightly(2)
	creates := func() int {
		n := 0
		for _, e := range c.events {
			if strings.Contains(e, "create") {
				n++
			}
		}
		return n
	}
	if n := creates(); n != 2 {
		t.Fatalf("%d incidents on the first two nights, want 2: %v", n, c.events)
	}
	c.events = nil
	c.nightly(3).want()
}

func TestSpikeOneAttackDoesNotPoisonTheSeason(t *testing.T) {
	newIngressCase(t).panes(3*day, 100).panes(6, 1500).panes(day-6, 100).panes(1, 1500).want(
		"p864 create medium #1 uid=p864 spike,accepted_flows",
		"p867 update medium #2 uid=p864 spike,accepted_flows",
		"p870 update medium #3 uid=p864 spike,accepted_flows",
		"p872 close medium #4 uid=p864 spike,accepted_flows quiet",
		"p1152 create medium #1 uid=p1152 spike,accepted_flows",
	)
}

// A busy hour of every weekday is normal on Monday for the sensitive profile,
// and not on Saturday. The quiet one finds it again on Monday and Tuesday,
// when two of the last three days had none.
func TestSpikeProfiles(t *testing.T) {
	week := func(p Profile) *ingressCase {
		c := newIngressCase(t, func(cfg *SpikeConfig) { cfg.Profile = p })
		for d := range 14 {
			if d%7 < 5 {
				c.nightly(1)
			} else {
				c.panes(day, 100)
			}
		}
		c.events = nil
		return c
	}
	week(Sensitive).nightly(1).want()
	c := week(Sensitive).nightly(5)
	c.events = nil
	c.nightly(1)
	if len(c.events) == 0 {
		t.Error("sensitive: a weekday's job on a Saturday was not found")
	}
	found := map[int64]bool{}
	for _, f := range week(QuietProfile).nightly(5).found {
		found[(f.Created-origin)/fiveMinutes/day] = true
	}
	if !found[14] || !found[15] || found[16] || found[17] || found[18] {
		t.Errorf("quiet: found on days %v, want 14 and 15 of 14 to 18", found)
	}
}

func TestSpikeForgets(t *testing.T) {
	c := newIngressCase(t).panes(3*day, 100).missing(9 * day).elsewhere(1)
	if n := len(c.rule.interfaces); n != 1 {
		t.Errorf("%d interfaces are held, want 1", n)
	}
	c.panes(1, 100_000).want()
}

func TestSpikeRestoresABaselineBitByBit(t *testing.T) {
	c := newIngressCase(t).panes(30, 100) // an hour that ended, and means of others that are absent
	for i := range int64(2*day + 50) {
		c.panes(1, 97+i*i%31, bytesOf((i*i*i%7919)<<12))
	}
	c.panes(1, 300).panes(1, 120).panes(1, 500).missing(3).panes(1, 101)
	fresh := restored(t, c.rule)
	for key, in := range c.rule.interfaces {
		want, got := in.measures, fresh.interfaces[key].measures
		for m := range want {
			want[m].mu, want[m].muPhi = 0, 0 // of the last test, for the metric of levels
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(baseline{}, trend{}, tail{}, summit{})); diff != "" {
			t.Errorf("baselines (-before +restored):\n%s", diff)
		}
		if b := &want[AcceptedFlows]; b.tail.n == 0 || b.trend.means[0] == float32(int64(b.trend.means[0])) {
			t.Errorf("the state is too plain to show a loss: %+v", b)
		}
	}
}
