package detect

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

const successVersion = "2"

// ScanSuccessConfig configures the rule scan.success.
type ScanSuccessConfig struct {
	MinFailed int `yaml:"min_failed"` // distinct failed targets in an hour that make a source a scanner
	Sources   int `yaml:"sources"`    // scanners remembered at a time
}

// DefaultScanSuccess returns the defaults.
func DefaultScanSuccess() ScanSuccessConfig { return ScanSuccessConfig{MinFailed: 9, Sources: 65_536} }

// Validate returns all that is wrong, each naming its key.
func (c *ScanSuccessConfig) Validate() error {
	return errors.Join(within("min_failed", c.MinFailed, 1, 1_000_000), within("sources", c.Sources, 1, 10_000_000))
}

// adminPorts are those of remote administration and of databases: an answer
// there, to somebody from outside who tried many doors, is no web page.
var adminPorts = []uint16{22, 23, 445, 1433, 3306, 3389, 5432, 5900, 5985, 5986, 6379, 9200, 27017}

const (
	successMemory = 24 * 3600 // seconds that a scanner is remembered
	successHosts  = 128       // hosts, and ports, of a scanner that are remembered
	// successTargets is how many targets of an hour are held: enough to decide.
	successTargets = 256
	successAlpha   = 1e-5 // as scan.internal's
)

var successBound = math.Log(1 / successAlpha)

// ScanSuccess is the rule scan.success: a source that scanned within the last
// day has a session with data: with a target that answered its scan, or, until an
// hour after its last failure, on a host that it scanned or a port that it tried.
// A target with which it had data before it scanned is none. A source of our own
// is reported for any port, one from outside only for a port of administration.
//
// A source scans when it fails at nine targets more than answer it within an
// hour, as for scan.internal; outside sources are looked at from nine failures
// in one pane on.
type ScanSuccess struct {
	cfg     ScanSuccessConfig
	pane    int64
	ledger  ledger
	sources map[addrKey]*scanner
	evictions
	sieve sieve // of sources, as the pane began
	found []Finding
}

// scanner is a source that fails, and perhaps scans.
type scanner struct {
	tracked
	targets  map[aggregate.Target]fate // of the last hour
	since    int64                     // start of the pane in which it became a scanner, 0 before
	seen     int64                     // the last pane with a failure
	hosts    map[aggregate.Target]bool // that failed: by address, and by port
	open     map[aggregate.Target]bool // that answered its scan, without data
	known    map[aggregate.Target]bool // that had data before it scanned
	internal bool
}

func newScanner(internal bool) *scanner {
	set := func() map[aggregate.Target]bool { return make(map[aggregate.Target]bool) }
	return &scanner{targets: make(map[aggregate.Target]fate), hosts: set(), open: set(), known: set(), internal: internal}
}

// fate is what became of a target in the last hour.
type fate struct {
	pane     int64 // start of the last pane with it
	waits    int64 // start of the pane of its first SYN when nothing else was seen there, or 0
	answered bool  // in any of them
	own      bool  // it is in the own networks
}

// NewScanSuccess returns the rule for panes of this length. The configuration
// must be valid.
func NewScanSuccess(cfg ScanSuccessConfig, pane time.Duration) *ScanSuccess {
	seconds := int64(pane / time.Second)
	return &ScanSuccess{cfg: cfg, pane: seconds, ledger: newLedger(seconds, quietPanes), sources: make(map[addrKey]*scanner)}
}

// Name returns "scan.success".
func (r *ScanSuccess) Name() string { return "scan.success" }

// Version tells apart states that can't be read as one another's.
func (r *ScanSuccess) Version() string {
	return fmt.Sprintf("%s pane=%d min_failed=%d sources=%d", successVersion, r.pane, r.cfg.MinFailed, r.cfg.Sources)
}

// Detect looks for sessions of those who scanned, and for those who scan.
func (r *ScanSuccess) Detect(pane *Pane) []Finding {
	r.found = r.ledger.closeUncovered(r.found[:0], pane)
	r.expire(pane.Start)
	var strikes []*strike
	fill(&r.sieve, r.sources)
	for c := range pane.Where(r.wants) {
		if st := r.look(&c, pane); st != nil {
			strikes = append(strikes, st)
		}
	}
	slices.SortFunc(strikes, func(a, b *strike) int { return cmp.Compare(a.ledgerKey(), b.ledgerKey()) })
	for _, st := range strikes {
		r.found = r.ledger.strike(r.found, st)
	}
	r.evict()
	r.found = r.ledger.pass(r.found, pane, nil)
	sortFindings(r.found)
	return r.found
}

// wants reports whether a contact fails enough to be looked at, or its source is
// known.
func (r *ScanSuccess) wants(g *Glimpse) bool {
	if g.Allowed {
		return false
	}
	return r.fails(g.Internal, int(g.Failed+g.Pending)) || r.sieve.passes(g.Source) && r.sources[g.key()] != nil
}

// fails reports whether a contact of an unknown source fails enough to be looked
// at.
func (r *ScanSuccess) fails(internal bool, failing int) bool {
	return failing > 0 && (internal || failing >= r.cfg.MinFailed)
}

// look takes one contact that is wanted.
func (r *ScanSuccess) look(c *Contact, pane *Pane) *strike {
	key := c.key()
	s := r.sources[key]
	o := c.Targets.Tally()
	failing := o.Failed + o.Pending
	if known := s != nil && !s.gone; !known {
		if !r.fails(c.Internal, failing) {
			return nil
		}
		fresh := newScanner(c.Internal)
		fresh.stored = s != nil && s.stored // it comes back before its entry was deleted
		s = fresh
		r.sources[key] = s
	}
	if failing > 0 {
		s.seen, s.changed = pane.Start, true
	}
	suspect := false
	if s.since == 0 {
		s.meet(c, pane)
		suspect = s.scans(r.cfg.MinFailed, math.MaxInt64)
		if suspect && s.scans(r.cfg.MinFailed, pane.Start) {
			s.since, s.changed = pane.Start, true
			s.targets = make(map[aggregate.Target]fate)
		}
	}
	return r.sessions(key, s, c, pane, suspect)
}

// meet takes a pane's targets into those of the last hour.
func (s *scanner) meet(c *Contact, pane *Pane) {
	for t, f := range s.targets {
		if f.pane <= pane.Start-hour {
			delete(s.targets, t)
			s.changed = true
		}
	}
	targets, _ := c.Targets.Exact() // in order: what a full table takes must not depend on chance
	for t, e := range targets {
		o := e.Outcome(t.Protocol)
		have, known := s.targets[t]
		if o != aggregate.Failed && o != aggregate.Pending && o != aggregate.Answered || !known && len(s.targets) >= successTargets {
			continue
		}
		have.pane, have.answered, have.own = pane.Start, have.answered || o == aggregate.Answered, pane.own(t.Addr)
		if !known && o == aggregate.Pending {
			have.waits = pane.Start
		} else if o == aggregate.Failed {
			have.waits = 0
		}
		s.targets[t], s.changed = have, true
	}
}

// scans reports whether the targets of the last hour make a scan, inside the own
// networks or outside. A SYN in the pane that starts at now has one more pane to be
// answered and counts as nothing yet.
func (s *scanner) scans(least int, now int64) bool {
	var failed, answered [2]int
	for _, f := range s.targets {
		side := 0
		if f.own {
			side = 1
		}
		switch {
		case f.answered:
			answered[side]++
		case f.waits != now:
			failed[side]++
		}
	}
	for side := range 2 {
		if failed[side] >= least && float64(failed[side]-answered[side])*scanWeight >= successBound {
			return true
		}
	}
	return false
}

// sessions notes what a contact's targets came to, and returns the session that
// is news, if there is one. What a suspect, whose SYNs wait for answers, has data
// with does not count as met before it scanned: when they fail it was a scan.
func (r *ScanSuccess) sessions(key addrKey, s *scanner, c *Contact, pane *Pane, suspect bool) *strike {
	var news []aggregate.Target
	targets, _ := c.Targets.Exact()
	for t, e := range targets {
		switch o := e.Outcome(t.Protocol); {
		case o == aggregate.Failed || o == aggregate.Pending:
			s.note(s.hosts, aggregate.Target{Addr: t.Addr})
			s.note(s.hosts, aggregate.Target{Port: t.Port, Protocol: t.Protocol})
		case o == aggregate.Answered && e&aggregate.Data != 0:
			switch {
			case s.since != 0 && !s.known[t]:
				news = append(news, t)
			case s.since == 0 && !suspect:
				s.note(s.known, t)
			}
		case o == aggregate.Answered && (s.since != 0 || suspect):
			s.note(s.open, t)
		}
	}
	for _, t := range news {
		recent := pane.Start-s.seen <= hour
		scanned := s.hosts[aggregate.Target{Addr: t.Addr}] || s.hosts[aggregate.Target{Port: t.Port, Protocol: t.Protocol}]
		if (s.open[t] || recent && scanned) && (c.Internal || slices.Contains(adminPorts, t.Port)) {
			return r.finding(key, s, c, t, pane)
		}
	}
	return nil
}

func (s *scanner) note(set map[aggregate.Target]bool, t aggregate.Target) {
	if !set[t] && len(set) < 2*successHosts {
		set[t], s.changed = true, true
	}
}

// expire forgets who failed at nothing for a day, and who never became a scanner
// and failed at nothing for an hour.
func (r *ScanSuccess) expire(start int64) {
	for key, s := range r.sources {
		if s.gone {
			continue
		}
		if age := start - s.seen; age > successMemory || s.since == 0 && age > hour {
			r.drop(key)
		}
	}
}

func (r *ScanSuccess) drop(key addrKey) {
	if s := r.sources[key]; s.stored {
		*s = scanner{tracked: tracked{gone: true, stored: true}} // Changes deletes it
		return
	}
	delete(r.sources, key)
}

// evict forgets the sources that failed longest ago while there are too many,
// those from outside first.
func (r *ScanSuccess) evict() {
	if len(r.sources) <= r.cfg.Sources {
		return
	}
	keys := make([]addrKey, 0, len(r.sources))
	for key, s := range r.sources {
		if !s.gone {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b addrKey) int {
		x, y := r.sources[a], r.sources[b]
		return cmp.Or(cmp.Compare(x.rank(), y.rank()), cmp.Compare(x.seen, y.seen), a.compare(b))
	})
	for _, key := range keys[:max(0, len(keys)-r.cfg.Sources)] {
		r.evicted++
		r.drop(key)
	}
}

// rank is 1 for a source of our own: it is forgotten after all others.
func (s *scanner) rank() int {
	if s.internal {
		return 1
	}
	return 0
}

func (r *ScanSuccess) finding(key addrKey, s *scanner, c *Contact, t aggregate.Target, pane *Pane) *strike {
	o := c.Targets.Tally()
	hosts := 0
	for h := range s.hosts {
		if h.Addr.IsValid() {
			hosts++
		}
	}
	e := &ScanEvidence{
		Source: key.addr, Internal: c.Internal, Interface: printable(c.Interface), Instance: printable(c.Instance),
		Target: t.Addr, Protocol: t.Protocol, Shape: shapeOf(hosts, len(s.hosts)-hosts), Hosts: hosts, Ports: len(s.hosts) - hosts,
		Failed: o.Failed + o.Pending, Answered: o.Answered, Exact: o.Exact, PortsAnswered: []uint16{t.Port},
		WindowStart: s.since, WindowSeconds: pane.End - s.since, RuleWindowSeconds: successMemory,
		Score: float64(r.cfg.MinFailed) * scanWeight, Threshold: successBound, MinFailed: r.cfg.MinFailed, Alpha: successAlpha,
	}
	who := "external source " + key.addr.String()
	attacks := []Attack{{"TA0001", "Initial Access", "T1190", "Exploit Public-Facing Application"}}
	if c.Internal {
		who = "internal host " + key.addr.String()
		attacks = []Attack{{"TA0007", "Discovery", "T1046", "Network Service Discovery"}}
	}
	f := Finding{
		Rule: r.Name(), Version: successVersion, Account: printable(key.account), Region: printable(c.Region),
		Scope: printable(key.vpc), Key: key.addr.String(), Severity: High, Confidence: MediumConfidence, ConfidenceScore: 75,
		Time: pane.End, FirstSeen: c.First, LastSeen: c.Last, Count: c.Records, Records: c.Records,
		Title: "Session after a scan, from " + who,
		Message: fmt.Sprintf("Session after a scan: %s, which scanned since %s, has a session with data on %s port %d of %s",
			who, time.Unix(s.since, 0).UTC().Format("15:04"), enrich.ProtocolName(t.Protocol), t.Port, t.Addr),
		Desc: fmt.Sprintf("The source failed at %d targets or more than answered it within an hour, on %s and %s. Then %s port %d of %s answered, and %d packets or more went there: a connection with data, to a target without one before the scan.",
			r.cfg.MinFailed, count(hosts, "host"), count(len(s.hosts)-hosts, "port"), enrich.ProtocolName(t.Protocol), t.Port, t.Addr, 6),
		Types: []string{r.Name(), string(e.Shape)}, Attacks: attacks,
		Analytic: Analytic{Algorithm: "answered session of a source under a threshold random walk", Category: "Discovery"},
		Scan:     e, LateRecords: pane.Late, Queries: scanQueries(e),
	}
	if c.Samples != nil {
		if kept := c.Samples.Samples(); kept != nil {
			f.Lines = printableAll(kept.Lines)
			for _, id := range kept.Interfaces {
				f.Resources = append(f.Resources, Resource{printable(id), TargetRole})
			}
		}
	}
	return &strike{Finding: f, strength: 1, crossed: pane.Start}
}
