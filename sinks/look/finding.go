package look

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// Finding is an event of an incident as a person reads it.
type Finding struct {
	Key      string // unique on the page: what is remembered of its being open
	UID      string
	Severity detect.Severity
	Rule     string
	State    string // opened, updated, closed
	Message  string
	Time     int64 // Unix seconds, of the event
	Facts    []Fact
	Desc     string // the arithmetic
	Measures *Table // of a spike
	Sources  *Table
	Lines    []string
	Queries  []Fact
}

// Fact is one line of evidence.
type Fact struct{ Name, Value string }

// Mark is the sign of the severity: it is not told by colour alone.
func (f *Finding) Mark() string {
	switch f.Severity {
	case detect.Critical:
		return "◆"
	case detect.High:
		return "▲"
	case detect.Medium:
		return "●"
	case detect.Low:
		return "○"
	}
	return "·"
}

// What is shown of a finding has bounds: so many of a sample, so many raw lines,
// and so many characters of each and of a value. Fields of flow logs reach 1 KiB.
const (
	sampled   = 20
	linesMost = 10
	textMost  = 1000
)

// FindingOf shows a finding with all of its evidence.
func FindingOf(f *detect.Finding) Finding {
	v := Finding{
		Key: clip(f.UID) + "#" + strconv.Itoa(f.Seq), UID: clip(f.UID), Severity: f.Severity, Rule: f.Rule, Message: clip(f.Message), Time: f.Time, Desc: clip(f.Desc),
		State: map[detect.Activity]string{detect.Create: "opened", detect.Update: "updated", detect.Close: "closed"}[f.Activity],
	}
	for _, line := range f.Lines[:min(linesMost, len(f.Lines))] {
		v.Lines = append(v.Lines, clip(line))
	}
	v.fact("Account", f.Account)
	v.fact("Region", f.Region)
	v.fact("VPC", f.Scope)
	v.fact("First seen", UTC(f.FirstSeen))
	v.fact("Last seen", UTC(f.LastSeen))
	v.fact("Confidence", fmt.Sprintf("%s, %d of 100", f.Confidence, f.ConfidenceScore))
	v.fact("Flow records", Count(f.Records))
	switch {
	case f.Scan != nil:
		v.scan(f.Scan)
	case f.Spike != nil:
		v.spike(f.Spike)
	case f.Counted != nil:
		v.counted(f.Counted)
	}
	for _, a := range f.Attacks {
		v.fact("ATT&CK", strings.TrimSpace(a.TechniqueUID+" "+a.Technique))
	}
	if f.LateRecords > 0 {
		v.fact("Late records", Count(f.LateRecords))
	}
	if f.CloseReason != "" {
		v.fact("Closed because", strings.ReplaceAll(string(f.CloseReason), "_", " "))
	}
	v.fact("Incident", f.UID)
	for _, q := range []Fact{{"CloudWatch Logs Insights", f.Queries.LogsInsights}, {"Athena", f.Queries.Athena}} {
		if q.Value != "" {
			v.Queries = append(v.Queries, Fact{q.Name, clip(q.Value)})
		}
	}
	return v
}

// fact adds a line, unless nothing is known.
func (f *Finding) fact(name, value string) {
	if value != "" && value != Unknown {
		f.Facts = append(f.Facts, Fact{name, clip(value)})
	}
}

// clip cuts a text that is too long to be shown.
func clip(s string) string { return clipTo(s, textMost) }

func clipTo(s string, most int) string {
	if len(s) <= most || utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

func (f *Finding) addr(name string, a netip.Addr) {
	if a.IsValid() {
		f.fact(name, a.String())
	}
}

func (f *Finding) scan(e *detect.ScanEvidence) {
	f.addr("Source", e.Source)
	f.fact("Source interface", e.Interface)
	f.fact("Source instance", e.Instance)
	f.addr("Target", e.Target)
	f.fact("Target interface", e.TargetInterface)
	f.fact("Window", Span(time.Duration(e.WindowSeconds)*time.Second)+" from "+UTC(e.WindowStart))
	about := ""
	if !e.Exact {
		about = "about "
	}
	f.fact("Targets", fmt.Sprintf("%s%s hosts, %s ports", about, Count(int64(e.Hosts)), Count(int64(e.Ports))))
	f.fact("Outcome", fmt.Sprintf("%s%s failed (%s rejected, %s SYN only), %s answered, %s silent", about, Count(int64(e.Failed)),
		Count(int64(e.Rejected)), Count(int64(e.SynOnly)), Count(int64(e.Answered)), Count(int64(e.Unanswered))))
	f.fact("Score", Number(e.Score)+" where "+Number(e.Threshold)+" is the bound")
	f.fact("Hosts tried", sample(e.HostsSample, e.Hosts, netip.Addr.String))
	f.fact("Ports tried", sample(e.PortsSample, e.Ports, port))
	f.fact("Ports answered", sample(e.PortsAnswered, len(e.PortsAnswered), port))
}

func (f *Finding) spike(e *detect.SpikeEvidence) {
	f.fact("Interface", e.Interface)
	f.fact("Instance", e.Instance)
	f.fact("Target", e.TargetAddr)
	f.fact("Window", Span(time.Duration(e.WindowSeconds)*time.Second)+" from "+UTC(e.WindowStart))
	t := &Table{
		Name: "measures " + f.UID, Title: "Measures",
		Columns: []Column{{"Measure", false}, {"Observed", true}, {"Expected", true}, {"Ratio", true}, {"Baseline", false}},
	}
	for i := range e.Measures[:min(sampled, len(e.Measures))] {
		m := &e.Measures[i]
		ratio, format := Cell{Text: Unknown}, Number
		if r, ok := m.Ratio(); ok {
			ratio = Cell{Text: Number(r) + "x", Sort: strconv.FormatFloat(r, 'g', -1, 64)}
		}
		if m.Measure == detect.Bytes {
			format = func(kib float64) string { return Bytes(kib * 1024) }
		}
		t.Rows = append(t.Rows, []Cell{
			Text(strings.ReplaceAll(m.Measure.String(), "_", " ")), amount(float64(m.Observed), format), amount(m.Expected, format),
			ratio, Text(string(m.Baseline)),
		})
	}
	f.Measures = t
	f.topSources(e.TopSources)
	f.fact("Top ports", sample(e.TopPorts, len(e.TopPorts), func(p detect.TopPort) string { return port(p.Port) + "/" + enrich.ProtocolName(p.Protocol) }))
}

func (f *Finding) counted(e *detect.CountEvidence) {
	f.addr("Source", e.Source)
	f.fact("Interface", e.Interface)
	f.fact("Instance", e.Instance)
	f.addr("Target", e.Target)
	if e.Port > 0 {
		f.fact("Port", port(e.Port))
	}
	f.fact("Window", Span(time.Duration(e.WindowSeconds)*time.Second)+" from "+UTC(e.WindowStart))
	f.fact("Observed", Number(e.Observed)+" "+strings.ReplaceAll(e.What, "_", " ")+" where "+Number(e.Threshold)+" is the bound")
	if e.Expected > 0 {
		f.fact("Expected", Number(e.Expected))
	}
	if e.Sources > 0 {
		f.fact("Sources", Count(int64(e.Sources)))
	}
	f.fact("Ports tried", sample(e.PortsSample, len(e.PortsSample), port))
	f.topSources(e.TopSources)
}

func (f *Finding) topSources(top []detect.TopSource) {
	if len(top) == 0 {
		return
	}
	f.Sources = &Table{
		Name: "sources " + f.UID, Title: "Top sources",
		Columns: []Column{{"Source", false}, {"Country", false}, {"ASN", true}, {"Records", true}},
	}
	for _, s := range top[:min(sampled, len(top))] {
		asn := Cell{Text: Unknown}
		if s.ASN != 0 {
			asn = Cell{Text: strconv.FormatUint(uint64(s.ASN), 10), Sort: strconv.FormatUint(uint64(s.ASN), 10)}
		}
		f.Sources.Rows = append(f.Sources.Rows, []Cell{Code(s.Addr.String()), Text(Country(s.Country)), asn, Int(s.Records)})
	}
}

func amount(v float64, format func(float64) string) Cell {
	return Cell{Text: format(v), Sort: strconv.FormatFloat(v, 'g', -1, 64)}
}

func port(p uint16) string { return strconv.Itoa(int(p)) }

// sample lists some of n things, and says that there are more.
func sample[T any](some []T, n int, write func(T) string) string {
	var words []string
	for _, s := range some[:min(sampled, len(some))] {
		words = append(words, write(s))
	}
	list := strings.Join(words, ", ")
	if more := n - len(words); more > 0 && len(words) > 0 {
		list += " and " + Count(int64(more)) + " more"
	}
	return list
}
