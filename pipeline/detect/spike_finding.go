package detect

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

var denialOfService = Attack{"TA0040", "Impact", "T1498", "Network Denial of Service"}

// finding describes the measures of one interface's pane.
func (s *Spike) finding(in *ingress, load *Load, pane *Pane, t *tested, measures []Measure) *strike {
	e := &SpikeEvidence{
		Interface: printable(load.Interface), Instance: printable(load.Instance),
		TargetAddr:  printable(load.TargetAddr),
		WindowStart: pane.Start, WindowSeconds: pane.End - pane.Start,
	}
	for _, m := range measures {
		me := MeasureEvidence{
			Measure: m, Observed: t.counts[m],
			Expected: t.expected[m].mu, Baseline: t.expected[m].kind, Days: t.expected[m].days,
			Phi: t.phi[m], LnP: t.lnP[m], Alpha: s.alpha, Usual: t.against[m],
			Pair:  float64(upperQuantile(int64(math.Ceil(t.pair[m])), t.expected[m].mu, t.phi[m], s.lnA)),
			Alone: float64(upperQuantile(int64(math.Ceil(t.alone[m])), t.expected[m].mu, t.phi[m], s.lnA)),
		}
		if t.drift[m] && !t.cand[m] {
			me.Drift, me.Score, me.ScoreBound = true, t.score[m], driftBound
		}
		e.Measures = append(e.Measures, me)
	}
	slices.SortStableFunc(e.Measures, func(a, b MeasureEvidence) int { return cmp.Compare(a.LnP, b.LnP) })
	st := &strike{crossed: pane.Start, strength: e.strength()}
	st.Finding = Finding{
		Rule: s.Name(), Version: spikeVersion,
		Account: printable(orDash(load.Account)), Region: printable(load.Region),
		Scope: printable(orDash(load.VPC)), Key: e.Interface,
		Severity: s.severity(in, e, pane.Start, t),
		Time:     pane.End, FirstSeen: load.First, LastSeen: load.Last,
		Count: t.panes(), Records: load.Records,
		Title: "Ingress spike on " + e.Interface, Message: e.sentence(), Desc: e.arithmetic(),
		Types:     []string{s.Name()},
		Analytic:  Analytic{Algorithm: "two-baseline negative-binomial upper-tail test", Category: "Impact"},
		Attacks:   []Attack{denialOfService},
		Resources: []Resource{{e.Interface, TargetRole}},
		Spike:     e, LateRecords: pane.Late, Queries: spikeQueries(e),
	}
	f := &st.Finding
	f.Confidence, f.ConfidenceScore = in.confidence(e, pane.Start)
	if load.First == 0 && load.Last == 0 {
		f.FirstSeen, f.LastSeen = pane.Start, pane.End
	}
	for i := range e.Measures {
		f.Types = append(f.Types, e.Measures[i].Measure.String())
	}
	if load.Samples == nil {
		return st
	}
	if kept := load.Samples.Samples(); kept != nil {
		f.Lines = printableAll(kept.Lines)
		e.TopSources, e.TopPorts = kept.Sources, kept.Ports
	}
	return st
}

// panes counts the panes behind a pane's findings: this one, and the candidate
// that it confirms.
func (t *tested) panes() int64 {
	if t.confirms {
		return 2
	}
	return 1
}

// strength is the greatest ratio of observed to expected.
func (e *SpikeEvidence) strength() float64 {
	greatest := 0.0
	for i := range e.Measures {
		greatest = max(greatest, float64(e.Measures[i].Observed)/e.Measures[i].Expected)
	}
	return greatest
}

func (in *ingress) young(start int64) bool { return start-in.first < learningFor }

// severity is Medium from ten times what is expected on, by four times the floor
// and beyond what bursts reach here or longer than they last: ten times next to
// nothing is no reason to page anybody, nor is a burst as any other.
func (s *Spike) severity(in *ingress, e *SpikeEvidence, start int64, t *tested) Severity {
	if in.young(start) {
		return Low
	}
	floors := float64(aloneFloors)
	if t.volume {
		floors = volumeFloors
	}
	for i := range e.Measures {
		m := &e.Measures[i]
		x := float64(m.Observed)
		beyond := t.beyond[m.Measure].z >= t.beyond[m.Measure].medium || t.lasts[m.Measure]
		if x >= strongRatio*m.Expected && x-m.Expected >= floors*s.floor(t, m.Measure) && beyond {
			return Medium
		}
	}
	return Low
}

// confidence grows by five points each time the surprise doubles that of the
// threshold.
func (in *ingress) confidence(e *SpikeEvidence, start int64) (Confidence, int) {
	if in.young(start) {
		return Learning, 40
	}
	return HighConfidence, surpriseScore(e.Measures[0].LnP / math.Log(e.Measures[0].Alpha))
}

// surpriseScore turns a ratio of a score to its threshold into 80 to 97.
func surpriseScore(ratio float64) int {
	if !(ratio > 1) {
		return 80
	}
	return int(min(97, 80+math.Round(5*math.Log2(ratio))))
}

// mostTold is how many measures the sentence tells of.
const mostTold = 3

func (e *SpikeEvidence) sentence() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Ingress spike on %s: ", e.Interface)
	for i := range e.Measures[:min(mostTold, len(e.Measures))] {
		m := &e.Measures[i]
		if i > 0 {
			b.WriteString(", and ")
		}
		b.WriteString(m.amount(float64(m.Observed)))
		if m.Measure != Bytes {
			b.WriteString(" " + m.Measure.noun())
		}
		if i == 0 {
			b.WriteString(" in " + span(e.WindowSeconds))
		}
		b.WriteString(m.against())
	}
	if more := len(e.Measures) - mostTold; more > 0 {
		fmt.Fprintf(&b, "; %s more", count(more, "measure"))
	}
	return b.String()
}

func (m *MeasureEvidence) amount(v float64) string {
	if m.Measure == Bytes {
		return kibibytes(v)
	}
	return thousands(int64(math.Round(v)))
}

func (m *MeasureEvidence) against() string {
	ratio, ok := m.Ratio()
	if !ok {
		return " from nothing"
	}
	verb := "are"
	if m.Measure == Bytes {
		verb = "is"
	}
	return fmt.Sprintf(" where %s %s expected (%.1fx)", m.amount(m.Expected), verb, ratio)
}

func (m Measure) noun() string {
	switch m {
	case SynOnlyFlows:
		return "SYN-only flows"
	case UniqueSources:
		return "distinct sources"
	}
	return strings.ReplaceAll(m.String(), "_", " ")
}

func (e *SpikeEvidence) arithmetic() string {
	parts := make([]string, len(e.Measures))
	for i := range e.Measures {
		m := &e.Measures[i]
		unit := ""
		if m.Measure == Bytes {
			unit = " KiB"
		}
		if m.Drift {
			parts[i] = fmt.Sprintf("%s x=%d%s, normal mean %s%s, phi=%.2f, CUSUM %.1f >= %.1f over several panes",
				m.Measure.noun(), m.Observed, unit, level(m.Usual), unit, m.Phi, m.Score, m.ScoreBound)
			continue
		}
		parts[i] = fmt.Sprintf("%s x=%d%s, mu=%s%s (%s), phi=%.2f, %s",
			m.Measure.noun(), m.Observed, unit, level(m.Expected), unit, m.basis(), m.Phi, probability(m.LnP))
	}
	all := strings.Join(parts, "; ")
	if !slices.ContainsFunc(e.Measures, func(m MeasureEvidence) bool { return !m.Drift }) {
		return "Drift test (CUSUM of negative-binomial log-likelihood ratios): " + all + "."
	}
	return fmt.Sprintf("Two-baseline negative-binomial test, P[X >= x] against alpha=%s: %s.",
		scientific(e.Measures[0].Alpha), all)
}

// level writes an expected count: whole, unless it is small.
func level(mu float64) string {
	decimals := 0
	if mu < 100 {
		decimals = 1
	}
	return strconv.FormatFloat(mu, 'f', decimals, 64)
}

func (m *MeasureEvidence) basis() string {
	switch m.Baseline {
	case Seasonal:
		return fmt.Sprintf("seasonal peak of this hour over %d days", m.Days)
	case Nothing:
		return "no traffic to speak of"
	}
	return "recent level"
}

func spikeQueries(e *SpikeEvidence) Queries {
	from, to := e.WindowStart, e.WindowStart+e.WindowSeconds
	return Queries{
		LogsInsights: fmt.Sprintf("filter interfaceId = %s and start >= %d and start < %d | stats sum(bytes) by srcAddr | sort by 1 desc",
			insightsQuote(e.Interface), from, to),
		Athena: fmt.Sprintf("SELECT srcaddr, sum(bytes) FROM vpc_flow_logs WHERE interface_id = %s AND start BETWEEN %d AND %d GROUP BY 1 ORDER BY 2 DESC",
			sqlQuote(e.Interface), from, to-1),
	}
}
