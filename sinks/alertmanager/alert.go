package alertmanager

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// alert is a postableAlert of Alertmanager's API v2.
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

// openFor is how long an alert stays active when nothing is heard of it: four
// repeats may be lost. An incident whose close never arrives ends then.
const openFor = 5 * repeatEvery

// alertOf returns an incident as an alert, given its last event and the time
// of sending.
//
// The labels are all that an alert is known by, and a fixed set of names. They
// stay the same over an incident but for the severity: see Sink.reported.
// Whatever changes with an event is an annotation.
func alertOf(f *detect.Finding, now time.Time) alert {
	a := alert{
		Labels: labels(f, f.Severity), Annotations: annotations(f),
		StartsAt: earlier(time.Unix(f.Created, 0), now), EndsAt: now.Add(openFor),
	}
	if f.Activity == detect.Close {
		// Alertmanager refuses an end before the start.
		a.EndsAt = later(earlier(time.Unix(f.Time, 0), now), a.StartsAt)
	}
	a.StartsAt, a.EndsAt = a.StartsAt.UTC(), a.EndsAt.UTC()
	return a
}

// superseded ends the alert of an incident under the severity that it had
// before.
func superseded(f *detect.Finding, before detect.Severity, now time.Time) alert {
	start := earlier(time.Unix(f.Created, 0), now).UTC()
	return alert{Labels: labels(f, before), StartsAt: start, EndsAt: later(now.UTC(), start)}
}

func labels(f *detect.Finding, severity detect.Severity) map[string]string {
	return map[string]string{
		"alertname": alertName(f.Rule), "rule": f.Rule, "severity": severity.String(),
		"account": f.Account, "vpc": f.Scope, "key": f.Key, "uid": f.UID,
	}
}

// alertName turns a rule's name into one in the style of alerts: scan.internal
// is FlowwatchScanInternal.
func alertName(rule string) string {
	name := "Flowwatch"
	for part := range strings.SplitSeq(rule, ".") {
		if part != "" {
			name += strings.ToUpper(part[:1]) + part[1:]
		}
	}
	return name
}

func annotations(f *detect.Finding) map[string]string {
	n := map[string]string{
		"summary": f.Title, "description": f.Message, "arithmetic": f.Desc, "region": f.Region,
		"confidence": f.Confidence.String(), "confidence_score": strconv.Itoa(f.ConfidenceScore),
		"event": strconv.Itoa(f.Seq), "occurrences": strconv.FormatInt(f.Count, 10), "records": strconv.FormatInt(f.Records, 10),
		"first_seen": rfc3339(f.FirstSeen), "last_seen": rfc3339(f.LastSeen), "close_reason": string(f.CloseReason),
		"logs_insights": f.Queries.LogsInsights,
	}
	if e := f.Scan; e != nil {
		n["shape"], n["hosts"], n["ports"] = string(e.Shape), strconv.Itoa(e.Hosts), strconv.Itoa(e.Ports)
		n["failed"], n["answered"] = strconv.Itoa(e.Failed), strconv.Itoa(e.Answered)
	}
	if e := f.Spike; e != nil && len(e.Measures) > 0 {
		m := &e.Measures[0]
		n["measure"], n["observed"], n["expected"] = m.Measure.String(), strconv.FormatInt(m.Observed, 10), fmt.Sprintf("%.1f", m.Expected)
	}
	for name, value := range n {
		if value == "" {
			delete(n, name)
		}
	}
	return n
}

func rfc3339(unix int64) string { return time.Unix(unix, 0).UTC().Format(time.RFC3339) }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
