package detect

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

const slowVersion = "2"

// ScanSlowConfig configures the rule scan.slow.
type ScanSlowConfig struct {
	MinFailed int     `yaml:"min_failed"` // distinct failed targets in a day
	Alpha     float64 `yaml:"alpha"`      // false alarms per source
	Targets   int     `yaml:"targets"`    // held at a time, over all sources
}

// DefaultScanSlow returns the defaults.
func DefaultScanSlow() ScanSlowConfig {
	return ScanSlowConfig{MinFailed: 30, Alpha: 1e-5, Targets: 1_000_000}
}

// Validate returns all that is wrong, each naming its key.
func (c *ScanSlowConfig) Validate() error {
	return errors.Join(
		within("min_failed", c.MinFailed, 1, 1_000_000),
		alphaWithin(c.Alpha),
		within("targets", c.Targets, 1000, 100_000_000),
	)
}

const (
	slowWindow = 24 * 3600 // seconds that are looked back
	// slowTargets is how many targets of a source are held: enough to decide.
	slowTargets = 512
	// slowQuiet is how many seconds without a new failed target end an
	// incident: at two an hour, several hours.
	slowQuiet = 6 * hour
)

// ScanSlow is the rule scan.slow: over a day a host of our own fails at many
// distinct targets in the own networks, never so many in an hour that
// scan.internal would say so.
// The test is that of Scan, over a day instead of an hour: a target that answered
// once in the day is never counted as scanned, and a SYN without an answer has one
// more pane to get it. Failures in any hour that scan.internal finds a scan in are
// not counted, so that one scan pages once.
type ScanSlow struct {
	cfg     ScanSlowConfig
	fast    *ScanInternalConfig // whose hours are not this rule's matter, nil when that rule is off
	pane    int64
	ledger  ledger
	sources map[addrKey]*slowSource
	size    int // targets of all sources
	evictions
	last  int64
	found []Finding
}

// slowSource is what one host tried in the last day.
type slowSource struct {
	tracked
	targets     map[aggregate.Target]*slowTarget
	about       about
	records     int64 // since the first target that is held
	first, last int64
	fresh       bool // it failed at a new target in this pane
}

// slowTarget is one target of a day.
type slowTarget struct {
	at       int64 // start of the pane in which it first failed, or last answered
	seen     int64 // the last hour in which it was contacted
	waits    bool  // its SYN in the pane at may still be answered
	answered bool
	rejected bool
}

// NewScanSlow returns the rule for panes of this length. fast is the
// configuration of scan.internal, or nil when that rule is off and bursts are
// nobody else's matter. The configurations must be valid.
func NewScanSlow(cfg ScanSlowConfig, fast *ScanInternalConfig, pane time.Duration) *ScanSlow {
	seconds := int64(pane / time.Second)
	return &ScanSlow{
		cfg: cfg, fast: fast, pane: seconds, ledger: newLedger(seconds, int(slowQuiet/seconds)+1),
		sources: make(map[addrKey]*slowSource), last: math.MinInt64,
	}
}

// Name returns "scan.slow".
func (r *ScanSlow) Name() string { return "scan.slow" }

// Version tells apart states that can't be read as one another's.
func (r *ScanSlow) Version() string {
	fast := "off"
	if r.fast != nil {
		fast = fmt.Sprintf("%d,%g", r.fast.MinFailed, r.fast.Alpha)
	}
	return fmt.Sprintf("%s pane=%d fast=%s min_failed=%d alpha=%g targets=%d", slowVersion, r.pane, fast, r.cfg.MinFailed, r.cfg.Alpha, r.cfg.Targets)
}

// Detect takes a pane's contacts and judges the sources that failed at something
// new.
func (r *ScanSlow) Detect(pane *Pane) []Finding {
	r.found = r.ledger.closeUncovered(r.found[:0], pane)
	r.expire(pane.Start)
	for c := range pane.Where(func(g *Glimpse) bool { return g.Internal && !g.Allowed }) {
		r.take(&c, pane)
	}
	r.evict()
	var fresh []addrKey
	for key, s := range r.sources {
		if s.fresh && !s.gone {
			fresh = append(fresh, key)
		}
	}
	slices.SortFunc(fresh, addrKey.compare)
	going := make(map[string]bool)
	for _, key := range fresh {
		s := r.sources[key]
		s.fresh = s.settle(pane.Start)
		if st := r.judge(key, s, pane); st != nil {
			going[st.ledgerKey()] = true
			r.found = r.ledger.strike(r.found, st)
		}
	}
	r.found = r.ledger.pass(r.found, pane, func(key string) bool { return going[key] })
	r.last = pane.Start
	sortFindings(r.found)
	return r.found
}

// take notes what a source's targets came to in a pane.
func (r *ScanSlow) take(c *Contact, pane *Pane) {
	key := c.key()
	s := r.sources[key]
	if s != nil && s.gone { // it comes back before its entry was deleted
		*s = slowSource{tracked: tracked{changed: true, stored: s.stored}, targets: make(map[aggregate.Target]*slowTarget), first: c.First}
	}
	h, took := pane.Start/hour, false
	targets, _ := c.Targets.Exact() // in order: what a full table takes must not depend on chance
	for t, e := range targets {
		o := e.Outcome(t.Protocol)
		if o != aggregate.Failed && o != aggregate.Pending && o != aggregate.Answered || !pane.own(t.Addr) {
			continue
		}
		if s == nil {
			s = &slowSource{targets: make(map[aggregate.Target]*slowTarget), first: c.First}
			r.sources[key] = s
		}
		answered := o == aggregate.Answered
		have := s.targets[t]
		switch {
		case have == nil && len(s.targets) >= slowTargets:
			r.evicted++
			continue
		case have == nil:
			have = &slowTarget{at: pane.Start, seen: h, waits: o == aggregate.Pending, answered: answered, rejected: e&aggregate.Rejected != 0}
			s.targets[t] = have
			r.size++
			took = true
			s.fresh = s.fresh || !answered
		case answered && (!have.answered || have.seen != h):
			have.answered, have.waits, have.at = true, false, pane.Start
			took = true
		}
		if have.seen != h {
			have.seen, took = h, true
		}
	}
	if !took { // what it came to is known, and the state as it was
		return
	}
	s.changed = true
	s.records += c.Records
	s.last = max(s.last, c.Last)
	s.about = c.about()
}

// settle ends the waiting of targets whose SYN was seen before the pane that
// starts at start, and reports whether others wait.
func (s *slowSource) settle(start int64) (waiting bool) {
	for _, t := range s.targets {
		switch {
		case t.waits && t.at < start:
			t.waits, s.changed = false, true
		case t.waits:
			waiting = true
		}
	}
	return waiting
}

// expire forgets what was contacted last more than a day ago, once an hour.
func (r *ScanSlow) expire(start int64) {
	h := start / hour
	if r.last != math.MinInt64 && r.last/hour == h {
		return
	}
	for key, s := range r.sources {
		for t, have := range s.targets {
			if have.seen <= h-slowWindow/hour {
				delete(s.targets, t)
				r.size--
				s.changed = true
			}
		}
		if len(s.targets) == 0 {
			r.drop(key)
		}
	}
}

func (r *ScanSlow) drop(key addrKey) {
	s := r.sources[key]
	r.size -= len(s.targets)
	if !s.stored {
		delete(r.sources, key)
		return
	}
	s.targets, s.gone = nil, true // Changes deletes it
}

// evict lets whole sources go while there are more targets than the limit: those
// with the fewest failures first, then by address.
func (r *ScanSlow) evict() {
	if r.size <= r.cfg.Targets {
		return
	}
	type candidate struct {
		key    addrKey
		failed int
	}
	var all []candidate
	for key, s := range r.sources {
		n := 0
		for _, t := range s.targets {
			if !t.answered {
				n++
			}
		}
		all = append(all, candidate{key, n})
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.failed, b.failed), a.key.compare(b.key))
	})
	for _, c := range all {
		if r.size <= r.cfg.Targets {
			return
		}
		r.evicted += int64(len(r.sources[c.key].targets))
		r.drop(c.key)
	}
}

// judge tests a source's last day, or returns nil.
func (r *ScanSlow) judge(key addrKey, s *slowSource, pane *Pane) *strike {
	bound := math.Log(1 / r.cfg.Alpha)
	bursts := s.bursts(r.fast)
	j := &judgement{exact: true, scale: 1, crossed: pane.Start}
	from := int64(math.MaxInt64)
	for target, t := range s.targets {
		if t.answered {
			j.answered++
			j.targets = append(j.targets, settled{Target: target, outcome: aggregate.Answered})
			continue
		}
		if t.waits || bursts[t.at] {
			continue
		}
		from = min(from, t.at)
		j.failed++
		if t.rejected {
			j.rejected++
		} else {
			j.synOnly++
		}
		j.targets = append(j.targets, settled{Target: target, outcome: aggregate.Failed, rejected: t.rejected, synOnly: !t.rejected})
	}
	j.score = float64(j.failed-j.answered) * scanWeight
	if j.failed < r.cfg.MinFailed || j.score < bound {
		return nil
	}
	slices.SortFunc(j.targets, func(a, b settled) int { return compareTargets(a.Target, b.Target) })
	e := &ScanEvidence{
		Source: key.addr, Internal: true, Interface: printable(s.about.iface), Instance: printable(s.about.instance), Exact: true,
		Failed: j.failed, Answered: j.answered, Rejected: j.rejected, SynOnly: j.synOnly,
		WindowStart: from, WindowSeconds: pane.End - from, RuleWindowSeconds: slowWindow,
		Score: j.score, Threshold: bound, MinFailed: r.cfg.MinFailed, Alpha: r.cfg.Alpha,
	}
	e.describe(j)
	f := Finding{
		Rule: r.Name(), Version: slowVersion, Account: printable(key.account), Region: printable(s.about.region),
		Scope: printable(key.vpc), Key: key.addr.String(), Severity: Medium, Confidence: HighConfidence,
		ConfidenceScore: surpriseScore(j.score / bound), Time: pane.End, FirstSeen: s.first, LastSeen: s.last,
		Count: s.records, Records: s.records, Title: "Slow port scan from internal host " + key.addr.String(),
		Message: "Slow scan: " + e.sentence(), Desc: e.arithmetic(), Types: []string{r.Name(), string(e.Shape)},
		Analytic: Analytic{Algorithm: "threshold random walk on distinct first-contact targets", Category: "Discovery"},
		Attacks:  []Attack{{"TA0007", "Discovery", "T1046", "Network Service Discovery"}},
		Scan:     e, LateRecords: pane.Late, Queries: scanQueries(e),
	}
	if e.Interface != "" {
		f.Resources = []Resource{{e.Interface, ActorRole}}
	}
	if s.about.samples != nil {
		f.Lines = printableAll(s.about.samples.Lines)
	}
	return &strike{Finding: f, strength: float64(j.failed), crossed: pane.Start}
}

// bursts returns the panes, by start, that lie in an hour with as many failures as
// scan.internal asks for, and by its test more than answers.
func (s *slowSource) bursts(fast *ScanInternalConfig) map[int64]bool {
	if fast == nil {
		return nil
	}
	bound := math.Log(1 / fast.Alpha)
	type outcomes struct{ failed, answered int }
	at := make(map[int64]outcomes)
	for _, t := range s.targets {
		o := at[t.at]
		switch {
		case t.answered:
			o.answered++
		case !t.waits:
			o.failed++
		}
		at[t.at] = o
	}
	starts := slices.Sorted(maps.Keys(at))
	bursts := make(map[int64]bool)
	var sum outcomes
	oldest := 0
	for i, start := range starts {
		sum.failed += at[start].failed
		sum.answered += at[start].answered
		for starts[oldest] <= start-hour {
			sum.failed -= at[starts[oldest]].failed
			sum.answered -= at[starts[oldest]].answered
			oldest++
		}
		if sum.failed >= fast.MinFailed && float64(sum.failed-sum.answered)*scanWeight >= bound {
			for _, b := range starts[oldest : i+1] {
				bursts[b] = true
			}
		}
	}
	return bursts
}
