package detect

import (
	"errors"
	"fmt"
	"time"
)

const ceilingVersion = "1"

// CeilingConfig configures the rule ceiling: what no interface should get, on
// average over a pane. 0 is no ceiling.
type CeilingConfig struct {
	BPS   int64 `yaml:"bps"`   // bits a second
	PPS   int64 `yaml:"pps"`   // packets a second
	Flows int64 `yaml:"flows"` // accepted and rejected flows in a pane
}

// Enabled reports whether there is any ceiling.
func (c *CeilingConfig) Enabled() bool { return c.BPS > 0 || c.PPS > 0 || c.Flows > 0 }

// Validate returns all that is wrong, each naming its key.
func (c *CeilingConfig) Validate() error {
	var errs []error
	for _, v := range []struct {
		key   string
		value int64
	}{{"bps", c.BPS}, {"pps", c.PPS}, {"flows", c.Flows}} {
		if v.value < 0 {
			errs = append(errs, fmt.Errorf("%s: %d is negative; accepted are 0 for no ceiling, and more", v.key, v.value))
		}
	}
	return errors.Join(errs...)
}

// Ceiling is the rule ceiling: ingress of an interface above a bound that its
// owner set. It learns nothing and needs no history. TCP replies to own
// connections do not count.
type Ceiling struct {
	cfg    CeilingConfig
	pane   int64
	ledger ledger
	found  []Finding
}

// NewCeiling returns the rule for panes of this length. The configuration must
// be valid.
func NewCeiling(cfg CeilingConfig, pane time.Duration) *Ceiling {
	seconds := int64(pane / time.Second)
	return &Ceiling{cfg: cfg, pane: seconds, ledger: newLedger(seconds, quietPanes)}
}

// Name returns "ceiling".
func (r *Ceiling) Name() string { return "ceiling" }

// Version tells apart states that can't be read as one another's.
func (r *Ceiling) Version() string {
	return fmt.Sprintf("%s pane=%d bps=%d pps=%d flows=%d", ceilingVersion, r.pane, r.cfg.BPS, r.cfg.PPS, r.cfg.Flows)
}

// Detect holds every interface of a pane against the ceilings.
func (r *Ceiling) Detect(pane *Pane) []Finding {
	r.found = r.ledger.closeUncovered(r.found[:0], pane)
	for i := range pane.Loads {
		if st := r.over(&pane.Loads[i], pane); st != nil {
			r.found = r.ledger.strike(r.found, st)
		}
	}
	r.found = r.ledger.pass(r.found, pane, nil)
	sortFindings(r.found)
	return r.found
}

// over returns what is over its ceiling, by the greatest factor, or nil.
func (r *Ceiling) over(l *Load, pane *Pane) *strike {
	seconds := float64(r.pane)
	worst := &CountEvidence{}
	for _, c := range []struct {
		what     string
		observed float64
		ceiling  int64
	}{
		{"bits_per_second", 8 * float64(l.Values[Bytes]) / seconds, r.cfg.BPS},
		{"packets_per_second", float64(l.Values[Packets]) / seconds, r.cfg.PPS},
		{"flows", float64(l.Values[AcceptedFlows]) + float64(l.Values[RejectedFlows]), r.cfg.Flows},
	} {
		limit := float64(c.ceiling)
		if limit > 0 && c.observed > limit && (worst.What == "" || c.observed/limit > worst.Observed/worst.Threshold) {
			worst = &CountEvidence{What: c.what, Observed: c.observed, Threshold: limit}
		}
	}
	if worst.What == "" {
		return nil
	}
	e := worst
	e.Interface, e.Instance = printable(l.Interface), printable(l.Instance)
	e.WindowStart, e.WindowSeconds = pane.Start, pane.End-pane.Start
	e.Packets, e.Bytes = l.Values[Packets], l.Values[Bytes]
	what := map[string]string{"bits_per_second": "bits a second", "packets_per_second": "packets a second", "flows": "flows"}[e.What]
	f := Finding{
		Rule: r.Name(), Version: ceilingVersion, Account: printable(orDash(l.Account)), Region: printable(l.Region),
		Scope: printable(orDash(l.VPC)), Key: e.Interface, Severity: Medium, Confidence: HighConfidence, ConfidenceScore: 99,
		Time: pane.End, FirstSeen: l.First, LastSeen: l.Last, Count: 1, Records: l.Records,
		Title: "Ingress above its ceiling on " + e.Interface,
		Message: fmt.Sprintf("Ingress of %s is above its ceiling: %s %s in %s where %s are allowed (%.1fx)",
			e.Interface, thousands(int64(e.Observed)), what, span(e.WindowSeconds), thousands(int64(e.Threshold)), e.Observed/e.Threshold),
		Desc: fmt.Sprintf("%s %s on average over the pane, and the ceiling is %s: a bound that was set, nothing is learned.",
			thousands(int64(e.Observed)), what, thousands(int64(e.Threshold))),
		Types:    []string{r.Name(), e.What},
		Analytic: Analytic{Algorithm: "static ceiling", Category: "Impact"}, Attacks: []Attack{denialOfService},
		Resources: []Resource{{e.Interface, TargetRole}}, Counted: e, LateRecords: pane.Late,
		Queries: spikeQueries(&SpikeEvidence{Interface: e.Interface, WindowStart: e.WindowStart, WindowSeconds: e.WindowSeconds}),
	}
	if l.Samples != nil {
		if kept := l.Samples.Samples(); kept != nil {
			f.Lines, e.TopSources = printableAll(kept.Lines), kept.Sources
		}
	}
	return &strike{Finding: f, strength: e.Observed / e.Threshold, crossed: pane.Start}
}

// Changes puts the incidents that changed.
func (r *Ceiling) Changes(put func(key, value []byte)) { r.ledger.changes(put) }

// Restore takes the state of an earlier run with the same Version.
func (r *Ceiling) Restore(next func() (key, value []byte, ok bool)) error {
	return r.ledger.restoreAll(r.Name(), next)
}
