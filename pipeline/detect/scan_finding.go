package detect

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// sampled is how many hosts and ports a finding lists.
const sampled = 10

// finding describes a judgement.
func (s *Scan) finding(src *source, j *judgement, time int64, pane *Pane) *strike {
	e := s.evidence(src, j)
	telling := strongest(j.visits)
	f := Finding{
		Rule: s.rule.name, Version: scanVersion,
		Account: printable(src.key.account), Region: printable(telling.told().region),
		Scope: printable(src.key.vpc), Key: src.key.addr.String(),
		Severity: s.rule.severity, Confidence: HighConfidence,
		ConfidenceScore: surpriseScore(j.score / s.rule.bound()),
		Time:            time, FirstSeen: math.MaxInt64,
		Message: e.sentence(), Desc: e.arithmetic(),
		Types:    []string{s.rule.name, string(e.Shape)},
		Analytic: Analytic{Algorithm: "threshold random walk on distinct first-contact targets", Category: s.rule.category},
		Attacks:  []Attack{s.rule.attack},
		Scan:     e, LateRecords: pane.Late, Queries: scanQueries(e),
	}
	f.Title = e.scanName() + " from external source " + f.Key
	if e.Internal {
		f.Title = e.scanName() + " from internal host " + f.Key
	}
	if e.Ports <= few {
		f.Severity = s.rule.fewPorts
	}
	if e.Sweep {
		f.Confidence, f.ConfidenceScore = MediumConfidence, 60
	}
	for _, v := range j.visits {
		f.Records += v.records
		f.FirstSeen, f.LastSeen = min(f.FirstSeen, v.first), max(f.LastSeen, v.last)
	}
	f.Count = f.Records
	f.Lines, f.Resources = s.samples(e, telling)
	strength := float64(j.failed)
	if e.Sweep {
		strength = float64(j.sweep)
	}
	return &strike{Finding: f, strength: strength, crossed: j.crossed}
}

// strongest returns the visit that tells most of a scan: the one in which most
// targets failed or still wait, the newest of equals. What is known of its
// records stands for the whole window, whose newest pane may hold next to
// nothing.
func strongest(visits []*visit) *visit {
	best := visits[0]
	for _, v := range visits[1:] {
		if v.failed+v.pending >= best.failed+best.pending {
			best = v
		}
	}
	return best
}

// samples returns what is kept of a visit beyond its targets, and the
// interfaces that the finding is about.
func (s *Scan) samples(e *ScanEvidence, v *visit) (lines []string, about []Resource) {
	if kept := v.told().samples; kept != nil {
		lines = printableAll(kept.Lines)
		for _, id := range kept.Interfaces {
			about = append(about, Resource{printable(id), TargetRole})
		}
	}
	if len(about) > 0 {
		e.TargetInterface = about[0].Interface
	} else if e.Interface != "" {
		about = []Resource{{e.Interface, ActorRole}}
	}
	return lines, about
}

// evidence is what a judgement rests on.
func (s *Scan) evidence(src *source, j *judgement) *ScanEvidence {
	telling, newest := strongest(j.visits), j.visits[len(j.visits)-1]
	e := &ScanEvidence{
		Source: src.key.addr, Internal: s.rule.internal,
		Interface: printable(telling.told().iface), Instance: printable(telling.told().instance),
		Sweep: j.sweep > 0, Exact: j.exact,
		Failed: j.failed, Answered: j.answered, Unanswered: j.unanswered,
		Rejected: j.rejected, SynOnly: j.synOnly,
		WindowStart: j.visits[0].start, WindowSeconds: newest.start + s.pane - j.visits[0].start,
		RuleWindowSeconds: s.panes(j.test.seconds) * s.pane,
		Score:             j.score, Threshold: s.rule.bound(), MinFailed: j.test.failed, Alpha: s.rule.alpha,
	}
	if e.Sweep {
		e.Score, e.Threshold = float64(j.sweep), float64(s.rule.sweep)
	}
	e.describe(j)
	return e
}

// describe counts hosts and ports over the targets that make the scan, and the
// answered ones beside them: on the same hosts, the same ports, or both.
func (e *ScanEvidence) describe(j *judgement) {
	hosts, ports, protocols := make(map[netip.Addr]bool), make(map[uint16]bool), make(map[uint8]int)
	scanned := func(t *settled) bool { return !e.Sweep && t.outcome == aggregate.Failed || e.Sweep && t.swept() }
	for i := range j.targets {
		if t := &j.targets[i]; scanned(t) {
			hosts[t.Addr], ports[t.Port] = true, true
			protocols[t.Protocol]++
		}
	}
	e.Shape = shapeOf(j.estimated(len(hosts), len(ports)))
	answered := make(map[uint16]bool)
	for i := range j.targets {
		t := &j.targets[i]
		if t.outcome == aggregate.Answered && beside(e.Shape, hosts[t.Addr], ports[t.Port]) {
			answered[t.Port] = true
			hosts[t.Addr], ports[t.Port] = hosts[t.Addr] || e.Shape == Horizontal, true
		}
	}
	maps.DeleteFunc(hosts, func(_ netip.Addr, is bool) bool { return !is })
	e.Hosts, e.Ports = j.estimated(len(hosts), len(ports))
	e.Protocol = most(protocols)
	e.HostsSample = first(slices.SortedFunc(maps.Keys(hosts), netip.Addr.Compare))
	e.PortsSample = first(slices.Sorted(maps.Keys(ports)))
	e.PortsAnswered = first(slices.Sorted(maps.Keys(answered)))
	if e.Hosts == 1 {
		e.Target = e.HostsSample[0]
	}
}

// beside reports whether an answered target lies in the way of a scan of this
// shape.
func beside(shape Shape, sameHost, samePort bool) bool {
	switch shape {
	case Vertical:
		return sameHost
	case Horizontal:
		return samePort
	}
	return sameHost && samePort
}

// estimated scales the hosts and ports of a sample to those of the whole set.
func (j *judgement) estimated(hosts, ports int) (int, int) {
	if j.exact {
		return hosts, ports
	}
	allHosts, allPorts := make(map[netip.Addr]struct{}), make(map[uint16]struct{})
	for i := range j.targets {
		allHosts[j.targets[i].Addr] = struct{}{}
		allPorts[j.targets[i].Port] = struct{}{}
	}
	scale := func(n, sample, all int) int {
		return max(n, int(math.Round(float64(n)*float64(all)/float64(max(1, sample)))))
	}
	return scale(hosts, len(allHosts), j.hosts), scale(ports, len(allPorts), j.ports)
}

func most(counts map[uint8]int) uint8 {
	var best uint8
	for _, p := range slices.Sorted(maps.Keys(counts)) {
		if counts[p] > counts[best] {
			best = p
		}
	}
	return best
}

func first[T any](s []T) []T { return slices.Clone(s[:min(sampled, len(s))]) }

func (e *ScanEvidence) scanName() string {
	protocol := strings.ToUpper(enrich.ProtocolName(e.Protocol))
	switch {
	case e.Sweep:
		return protocol + " sweep"
	case e.Shape == Block:
		return "Block port scan"
	}
	return title(string(e.Shape)) + " port scan"
}

// sentence tells who tried what where, over which time, and what came of it.
func (e *ScanEvidence) sentence() string {
	who := e.Source.String()
	if e.Interface != "" {
		who += " (" + e.Interface + ")"
	}
	about := ""
	if !e.Exact {
		about = "about "
	}
	protocol := strings.ToUpper(enrich.ProtocolName(e.Protocol))
	where := about + count(e.Hosts, "host")
	if e.Target.IsValid() {
		where = e.Target.String()
	}
	if e.Sweep {
		if ports := e.ports(); ports != "" {
			where = ports + " of " + where
		}
		return fmt.Sprintf("%s: %s sent %s to %s in %s; %s%d did not answer where fewer than %d are expected, %d answered",
			e.scanName(), who, protocol, where, span(e.WindowSeconds), about, int(e.Score), int(e.Threshold), e.Answered)
	}
	what := protocol + " " + e.ports()
	if e.Ports > few || e.Shape != Horizontal {
		what = fmt.Sprintf("%s%s distinct %s %s", about, thousands(int64(e.Ports)), protocol, plural(e.Ports, "port"))
	}
	return fmt.Sprintf("%s: %s tried %s on %s in %s; %s%s failed where fewer than %d are expected, %s answered",
		e.scanName(), who, what, where, span(e.WindowSeconds),
		about, thousands(int64(e.Failed)), e.MinFailed, thousands(int64(e.Answered)))
}

// ports lists the ports when they are few; ICMP has none.
func (e *ScanEvidence) ports() string {
	if e.Protocol == 1 || e.Protocol == 58 {
		return ""
	}
	if e.Ports > few {
		return count(e.Ports, "port")
	}
	ports := make([]string, len(e.PortsSample))
	for i, p := range e.PortsSample {
		ports[i] = strconv.Itoa(int(p))
	}
	return plural(len(ports), "port") + " " + strings.Join(ports, ", ")
}

func plural(n int, one string) string {
	if n == 1 {
		return one
	}
	return one + "s"
}

func (e *ScanEvidence) arithmetic() string {
	window := span(e.RuleWindowSeconds)
	targets := e.Failed + e.Answered + e.Unanswered
	estimate := ""
	if !e.Exact {
		estimate = " Counts above 128 targets are estimates."
	}
	if e.Sweep {
		return fmt.Sprintf("%s without an answer in %s, at least %d make a sweep; %s got UDP, ICMP or the like and gave none, %d answered.%s",
			count(int(e.Score), "host"), window, int(e.Threshold), count(e.Unanswered, "target"), e.Answered, estimate)
	}
	return fmt.Sprintf("%s in %s, %d without an answer (REJECT %d, SYN-only %d, RST %d). Sequential test: log-likelihood ratio (%d - %d) * ln 4 = %.1f >= %.1f (false-alarm bound %s per source), and %d >= %d failed.%s",
		count(targets, "first-contact target"), window, e.Failed, e.Rejected, e.SynOnly, e.Failed-e.Rejected-e.SynOnly,
		e.Failed, e.Answered, e.Score, e.Threshold, scientific(e.Alpha), e.Failed, e.MinFailed, estimate)
}

func scanQueries(e *ScanEvidence) Queries {
	from, to := e.WindowStart, e.WindowStart+e.WindowSeconds
	source := e.Source.String()
	return Queries{
		LogsInsights: fmt.Sprintf("fields @timestamp, @message | filter srcAddr = %s and start >= %d and start < %d",
			insightsQuote(source), from, to),
		Athena: fmt.Sprintf("SELECT * FROM vpc_flow_logs WHERE srcaddr = %s AND start BETWEEN %d AND %d",
			sqlQuote(source), from, to-1),
	}
}
