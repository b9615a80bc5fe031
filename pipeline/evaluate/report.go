package evaluate

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// examples is how many misses and false findings are told in words.
const examples = 5

// Report is what an evaluation found out. Its JSON is a contract.
type Report struct {
	Seeds         []uint64         `json:"seeds"`
	Records       int64            `json:"records"`
	InterfaceDays float64          `json:"interface_days"` // after the learning period
	LearnHours    float64          `json:"learn_hours"`    // from the start on, in which nothing counts as false
	Scenarios     []Group          `json:"scenarios"`
	False         map[string]*Rate `json:"false_findings"` // by severity
	ByRule        map[string]int   `json:"findings_by_rule"`
	Precision     *float64         `json:"precision"` // of the findings of Low or above; null when there is none
	// Urgent is the delay in seconds of fast scans and of floods of ten times and
	// more, put together; nil where arrivals are not known.
	Urgent     *Quantiles `json:"urgent_delay_seconds,omitempty"`
	PeakMemory int64      `json:"peak_memory_bytes,omitempty"`
}

// Group is every instance of one kind of scenario.
type Group struct {
	Scenario string `json:"scenario"`
	Expect   string `json:"expect"`
	// Attack says of what is to be counted only that it is an attack, below the
	// floors of its rule or not shown in its format: Reported is how often it was
	// found all the same.
	Attack    bool       `json:"attack,omitempty"`
	Rule      string     `json:"rule,omitempty"`
	Instances int        `json:"instances"`
	Reported  int        `json:"reported"`                   // found; of what is not to be found, at Low or above
	Continued int        `json:"in_open_incident,omitempty"` // of these, in one opened for another instance: without delay
	Share     float64    `json:"share"`
	Wilson    [2]float64 `json:"wilson95"`
	Panes     *Quantiles `json:"delay_panes,omitempty"`
	Seconds   *Quantiles `json:"delay_seconds,omitempty"` // after the last record needed arrived
	Examples  []string   `json:"examples,omitempty"`      // of misses, or of what was reported

	urgent          bool
	delays, seconds []float64
}

// Quantiles of a delay.
type Quantiles struct {
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
	Of     int     `json:"of"` // instances measured
	// Before is how many came before what they were measured from: they count
	// as 0, and more than a few say that it is reckoned wrongly.
	Before int `json:"before,omitempty"`
}

// Rate counts false findings.
type Rate struct {
	Findings int            `json:"findings"`
	PerDay   float64        `json:"per_day_and_1000_interfaces"`
	Upper    float64        `json:"upper95"` // of the rate, by Garwood's interval
	ByRule   map[string]int `json:"by_rule"`
	Examples []string       `json:"examples,omitempty"`
}

// name begins what is said of a run.
func (run *Run) name() string {
	if run.Captured {
		return ""
	}
	return fmt.Sprintf("seed %d: ", run.Seed)
}

func (g *Group) say(run *Run, t *simulate.Truth, uid string) {
	if len(g.Examples) >= examples {
		return
	}
	text := run.name() + fmt.Sprintf("%s at %s", t.Key, t.Start.UTC().Format("2 Jan 15:04"))
	if t.VPC != "" {
		text += ", " + t.VPC
	}
	if t.Targets > 0 {
		text += fmt.Sprintf(", %d targets, %d failed, %d answered", t.Targets, t.Failed, t.Answered)
	}
	if uid != "" {
		text += ": " + uid
	} else if run.Why != nil {
		if why := run.Why(t); why != "" {
			text += " (" + why + ")"
		}
	}
	g.Examples = append(g.Examples, text)
}

func (g *Group) finish() {
	g.Share = float64(g.Reported) / float64(g.Instances)
	g.Wilson[0], g.Wilson[1] = Wilson(g.Reported, g.Instances)
	g.Panes, g.Seconds = quantiles(g.delays), quantiles(g.seconds)
}

// quantiles returns the nearest-rank quantiles of v, which it sorts.
func quantiles(v []float64) *Quantiles {
	if len(v) == 0 {
		return nil
	}
	q := &Quantiles{Of: len(v)}
	for i := range v {
		if v[i] < 0 {
			v[i] = 0
			q.Before++
		}
	}
	slices.Sort(v)
	at := func(p float64) float64 { return v[max(1, int(math.Ceil(p*float64(len(v)))))-1] }
	q.Median, q.P95 = at(0.5), at(0.95)
	return q
}

func (r *Rate) finish(interfaceDays float64) {
	if interfaceDays > 0 {
		r.PerDay = float64(r.Findings) / interfaceDays * 1000
		r.Upper = PoissonUpper(r.Findings) / interfaceDays * 1000
	}
}

// WriteJSON writes the report as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteText writes the report for a person, in lines of at most 80 columns but
// for the examples.
func (r *Report) WriteText(w io.Writer) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, "%d records, %s\n", r.Records, seedNames(r.Seeds))
	fmt.Fprintf(b, "%.3g interface-days after the %.3g hours of learning\n", r.InterfaceDays, r.LearnHours)
	for _, expect := range []struct {
		name                string
		attack              bool
		title, share, delay string
	}{
		{simulate.ExpectFinding, false, "To be found", "recall", "delay 50/95 %"},
		{simulate.ExpectMetric, true, "Too small, or not shown", "found", "delay 50/95 %"},
		{simulate.ExpectMetric, false, "To be counted only", "reported", ""},
		{simulate.ExpectNone, false, "Not to be found", "reported", ""},
	} {
		first := true
		for i := range r.Scenarios {
			g := &r.Scenarios[i]
			if g.Expect != expect.name || g.Attack != expect.attack {
				continue
			}
			if first {
				fmt.Fprintf(b, "\n%s\n", strings.TrimRight(fmt.Sprintf("%-25s %9s %8s %12s  %s", expect.title, "", expect.share, "95 %", expect.delay), " "))
				first = false
			}
			line := fmt.Sprintf("%-25.25s %4d/%-4d %6.1f %% %5.1f-%-5.1f  %s", g.Scenario, g.Reported, g.Instances, 100*g.Share,
				100*g.Wilson[0], 100*g.Wilson[1], g.delay())
			b.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
	fmt.Fprintf(b, "\n%-12s %9s %24s %12s  by rule\n", "False", "findings", "a day and 1,000 eni", "95 % below")
	for _, s := range []string{"critical", "high", "medium", "low", "info"} {
		if rate := r.False[s]; rate != nil {
			line := fmt.Sprintf("%-12s %9d %24.2f %12.2f  %s", s, rate.Findings, rate.PerDay, rate.Upper, counts(rate.ByRule))
			b.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
	precision := "no finding"
	if r.Precision != nil {
		precision = fmt.Sprintf("%.3f", *r.Precision)
	}
	fmt.Fprintf(b, "\nPrecision of findings at Low or above: %s\n%s\n", precision, wrap("Findings by rule: "+counts(r.ByRule)))
	if r.Urgent != nil {
		fmt.Fprintf(b, "Delay of fast scans and of floods from x10 on: %.0f/%.0f s of %d\n", r.Urgent.Median, r.Urgent.P95, r.Urgent.Of)
	}
	r.legend(b)
	if r.PeakMemory > 0 {
		fmt.Fprintf(b, "Peak memory: %d MiB\n", r.PeakMemory>>20)
	}
	r.explain(b)
	_, err := io.WriteString(w, b.String())
	return err
}

// delay tells the median and the 95 % quantile, in panes and in seconds.
func (g *Group) delay() string {
	if g.Panes == nil {
		return ""
	}
	s := fmt.Sprintf("%.0f/%.0f", g.Panes.Median, g.Panes.P95)
	if g.Seconds != nil {
		s += fmt.Sprintf(", %.0f/%.0f s of %d", g.Seconds.Median, g.Seconds.P95, g.Seconds.Of)
	}
	return s
}

// legend says what the delays are, where there are any, and what they leave out.
func (r *Report) legend(b *strings.Builder) {
	continued, sooner, panes, seconds := 0, 0, false, false
	for i := range r.Scenarios {
		g := &r.Scenarios[i]
		continued += g.Continued
		panes = panes || g.Panes != nil
		if g.Seconds != nil {
			seconds = true
			sooner += g.Seconds.Before
		}
	}
	if panes {
		b.WriteString("Delay in panes: from the end of the scenario's first pane.\n")
	}
	if continued > 0 {
		fmt.Fprintf(b, "%d were in an incident that was open already: found, without a delay.\n", continued)
	}
	if seconds {
		b.WriteString("Delay in s: from the arrival of the last record that an early finding needs;\n" +
			"of N: in so many instances that record came. Commit and sink come on top.\n")
	}
	if sooner > 0 {
		fmt.Fprintf(b, "%d were found before what is taken for the last record needed: counted as 0.\n", sooner)
	}
}

// seedNames lists seeds, runs of them as ranges.
func seedNames(seeds []uint64) string {
	if len(seeds) == 0 {
		return "captures"
	}
	var parts []string
	for i := 0; i < len(seeds); {
		j := i
		for j+1 < len(seeds) && seeds[j+1] == seeds[j]+1 {
			j++
		}
		part := fmt.Sprint(seeds[i])
		if j > i {
			part += fmt.Sprintf("-%d", seeds[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return "seeds " + strings.Join(parts, ", ")
}

func (r *Report) explain(b *strings.Builder) {
	for i := range r.Scenarios {
		g := &r.Scenarios[i]
		if len(g.Examples) == 0 {
			continue
		}
		what := "missed"
		if g.Expect != simulate.ExpectFinding {
			what = "reported"
		}
		fmt.Fprintf(b, "\n%s, %s:\n", g.Scenario, what)
		for _, e := range g.Examples {
			fmt.Fprintf(b, "  %s\n", e)
		}
	}
	for _, s := range []string{"critical", "high", "medium", "low"} {
		if rate := r.False[s]; rate != nil && len(rate.Examples) > 0 {
			fmt.Fprintf(b, "\nFalse, %s:\n", s)
			for _, e := range rate.Examples {
				fmt.Fprintf(b, "  %s\n", e)
			}
		}
	}
}

// wrap breaks a list after its commas, into lines of at most 80 columns.
func wrap(list string) string {
	var lines []string
	for len(list) > 80 {
		at := strings.LastIndex(list[:80], ", ")
		if at < 0 {
			break
		}
		lines, list = append(lines, list[:at+1]), "  "+list[at+2:]
	}
	return strings.TrimRight(strings.Join(append(lines, list), "\n"), " ")
}

func counts(m map[string]int) string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	var parts []string
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(parts, ", ")
}
