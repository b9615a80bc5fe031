package detect

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// What benign traffic must not lead to, whatever the rule.
func TestNoRuleFindsBenignTraffic(t *testing.T) {
	for _, k := range []struct {
		name string
		pane func(i int) []tries
	}{
		{"agents whose server died", func(int) []tries {
			var all []tries
			for i := range 20 {
				all = append(all, try(fmt.Sprintf("10.0.3.%d", i+1), syn, ports("10.0.7.42", 8126, 1)))
			}
			return all
		}},
		{"service discovery with six dead peers", func(int) []tries {
			return []tries{try(insider, syn, hosts("10.0.7.1", 6, 7946, 6)), try(insider, connected, hosts("10.0.8.1", 20, 7946, 6))}
		}},
		{"a crawler, with some dead sites", func(i int) []tries {
			return []tries{try(insider, data, hosts(fmt.Sprintf("192.0.%d.1", i%200), 60, 443, 6)), try(insider, syn, hosts(fmt.Sprintf("198.18.%d.1", i%200), 5, 443, 6))}
		}},
		{"radiation of 1,100 probes an hour", func(i int) []tries { return probing(92, 1, 1000+i) }},
	} {
		t.Run(k.name, func(t *testing.T) {
			for _, c := range []*ruleCase{caseOf(t, slowRule), caseOf(t, successRule), caseOf(t, distributedRule), caseOf(t, func() Detector { return NewScanInternal(DefaultScanInternal(), 5*time.Minute) }), caseOf(t, func() Detector { return NewScanExternal(DefaultScanExternal(), 5*time.Minute) })} {
				for i := range day {
					c.next(k.pane(i)...)
				}
				c.wantCreates(0)
			}
		})
	}
}

// A restart after any pane changes nothing of what the rules find.
func TestNewRulesRestart(t *testing.T) {
	t.Run("scan.slow", func(t *testing.T) {
		cfg := DefaultScanSlow()
		cfg.MinFailed, cfg.Targets = 12, 1000
		fast := DefaultScanInternal()
		fast.MinFailed = 40
		testRestarts(t, func() Detector { return NewScanSlow(cfg, &fast, 5*time.Minute) }, drawContacts(true, 12))
	})
	t.Run("scan.success", func(t *testing.T) {
		cfg := DefaultScanSuccess()
		cfg.Sources = 2
		contacts := drawContacts(true, 20)
		testRestarts(t, func() Detector { return NewScanSuccess(cfg, 5*time.Minute) }, func(t *rapid.T, p *Pane) {
			contacts(t, p)
			for c := range p.Contacts {
				if rapid.Bool().Draw(t, "session") {
					c.Targets.Add(aggregate.Target{Addr: netip.MustParseAddr("10.0.7.1"), Port: 22, Protocol: 6}, data)
				}
			}
		})
	})
	t.Run("scan.distributed", func(t *testing.T) {
		cfg := ScanDistributedConfig{MinPorts: 2, MinSources: 2, MaxTargets: 40}
		testRestarts(t, func() Detector { return NewScanDistributed(cfg, 5*time.Minute) }, drawContacts(false, 20))
	})
	t.Run("bruteforce", func(t *testing.T) {
		testRestarts(t, func() Detector { return NewBruteForce(DefaultBruteForce(), 5*time.Minute) }, func(t *rapid.T, p *Pane) {
			p.Loads = []Load{{Key: Key{"1", "vpc", "eni-1"}, OK: true}}
			for i := range 3 {
				n := rapid.SampledFrom([]int64{0, 5, 20, 32, 33, 34, 70}).Draw(t, "connections")
				p.Logins = append(p.Logins, Login{Login: aggregate.Login{
					Account: "1", VPC: "vpc", Source: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), Host: netip.MustParseAddr("10.0.7.42"),
					Port: 22, Connections: n, Records: n, Bytes: n * rapid.Int64Range(600, 900).Draw(t, "bytes"), First: p.Start, Last: p.End,
				}})
			}
		})
	})
	t.Run("ceiling", func(t *testing.T) {
		testRestarts(t, func() Detector { return NewCeiling(CeilingConfig{Flows: 50}, 5*time.Minute) }, func(t *rapid.T, p *Pane) {
			l := Load{Key: Key{"1", "vpc", "eni-1"}, OK: true, First: p.Start, Last: p.End}
			l.Values[AcceptedFlows] = rapid.Int64Range(0, 100).Draw(t, "flows")
			p.Loads = []Load{l}
		})
	})
}
