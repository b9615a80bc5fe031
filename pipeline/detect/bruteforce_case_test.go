package detect

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

func bruteForceRule() Detector { return NewBruteForce(DefaultBruteForce(), 5*time.Minute) }

// logs feeds a pane with one source's connections to port 22 of a host.
func (c *ruleCase) logs(source string, connections, bytesEach int64) *ruleCase {
	a := netip.MustParseAddr(source)
	return c.feed(&Pane{Logins: []Login{{Internal: a.IsPrivate(), Login: aggregate.Login{
		Account: "111122223333", VPC: "vpc-0abc", Source: a, Host: netip.MustParseAddr("10.0.7.42"), Port: 22,
		Connections: connections, Records: connections, Packets: 12 * connections, Bytes: connections * bytesEach,
		First: startOf(c.pane) + 7, Last: startOf(c.pane) + 290,
	}}}})
}

func TestBruteForceCases(t *testing.T) {
	type pane struct{ connections, bytes int64 }
	steady := func(n int, p pane) []pane { return slices.Repeat([]pane{p}, n) }
	for _, k := range []struct {
		name   string
		source string
		panes  []pane
		finds  int
	}{
		{"60 tries at once", outsider, []pane{{60, 1500}}, 1},
		{"30 tries, twice", outsider, []pane{{30, 1500}, {30, 1500}}, 1},
		{"59 once: a script that copies files", outsider, []pane{{59, 1500}}, 0},
		{"29 a pane", outsider, steady(20, pane{29, 1500}), 0},
		{"health checks on port 22", insider, steady(40, pane{60, 300}), 0},
		{"a steady machine that doubles after an hour", insider, append(steady(14, pane{25, 1500}), pane{120, 1500}), 1},
		{"bytes that would overflow a product", outsider, []pane{{1 << 58, 0}}, 0},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := caseOf(t, bruteForceRule)
			for _, p := range k.panes {
				c.logs(k.source, p.connections, p.bytes)
			}
			c.wantCreates(k.finds)
		})
	}
	t.Run("severity", func(t *testing.T) {
		caseOf(t, bruteForceRule).logs(outsider, 60, 1500).want("p0 create medium #1 uid=p0 bruteforce,SSH")
		caseOf(t, bruteForceRule).logs(insider, 60, 1500).want("p0 create high #1 uid=p0 bruteforce,SSH")
	})
}

func TestBruteForceHabitsAreBounded(t *testing.T) {
	rule := NewBruteForce(DefaultBruteForce(), 5*time.Minute)
	p := &Pane{Start: startOf(0), End: startOf(1)}
	for i := range maxHabits + 7 {
		p.Logins = append(p.Logins, Login{Login: aggregate.Login{
			Account: "1", VPC: "v", Source: netip.AddrFrom4([4]byte{198, byte(i >> 16), byte(i >> 8), byte(i)}),
			Host: netip.MustParseAddr("10.0.7.42"), Port: 22, Connections: 20, Bytes: 20,
		}})
	}
	rule.Detect(p)
	if len(rule.habits) != maxHabits || rule.TakeEvicted() != 7 || rule.TakeEvicted() != 0 {
		t.Errorf("%d habits are held, want %d and 7 counted once as evicted", len(rule.habits), maxHabits)
	}
}
