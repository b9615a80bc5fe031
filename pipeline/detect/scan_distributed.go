package detect

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

const distributedVersion = "2"

// ScanDistributedConfig configures the rule scan.distributed.
type ScanDistributedConfig struct {
	MinPorts   int `yaml:"min_ports"`   // distinct failed ports above what is usual, in a pane
	MinSources int `yaml:"min_sources"` // that tried them
	MaxTargets int `yaml:"max_targets"` // of one source: one that tries more is a scanner of its own
}

// DefaultScanDistributed returns the defaults.
func DefaultScanDistributed() ScanDistributedConfig {
	return ScanDistributedConfig{MinPorts: 50, MinSources: 30, MaxTargets: 8}
}

// Validate returns all that is wrong, each naming its key.
func (c *ScanDistributedConfig) Validate() error {
	return errors.Join(
		within("min_ports", c.MinPorts, 1, 65_536),
		within("min_sources", c.MinSources, 2, 1_000_000),
		within("max_targets", c.MaxTargets, 1, 128),
	)
}

// usualPorts is how many times the usual number of failed ports is none any
// more.
const usualPorts = 3

// ScanDistributed is the rule scan.distributed: many sources try a few targets
// each, and together far more distinct ports of one host than usual. What is
// usual is learned for each host, since every public address gets probes all the
// time: a moving average with a half-life of one hour, over at least twelve
// panes.
//
// A SYN that waits for an answer counts as failed at once: what answers a pane
// later is no more than the ports that the host has open, and those are few beside
// the fifty that make a finding.
type ScanDistributed struct {
	cfg    ScanDistributedConfig
	pane   int64
	rate   float64
	ledger ledger
	hosts  map[addrKey]*probed
	first  int64 // start of the first pane of all
	saved  bool  // Changes has put it
	evictions
	last  int64
	found []Finding
}

// probed is what is usual at one host.
type probed struct {
	tracked
	mean float64 // failed ports in a pane
	seen int     // panes learned, up to twelve
	last int64   // start of the last pane with a failed port
}

// attempt is what a pane's many sources did at one host.
type attempt struct {
	ports       map[uint32]struct{} // port and protocol
	sources     int
	source      netip.Addr // the last one counted
	first, last int64
	records     int64 // of those sources, all that they did in the pane
	top         []TopSource
}

// NewScanDistributed returns the rule for panes of this length. The
// configuration must be valid.
func NewScanDistributed(cfg ScanDistributedConfig, pane time.Duration) *ScanDistributed {
	seconds := int64(pane / time.Second)
	return &ScanDistributed{
		cfg: cfg, pane: seconds, rate: learningRates(seconds).level, ledger: newLedger(seconds, quietPanes),
		hosts: make(map[addrKey]*probed), first: math.MaxInt64, last: math.MinInt64,
	}
}

// Name returns "scan.distributed".
func (r *ScanDistributed) Name() string { return "scan.distributed" }

// Version tells apart states that can't be read as one another's.
func (r *ScanDistributed) Version() string {
	return fmt.Sprintf("%s pane=%d min_ports=%d min_sources=%d max_targets=%d", distributedVersion, r.pane, r.cfg.MinPorts, r.cfg.MinSources, r.cfg.MaxTargets)
}

// Detect judges every host of which outside sources tried ports in vain.
func (r *ScanDistributed) Detect(pane *Pane) []Finding {
	r.found = r.ledger.closeUncovered(r.found[:0], pane)
	r.first = min(r.first, pane.Start)
	attempts := r.gather(pane)
	byAddr := make(map[addrKey]*Load)
	for i := range pane.Loads {
		l := &pane.Loads[i]
		if a, err := netip.ParseAddr(l.TargetAddr); err == nil {
			byAddr[addrKey{l.Account, l.VPC, a}] = l
		}
	}
	keys := slices.SortedFunc(maps.Keys(attempts), addrKey.compare)
	for _, key := range keys {
		r.judge(key, attempts[key], byAddr[key], pane)
	}
	r.found = r.ledger.pass(r.found, pane, nil)
	r.forget(pane.Start)
	r.last = pane.Start
	sortFindings(r.found)
	return r.found
}

// wants reports whether a contact is one of an outside source that failed at a
// few targets.
func (r *ScanDistributed) wants(g *Glimpse) bool {
	return !g.Internal && !g.Allowed && g.Failed+g.Pending > 0 && int(g.Targets) <= r.cfg.MaxTargets
}

// gather puts together what sources with few targets failed at.
func (r *ScanDistributed) gather(pane *Pane) map[addrKey]*attempt {
	all := make(map[addrKey]*attempt)
	for c := range pane.Where(r.wants) {
		c.Targets.Each(func(t aggregate.Target, e aggregate.Evidence) {
			if o := e.Outcome(t.Protocol); o != aggregate.Failed && o != aggregate.Pending {
				return
			}
			key := addrKey{c.Account, c.VPC, t.Addr}
			a := all[key]
			if a == nil {
				a = &attempt{ports: make(map[uint32]struct{}), first: math.MaxInt64}
				all[key] = a
			}
			a.ports[uint32(t.Protocol)<<16|uint32(t.Port)] = struct{}{}
			if a.source != c.Source {
				a.source = c.Source
				a.sources++
				a.records += c.Records
				a.first, a.last = min(a.first, c.First), max(a.last, c.Last)
				a.note(c.Source, c.Records)
			}
		})
	}
	return all
}

// note keeps the five sources with the most records.
func (a *attempt) note(source netip.Addr, records int64) {
	byTargets := func(x, y TopSource) int {
		return cmp.Or(cmp.Compare(y.Records, x.Records), x.Addr.Compare(y.Addr))
	}
	s := TopSource{Addr: source, Records: records}
	if n := len(a.top); n == 5 {
		if byTargets(a.top[n-1], s) < 0 {
			return // as mostly
		}
		a.top = a.top[:n-1]
	}
	at, _ := slices.BinarySearchFunc(a.top, s, byTargets)
	a.top = slices.Insert(a.top, at, s)
}

func (r *ScanDistributed) judge(key addrKey, a *attempt, l *Load, pane *Pane) {
	h := r.hosts[key]
	if h == nil || h.gone || pane.Start-h.last > forgetAfter {
		// It got nothing since the rule began to look, or for a week, or was let go.
		h = &probed{tracked: tracked{stored: h != nil && h.stored}, last: min(pane.Start, r.first-r.pane)}
		r.hosts[key] = h
	}
	if gap := (pane.Start-h.last)/r.pane - 1; gap > 0 { // panes without any
		h.mean *= math.Pow(1-r.rate, float64(gap))
		h.seen = min(recentPanes, h.seen+int(min(gap, recentPanes)))
	}
	h.last, h.changed = pane.Start, true
	ports := float64(len(a.ports))
	usual := math.Max(1, h.mean)
	if h.seen >= recentPanes && ports >= usualPorts*usual && ports-usual >= r.least(h) && a.sources >= r.cfg.MinSources {
		r.found = r.ledger.strike(r.found, r.finding(key, a, h, l, pane))
		return // an attack is not what is usual
	}
	if h.seen < recentPanes {
		h.seen++
		h.mean += (ports - h.mean) / float64(h.seen)
		return
	}
	h.mean += r.rate * (ports - h.mean)
}

// least is how many ports more than usual are too many: twice as many at a host of
// which nothing is known, since it may be one of today.
func (r *ScanDistributed) least(h *probed) float64 {
	if h.mean == 0 {
		return 2 * float64(r.cfg.MinPorts)
	}
	return float64(r.cfg.MinPorts)
}

// maxProbed is how many hosts are held: as many as there are own addresses in all
// but the greatest networks.
const maxProbed = 65_536

// forget drops hosts that got nothing for a week, once a day, and while there are
// too many those that got nothing for longest, then by key.
func (r *ScanDistributed) forget(start int64) {
	const day = 24 * 3600
	if r.last != math.MinInt64 && start/day != r.last/day {
		for key, h := range r.hosts {
			if start-h.last > forgetAfter {
				r.drop(key)
			}
		}
	}
	if len(r.hosts) <= maxProbed {
		return
	}
	var keys []addrKey
	for key, h := range r.hosts {
		if !h.gone {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b addrKey) int {
		return cmp.Or(cmp.Compare(r.hosts[a].last, r.hosts[b].last), a.compare(b))
	})
	for _, key := range keys[:max(0, len(keys)-maxProbed)] {
		r.evicted++
		r.drop(key)
	}
}

func (r *ScanDistributed) drop(key addrKey) {
	if h := r.hosts[key]; h.stored {
		h.gone = true // Changes deletes it
		return
	}
	delete(r.hosts, key)
}

func (r *ScanDistributed) finding(key addrKey, a *attempt, h *probed, l *Load, pane *Pane) *strike {
	e := &CountEvidence{
		Target: key.addr, What: "failed_ports", Observed: float64(len(a.ports)), Expected: h.mean,
		Threshold: math.Max(usualPorts*math.Max(1, h.mean), math.Max(1, h.mean)+r.least(h)),
		Sources:   a.sources, TopSources: a.top, WindowStart: pane.Start, WindowSeconds: pane.End - pane.Start,
	}
	var ports []uint16
	for p := range a.ports {
		ports = append(ports, uint16(p))
	}
	slices.Sort(ports)
	e.PortsSample = first(slices.Compact(ports))
	f := Finding{
		Rule: r.Name(), Version: distributedVersion, Account: printable(orDash(key.account)), Scope: printable(orDash(key.vpc)),
		Key: key.addr.String(), Severity: Medium, Confidence: MediumConfidence, ConfidenceScore: 75,
		Time: pane.End, FirstSeen: a.first, LastSeen: a.last, Count: int64(len(a.ports)), Records: a.records,
		Types:    []string{r.Name(), string(Vertical)},
		Analytic: Analytic{Algorithm: "count of distinct failed ports against a moving average", Category: "Reconnaissance"},
		Attacks:  []Attack{{"TA0043", "Reconnaissance", "T1595.001", "Active Scanning: Scanning IP Blocks"}},
		Counted:  e, LateRecords: pane.Late,
	}
	where := key.addr.String()
	if l != nil {
		// Which interface has the address is known for most panes, not for all:
		// the incident is about the address.
		f.Region = printable(l.Region)
		e.Interface, e.Instance = printable(l.Interface), printable(l.Instance)
		f.Resources = []Resource{{e.Interface, TargetRole}}
		where = fmt.Sprintf("%s (%s)", where, e.Interface)
		if l.Samples != nil {
			if kept := l.Samples.Samples(); kept != nil {
				f.Lines = printableAll(kept.Lines)
			}
		}
	}
	f.Title = "Distributed port scan of " + f.Key
	f.Message = fmt.Sprintf("Distributed port scan: %s sources tried %s distinct ports of %s in vain in %s where %s are usual; none of them more than %d targets",
		thousands(int64(a.sources)), thousands(int64(len(a.ports))), where, span(e.WindowSeconds), level(h.mean), r.cfg.MaxTargets)
	f.Desc = fmt.Sprintf("%d distinct failed ports by %d sources with at most %d targets each; usual are %s (moving average, half-life 1 h). At least %d times that, and %.0f more, by at least %d sources.",
		len(a.ports), a.sources, r.cfg.MaxTargets, level(h.mean), usualPorts, r.least(h), r.cfg.MinSources)
	f.Queries = Queries{
		LogsInsights: fmt.Sprintf("filter dstAddr = %s and start >= %d and start < %d | stats count_distinct(dstPort) by srcAddr",
			insightsQuote(key.addr.String()), pane.Start, pane.End),
		Athena: fmt.Sprintf("SELECT srcaddr, count(DISTINCT dstport) FROM vpc_flow_logs WHERE dstaddr = %s AND start BETWEEN %d AND %d GROUP BY 1",
			sqlQuote(key.addr.String()), pane.Start, pane.End-1),
	}
	return &strike{Finding: f, strength: float64(len(a.ports)), crossed: pane.Start}
}

// usualEntry is the kind of a host's entry of state.
const usualEntry = 'u'

// Changes puts the incidents and hosts that changed.
func (r *ScanDistributed) Changes(put func(key, value []byte)) {
	r.ledger.changes(put)
	if !r.saved && r.first != math.MaxInt64 {
		var e encoder
		e.fixed(r.first)
		put([]byte{lastEntry}, e)
		r.saved = true
	}
	putChanged(r.hosts, usualEntry, put)
}

func (h *probed) encode() []byte {
	var e encoder
	e.float(h.mean)
	e.uint(uint64(h.seen))
	e.fixed(h.last)
	return e
}

// Restore takes the state of an earlier run with the same Version.
func (r *ScanDistributed) Restore(next func() (key, value []byte, ok bool)) error {
	return restoreEach(r.Name(), next, r.restore)
}

func (r *ScanDistributed) restore(key, value []byte) error {
	d := decoder{rest: value}
	switch key[0] {
	case incidentEntry:
		return r.ledger.restore(key, value)
	case lastEntry:
		r.first, r.saved = d.fixed(), true
		return d.end("first pane")
	case usualEntry:
		at, err := decodeAddrKey(key)
		if err != nil {
			return err
		}
		h := &probed{tracked: tracked{stored: true}, mean: d.float(), seen: int(d.number(recentPanes + 1)), last: d.fixed()}
		r.hosts[at] = h
		r.last = max(r.last, h.last)
		return d.end("host")
	}
	return unknownEntry(key)
}
