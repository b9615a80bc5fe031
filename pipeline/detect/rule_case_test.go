package detect

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// ruleCase feeds any rule pane by pane, and writes down what it finds. With
// restart, a new rule takes over after every pane.
type ruleCase struct {
	t       *testing.T
	rule    Detector
	make    func() Detector
	restart bool
	state   saved
	pane    int64
	found   []Finding
	events  []string
}

func caseOf(t *testing.T, make func() Detector) *ruleCase {
	return &ruleCase{t: t, rule: make(), make: make, state: saved{}}
}

// inBothLives runs a story twice: in one life, and restarted after each pane.
func inBothLives(t *testing.T, make func() Detector, story func(*ruleCase)) {
	t.Helper()
	t.Run("in one life", func(t *testing.T) { story(caseOf(t, make)) })
	t.Run("restarted after each pane", func(t *testing.T) {
		c := caseOf(t, make)
		c.restart = true
		story(c)
	})
}

// feed feeds one pane; unless it says otherwise, the VPC is covered.
func (c *ruleCase) feed(p *Pane) *ruleCase {
	c.t.Helper()
	p.Start, p.End = startOf(c.pane), startOf(c.pane+1)
	if p.Loads == nil {
		p.Loads = []Load{{Key: Key{"111122223333", "vpc-0abc", "eni-0bb2"}, TargetAddr: "10.0.9.1", OK: true}}
	}
	found := c.rule.Detect(p)
	conforms(c.t, found)
	for _, f := range found {
		c.found = append(c.found, f)
		c.events = append(c.events, eventLine(&f))
	}
	c.pane++
	if c.restart {
		c.state.take(c.rule)
		c.rule = c.make()
		if err := c.rule.Restore(c.state.entries()); err != nil {
			c.t.Fatal(err)
		}
	}
	return c
}

// next feeds a pane with these contacts.
func (c *ruleCase) next(all ...tries) *ruleCase {
	c.t.Helper()
	return c.feed(&Pane{Contacts: slices.Values(contactsOf(c.pane, all))})
}

func contactsOf(pane int64, all []tries) []Contact {
	var contacts []Contact
	for _, t := range all {
		a := netip.MustParseAddr(t.source)
		i := slices.IndexFunc(contacts, func(k Contact) bool { return k.Source == a })
		if i < 0 {
			i = len(contacts)
			contacts = append(contacts, Contact{
				Account: "111122223333", VPC: "vpc-0abc", Source: a, Internal: a.IsPrivate(), Allowed: t.allowed,
				Targets: &aggregate.Targets{}, First: startOf(pane) + 7, Last: startOf(pane) + 290,
			})
		}
		for _, target := range t.targets {
			contacts[i].Targets.Add(target, t.story)
			contacts[i].Records++
		}
	}
	return contacts
}

func (c *ruleCase) quiet(n int) *ruleCase {
	for range n {
		c.feed(&Pane{})
	}
	return c
}

func (c *ruleCase) want(events ...string) *ruleCase {
	c.t.Helper()
	if diff := cmp.Diff(events, c.events); diff != "" {
		c.t.Fatalf("events (-want +got):\n%s", diff)
	}
	c.events = nil
	return c
}

// wantCreates holds how many incidents opened.
func (c *ruleCase) wantCreates(n int) {
	c.t.Helper()
	got := 0
	for _, f := range c.found {
		if f.Activity == Create {
			got++
		}
	}
	if got != n {
		c.t.Errorf("%d incidents opened, want %d: %v", got, n, c.events)
	}
}

func (c *ruleCase) last() *Finding { return &c.found[len(c.found)-1] }

// whole holds a finding to what every finding promises.
func (c *ruleCase) whole() {
	c.t.Helper()
	f := c.last()
	if f.Message == "" || f.Desc == "" || f.Title == "" || len(f.Attacks) == 0 || f.Queries.Athena == "" || f.Queries.LogsInsights == "" {
		c.t.Errorf("the finding lacks words: %+v", f)
	}
	if _, err := f.OCSF(time.Unix(0, 0)); err != nil {
		c.t.Error(err)
	}
	if strings.Contains(f.Message+f.Desc, "NaN") || strings.Contains(f.Message+f.Desc, "%!") {
		c.t.Errorf("broken words: %s; %s", f.Message, f.Desc)
	}
}

// data is a connection that carried some.
const data = connected | aggregate.Data
