package detect

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

const bruteForceVersion = "2"

// BruteForceConfig configures the rule bruteforce.
type BruteForceConfig struct {
	MinConnections int `yaml:"min_connections"` // in a pane, by a source at a port of a host
	// MinBytes is what a connection must send at least, on average, for
	// passwords to be tried on it.
	MinBytes int `yaml:"min_bytes"`
}

// DefaultBruteForce returns the defaults.
func DefaultBruteForce() BruteForceConfig { return BruteForceConfig{MinConnections: 30, MinBytes: 700} }

// Validate returns all that is wrong, each naming its key.
func (c *BruteForceConfig) Validate() error {
	return errors.Join(
		within("min_connections", c.MinConnections, 2, 1_000_000),
		within("min_bytes", c.MinBytes, 0, 1_000_000),
	)
}

// BruteForce is the rule bruteforce: one source opens many connections to the
// same port of remote administration of one host in one pane.
//
// A health check does that too. It opens a connection and closes it, or reads a
// banner: some 200 to 400 bytes. A client that gets as far as a password has
// exchanged keys first, which takes more than 1,000 bytes from it with SSH, RDP
// and WinRM alike. A pane with less than twice the least number of connections
// needs a second one in a row, since a script that copies a few dozen files does as
// much once. And what has been as busy in every one of the last twelve
// panes, within a fifth, is a machine at its daily work.
type BruteForce struct {
	cfg    BruteForceConfig
	pane   int64
	ledger ledger
	habits map[string]*habit
	stored map[string]bool // habits that Changes has put

	evictions
	found []Finding
}

// habit is how often a source came to a port of a host.
type habit struct {
	last    int64 // start of the last pane
	enough  bool  // that one had connections and bytes for a finding
	run     int   // panes in a row that were as those before
	mean    float64
	changed bool
}

// steadyPanes is how many panes in a row make a habit, steadyWithin how far from
// its mean a pane may lie, and maxHabits how many are held.
const (
	steadyPanes  = 12
	steadyWithin = 0.2
	maxHabits    = 65_536
)

// NewBruteForce returns the rule for panes of this length. The configuration
// must be valid.
func NewBruteForce(cfg BruteForceConfig, pane time.Duration) *BruteForce {
	seconds := int64(pane / time.Second)
	return &BruteForce{cfg: cfg, pane: seconds, ledger: newLedger(seconds, quietPanes), habits: make(map[string]*habit), stored: make(map[string]bool)}
}

// Name returns "bruteforce".
func (r *BruteForce) Name() string { return "bruteforce" }

// Version tells apart states that can't be read as one another's.
func (r *BruteForce) Version() string {
	return fmt.Sprintf("%s pane=%d min_connections=%d min_bytes=%d", bruteForceVersion, r.pane, r.cfg.MinConnections, r.cfg.MinBytes)
}

// Detect judges the logins of a pane.
func (r *BruteForce) Detect(pane *Pane) []Finding {
	r.found = r.ledger.closeUncovered(r.found[:0], pane)
	for i := range pane.Logins {
		l := &pane.Logins[i]
		if l.Allowed {
			continue
		}
		enough := l.Connections >= int64(r.cfg.MinConnections) && float64(l.Bytes) >= float64(l.Connections)*float64(r.cfg.MinBytes)
		usual, again := r.usual(l, pane.Start, enough)
		if !enough {
			continue
		}
		if !usual && (again || l.Connections >= 2*int64(r.cfg.MinConnections)) ||
			r.ledger.open(ledgerKey(printable(orDash(l.Account)), printable(orDash(l.VPC)), l.Source.String())) {
			r.found = r.ledger.strike(r.found, r.finding(l, pane))
		}
	}
	r.found = r.ledger.pass(r.found, pane, nil)
	r.forget(pane.Start)
	sortFindings(r.found)
	return r.found
}

// usual notes a pane and reports whether it is as the panes before, and whether
// the one before had enough for a finding.
func (r *BruteForce) usual(l *Login, start int64, enough bool) (usual, again bool) {
	if l.Connections < int64(r.cfg.MinConnections)/2 {
		return true, false // too few to make a habit, or a finding
	}
	key := fmt.Sprintf("%s\x00%s\x00%s\x00%s\x00%d", l.Account, l.VPC, l.Source, l.Host, l.Port)
	h := r.habits[key]
	if h == nil || start-h.last > r.pane {
		r.habits[key] = &habit{last: start, enough: enough, run: 1, mean: float64(l.Connections), changed: true}
		return false, false
	}
	x := float64(l.Connections)
	near := math.Abs(x-h.mean) <= max(3, steadyWithin*h.mean)
	usual, again = near && h.run >= steadyPanes, h.enough
	if near {
		h.run++
	} else {
		h.run = 1
		h.mean = x
	}
	h.mean += (x - h.mean) / float64(min(h.run, steadyPanes))
	h.last, h.enough, h.changed = start, enough, true
	return usual, again
}

// forget drops habits that are over, and while there are too many those of the
// fewest panes, then by key.
func (r *BruteForce) forget(start int64) {
	for key, h := range r.habits {
		if start-h.last >= 2*r.pane {
			delete(r.habits, key)
		}
	}
	if len(r.habits) <= maxHabits {
		return
	}
	keys := slices.SortedFunc(maps.Keys(r.habits), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.habits[a].run, r.habits[b].run), cmp.Compare(a, b))
	})
	for _, key := range keys[:len(keys)-maxHabits] {
		r.evicted++
		delete(r.habits, key)
	}
}

var (
	guessing = Attack{"TA0006", "Credential Access", "T1110", "Brute Force"}

	loginServices = map[uint16]string{22: "SSH", 3389: "RDP", 5985: "WinRM", 5986: "WinRM"}
)

func (r *BruteForce) finding(l *Login, pane *Pane) *strike {
	service := loginServices[l.Port]
	e := &CountEvidence{
		Source: l.Source, Internal: l.Internal, Target: l.Host, Port: l.Port,
		What: "connections", Observed: float64(l.Connections), Threshold: float64(r.cfg.MinConnections),
		Sources: 1, Packets: l.Packets, Bytes: l.Bytes, PortsSample: []uint16{l.Port},
		WindowStart: pane.Start, WindowSeconds: pane.End - pane.Start,
	}
	each := float64(l.Bytes) / float64(max(1, l.Connections))
	f := Finding{
		Rule: r.Name(), Version: bruteForceVersion, Account: printable(orDash(l.Account)), Scope: printable(orDash(l.VPC)),
		Key: l.Source.String(), Severity: Medium, Confidence: MediumConfidence, ConfidenceScore: 70,
		Time: pane.End, FirstSeen: l.First, LastSeen: l.Last, Count: l.Connections, Records: l.Records,
		Title: service + " brute force from external source " + l.Source.String(),
		Message: fmt.Sprintf("%s brute force: %s opened %s connections to port %d of %s in %s, where fewer than %d are expected; %.0f bytes each",
			service, l.Source, thousands(l.Connections), l.Port, l.Host, span(pane.End-pane.Start), r.cfg.MinConnections, each),
		Desc: fmt.Sprintf("%s accepted connections from distinct ports, at least %d are a brute force; %.0f bytes each, at least %d are taken for tries of a password; not as many in each of the last %d panes.",
			thousands(l.Connections), r.cfg.MinConnections, each, r.cfg.MinBytes, steadyPanes),
		Types:    []string{r.Name(), service},
		Analytic: Analytic{Algorithm: "count of connections to a login port, with a test for habit", Category: "Credential Access"},
		Attacks:  []Attack{guessing},
		Counted:  e, LateRecords: pane.Late,
		Queries: Queries{
			LogsInsights: fmt.Sprintf("filter srcAddr = %s and dstAddr = %s and dstPort = %d and start >= %d and start < %d | stats count(), sum(bytes) by bin(1m)",
				insightsQuote(l.Source.String()), insightsQuote(l.Host.String()), l.Port, pane.Start, pane.End),
			Athena: fmt.Sprintf("SELECT * FROM vpc_flow_logs WHERE srcaddr = %s AND dstaddr = %s AND dstport = %d AND start BETWEEN %d AND %d",
				sqlQuote(l.Source.String()), sqlQuote(l.Host.String()), l.Port, pane.Start, pane.End-1),
		},
	}
	if l.Internal {
		f.Severity = High
		f.Title = service + " brute force from internal host " + l.Source.String()
	}
	return &strike{Finding: f, strength: float64(l.Connections), crossed: pane.Start}
}

// habitEntry is the kind of a habit's entry of state.
const habitEntry = 'h'

// Changes puts the incidents and habits that changed.
func (r *BruteForce) Changes(put func(key, value []byte)) {
	r.ledger.changes(put)
	for _, key := range sortedKeys(r.stored, func(key string, _ bool) bool { return r.habits[key] == nil }) {
		put(append([]byte{habitEntry}, key...), nil)
		delete(r.stored, key)
	}
	for _, key := range sortedKeys(r.habits, func(_ string, h *habit) bool { return h.changed }) {
		h := r.habits[key]
		var e encoder
		e.fixed(h.last)
		e.bool(h.enough)
		e.uint(uint64(h.run))
		e.float(h.mean)
		put(append([]byte{habitEntry}, key...), e)
		h.changed, r.stored[key] = false, true
	}
}

// Restore takes the state of an earlier run with the same Version.
func (r *BruteForce) Restore(next func() (key, value []byte, ok bool)) error {
	return restoreEach(r.Name(), next, r.restore)
}

func (r *BruteForce) restore(key, value []byte) error {
	switch key[0] {
	case incidentEntry:
		return r.ledger.restore(key, value)
	case habitEntry:
		d := decoder{rest: value}
		h := &habit{last: d.fixed(), enough: d.bool(), run: int(d.number(math.MaxInt32)), mean: d.float()}
		r.habits[string(key[1:])] = h
		r.stored[string(key[1:])] = true
		return d.end("habit")
	}
	return unknownEntry(key)
}
