package detect

import (
	"strings"
	"testing"
	"time"
)

// loaded is a pane in which the interface took so much.
func loaded(bytes, packets, flows int64) *Pane {
	l := Load{Key: Key{"111122223333", "vpc-0abc", "eni-0bb2"}, OK: true}
	l.Values[Bytes], l.Values[Packets], l.Values[AcceptedFlows] = bytes, packets, flows
	return &Pane{Loads: []Load{l}}
}

func TestCeiling(t *testing.T) {
	make := func() Detector {
		return NewCeiling(CeilingConfig{BPS: 8_000_000, PPS: 1000, Flows: 500}, 5*time.Minute)
	}
	inBothLives(t, make, func(c *ruleCase) {
		c.feed(loaded(300_000_000, 300_000, 500)).want() // each at its ceiling
		c.feed(loaded(300_000_001, 0, 0)).want("p1 create medium #1 uid=p1 ceiling,bits_per_second")
		c.whole()
		c.quiet(3).want("p4 close medium #2 uid=p1 ceiling,bits_per_second quiet")
	})
	inBothLives(t, make, func(c *ruleCase) {
		c.feed(loaded(0, 300_001, 0)).want("p0 create medium #1 uid=p0 ceiling,packets_per_second")
	})
	inBothLives(t, make, func(c *ruleCase) { // the one that is exceeded most
		c.feed(loaded(310_000_000, 310_000, 1000)).want("p0 create medium #1 uid=p0 ceiling,flows")
	})
	inBothLives(t, make, func(c *ruleCase) { // of two, by far
		c.feed(loaded(600_000_000, 0, 5000)).want("p0 create medium #1 uid=p0 ceiling,flows")
	})
	if (&CeilingConfig{}).Enabled() {
		t.Error("there is a ceiling by default")
	}
	if err := (&CeilingConfig{BPS: -1}).Validate(); err == nil || !strings.Contains(err.Error(), "bps") {
		t.Errorf("a negative ceiling: %v", err)
	}
}
