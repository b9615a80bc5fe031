package detect

import (
	"testing"
	"time"
)

// The life of an incident in the ledger, by the rule that adds nothing to it.
func TestLedger(t *testing.T) {
	over := func(n int64) *Pane { return loaded(0, 0, n) }
	rule := func() Detector { return NewCeiling(CeilingConfig{Flows: 500}, 5*time.Minute) }
	start := func(t *testing.T) *ruleCase {
		return caseOf(t, rule).feed(over(501)).want("p0 create medium #1 uid=p0 ceiling,flows")
	}
	t.Run("closes after three quiet panes", func(t *testing.T) {
		start(t).quiet(2).want().quiet(1).want("p3 close medium #2 uid=p0 ceiling,flows quiet")
	})
	t.Run("goes on, with an update every 15 minutes", func(t *testing.T) {
		start(t).feed(over(501)).feed(over(501)).want().feed(over(501)).want("p3 update medium #2 uid=p0 ceiling,flows")
	})
	t.Run("reopens within six panes", func(t *testing.T) {
		start(t).quiet(8).feed(over(501)).want("p3 close medium #2 uid=p0 ceiling,flows quiet", "p9 update medium #3 uid=p0 ceiling,flows")
	})
	t.Run("is another one after that", func(t *testing.T) {
		start(t).quiet(9).feed(over(501)).want("p3 close medium #2 uid=p0 ceiling,flows quiet", "p10 create medium #1 uid=p10 ceiling,flows")
	})
	t.Run("closes without records", func(t *testing.T) {
		c := start(t)
		c.pane += 20
		c.feed(&Pane{Loads: []Load{{Key: Key{"111122223333", "vpc-0other", "eni-0cc3"}, OK: true}}}).
			want("p12 close medium #2 uid=p0 ceiling,flows no_data")
	})
	t.Run("is another one after a long time without panes", func(t *testing.T) {
		c := start(t)
		c.pane += 600
		c.feed(over(501)).want("p12 close medium #2 uid=p0 ceiling,flows no_data", "p601 create medium #1 uid=p601 ceiling,flows")
	})
	t.Run("is the same after a dozen", func(t *testing.T) {
		c := start(t)
		c.pane += 11
		c.feed(over(501)).want("p12 update medium #2 uid=p0 ceiling,flows")
	})
	t.Run("is deleted when it can't reopen", func(t *testing.T) {
		c, state := start(t), saved{}
		state.take(c.rule)
		c.quiet(12)
		state.take(c.rule)
		if len(state) != 0 {
			t.Errorf("%d entries are left, want none", len(state))
		}
	})
}
