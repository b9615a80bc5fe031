package detect

import (
	"cmp"
	"fmt"
	"slices"
)

// Activity says what happened to an incident.
type Activity uint8

// The activities of an incident, with OCSF's activity_id as value.
const (
	Create Activity = 1 + iota
	Update
	Close
)

// String returns "create", "update" or "close".
func (a Activity) String() string {
	return name(a, "create", "update", "close")
}

// Severity ranks findings; greater is more severe. Its values are OCSF's
// severity_id.
type Severity uint8

// The severities in ascending order.
const (
	Info Severity = 1 + iota
	Low
	Medium
	High
	Critical
)

// String returns "info", "low", "medium", "high" or "critical".
func (s Severity) String() string {
	return name(s, "info", "low", "medium", "high", "critical")
}

// ParseSeverity reads what String writes.
func ParseSeverity(s string) (Severity, error) {
	for v := Info; v <= Critical; v++ {
		if v.String() == s {
			return v, nil
		}
	}
	return 0, fmt.Errorf("severity %q: accepted are info, low, medium, high and critical", s)
}

// Confidence says how sure a finding is.
type Confidence uint8

// The confidences. Learning is a finding made before the baseline of its
// interface is two days old, Provisional one made before its pane has closed.
const (
	LowConfidence Confidence = 1 + iota
	MediumConfidence
	HighConfidence
	Learning
	Provisional
)

// String returns "low", "medium", "high", "learning" or "provisional".
func (c Confidence) String() string {
	return name(c, "low", "medium", "high", "learning", "provisional")
}

func name[E ~uint8](e E, names ...string) string {
	if i := int(e) - 1; i >= 0 && i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("unknown(%d)", uint8(e))
}

// CloseReason says why an incident closed; it is empty while it is open.
type CloseReason string

// The reasons.
const (
	Quiet       CloseReason = "quiet"        // what had been found is over
	NewBaseline CloseReason = "new_baseline" // it lasted so long that it is the normal level now
	NoCoverage  CloseReason = "no_data"      // nothing was recorded there any more
	Suppressed  CloseReason = "suppressed"   // the configuration holds its events back from now on
	// NotConfirmed closes an early finding that its pane, once closed, did not
	// bear out: answers came, or what is expected rose.
	NotConfirmed CloseReason = "not_confirmed"
)

// Finding is one event of an incident: it opened, changed or closed. It holds
// all that a sink needs, stays valid for good, and survives encoding/json
// unchanged. Copies share their slices and evidence: these must not be
// changed. All times are Unix seconds of event time.
type Finding struct {
	Rule    string `json:"rule"`
	Version string `json:"version"` // of the rule
	Account string `json:"account"`
	Region  string `json:"region,omitempty"` // empty when no record told
	Scope   string `json:"scope"`            // VPC, "-" when no record told
	Key     string `json:"key"`              // the source, or the interface under attack
	// UID is one for all the events of an incident:
	// rule/account/scope/key/start of the pane that crossed the threshold.
	UID string `json:"uid"`
	// Seq counts the incident's events from 1.
	Seq      int      `json:"seq"`
	Activity Activity `json:"activity"`
	Severity Severity `json:"severity"`

	Confidence      Confidence `json:"confidence"`
	ConfidenceScore int        `json:"confidence_score"` // 0 to 100

	Time    int64 `json:"time"`    // end of the pane that decided this event
	Created int64 `json:"created"` // Time of the incident's first event
	// FirstSeen and LastSeen are the least start and the greatest end of the
	// records behind the incident so far.
	FirstSeen int64 `json:"first_seen"`
	LastSeen  int64 `json:"last_seen"`
	Count     int64 `json:"count"`   // of occurrences, in the rule's own unit
	Records   int64 `json:"records"` // flow records behind it

	Title   string   `json:"title"`
	Message string   `json:"message"` // one sentence for a human
	Desc    string   `json:"desc"`    // the arithmetic
	Types   []string `json:"types"`   // the rule, then its shape or measures

	Analytic  Analytic       `json:"analytic"`
	Attacks   []Attack       `json:"attacks"`
	Resources []Resource     `json:"resources,omitempty"`
	Scan      *ScanEvidence  `json:"scan,omitempty"`    // of the scan rules
	Spike     *SpikeEvidence `json:"spike,omitempty"`   // of the spike rule
	Counted   *CountEvidence `json:"counted,omitempty"` // of rules that count one thing

	LateRecords int64       `json:"late_records"` // that belonged to the deciding pane
	Lines       []string    `json:"lines,omitempty"`
	CloseReason CloseReason `json:"close_reason,omitempty"`
	Queries     Queries     `json:"queries"`
	Trimmed     []string    `json:"trimmed,omitempty"` // what it lacks for want of room: see Trim
}

// Analytic names the test behind a finding.
type Analytic struct {
	Algorithm string `json:"algorithm"`
	Category  string `json:"category"`
}

// Attack is a technique of MITRE ATT&CK.
type Attack struct {
	TacticUID    string `json:"tactic_uid"`
	Tactic       string `json:"tactic"`
	TechniqueUID string `json:"technique_uid"`
	Technique    string `json:"technique"`
}

// Resource is a network interface that a finding is about.
type Resource struct {
	Interface string `json:"interface"`
	Role      Role   `json:"role"`
}

// Role is what a resource is in an attack, with OCSF's role_id as value.
type Role uint8

// The roles.
const (
	TargetRole Role = 1
	ActorRole  Role = 2
)

// Queries are ready to paste, for the records behind a finding.
type Queries struct {
	LogsInsights string `json:"logs_insights"`
	Athena       string `json:"athena"`
}

// DedupKey is one for all the incidents of a rule at one place:
// rule|account|scope|key.
func (f *Finding) DedupKey() string {
	return f.Rule + "|" + f.Account + "|" + f.Scope + "|" + f.Key
}

// uidOf returns the uid of an incident that crossed its threshold in the pane
// that starts at start.
func uidOf(rule, account, scope, key string, start int64) string {
	return fmt.Sprintf("%s/%s/%s/%s/%d", rule, account, scope, key, start)
}

// orDash stands in for a part of a uid that no record told.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// sortFindings puts the findings of one pane in an order that depends on
// nothing but themselves.
func sortFindings(found []Finding) {
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.Account, b.Account),
			cmp.Compare(a.Scope, b.Scope),
			cmp.Compare(a.Key, b.Key),
			cmp.Compare(a.Time, b.Time),
			cmp.Compare(a.UID, b.UID),
			cmp.Compare(a.Seq, b.Seq),
		)
	})
}
