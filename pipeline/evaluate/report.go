package evaluate

import (
	"encoding/json"
	"fmt"
	"io"
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
	Scenarios     []Group          `json:"scenarios"`
	False         map[string]*Rate `json:"false_findings"` // by severity
	ByRule        map[string]int   `json:"findings_by_rule"`
	Precision     float64          `json:"precision"` // of the findings of Low or above
	PeakMemory    int64            `json:"peak_memory_bytes,omitempty"`
}

// Group is every instance of one kind of scenario.
type Group struct {
	Scenario  string     `json:"scenario"`
	Expect    string     `json:"expect"`
	Rule      string     `json:"rule,omitempty"`
	Instances int        `json:"instances"`
	Reported  int        `json:"reported"` // found; of what is not to be found, at Low or above
	Share     float64    `json:"share"`
	Wilson    [2]float64 `json:"wilson95"`
	Panes     *Quantiles `json:"delay_panes,omitempty"`
	Seconds   *Quantiles `json:"delay_seconds,omitempty"` // after the last record needed arrived
	Examples  []string   `json:"examples,omitempty"`      // of misses, or of what was reported

	delays, seconds []float64
}

// Quantiles of a delay.
type Quantiles struct {
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
}

// Rate counts false findings.
type Rate struct {
	Findings int            `json:"findings"`
	PerDay   float64        `json:"per_day_and_1000_interfaces"`
	Upper    float64        `json:"upper95"` // of the rate, by Garwood's interval
	ByRule   map[string]int `json:"by_rule"`
	Examples []string       `json:"examples,omitempty"`
}

func (g *Group) say(run *Run, t *simulate.Truth, uid string) {
	if len(g.Examples) >= examples {
		return
	}
	text := fmt.Sprintf("seed %d: %s at %s, %s", run.Seed, t.Key, t.Start.UTC().Format("2 Jan 15:04"), t.VPC)
	if t.Targets > 0 {
		text += fmt.Sprintf(", %d targets, %d failed", t.Targets, t.Failed)
	}
	if uid != "" {
		text += ": " + uid
	}
	g.Examples = append(g.Examples, text)
}

func (g *Group) finish() {
	g.Share = float64(g.Reported) / float64(g.Instances)
	g.Wilson[0], g.Wilson[1] = Wilson(g.Reported, g.Instances)
	g.Panes, g.Seconds = quantiles(g.delays), quantiles(g.seconds)
}

func quantiles(v []float64) *Quantiles {
	if len(v) == 0 {
		return nil
	}
	slices.Sort(v)
	at := func(q float64) float64 { return v[min(len(v)-1, int(q*float64(len(v))))] }
	return &Quantiles{Median: at(0.5), P95: at(0.95)}
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
	fmt.Fprintf(b, "%d records, %.0f interface-days after learning, seeds %v\n", r.Records, r.InterfaceDays, r.Seeds)
	for _, expect := range []struct{ name, title, share string }{
		{simulate.ExpectFinding, "To be found", "recall"},
		{simulate.ExpectMetric, "To be counted, not reported", "reported"},
		{simulate.ExpectNone, "Not to be found", "reported"},
	} {
		first := true
		for i := range r.Scenarios {
			g := &r.Scenarios[i]
			if g.Expect != expect.name {
				continue
			}
			if first {
				fmt.Fprintf(b, "\n%-27s %9s %8s %13s %s\n", expect.title, "", expect.share, "95 %", "delay: panes, s")
				first = false
			}
			fmt.Fprintf(b, "%-27.27s %4d/%-4d %6.1f %% %5.1f-%-5.1f %% %s\n", g.Scenario, g.Reported, g.Instances, 100*g.Share,
				100*g.Wilson[0], 100*g.Wilson[1], g.delay())
		}
	}
	fmt.Fprintf(b, "\n%-12s %9s %24s %12s  by rule\n", "False", "findings", "a day and 1,000 eni", "95 % below")
	for _, s := range []string{"critical", "high", "medium", "low", "info"} {
		if rate := r.False[s]; rate != nil {
			fmt.Fprintf(b, "%-12s %9d %24.2f %12.2f  %s\n", s, rate.Findings, rate.PerDay, rate.Upper, counts(rate.ByRule))
		}
	}
	fmt.Fprintf(b, "\nPrecision of findings at Low or above: %.3f\nFindings by rule: %s\n", r.Precision, counts(r.ByRule))
	if r.PeakMemory > 0 {
		fmt.Fprintf(b, "Peak memory: %d MiB\n", r.PeakMemory>>20)
	}
	r.explain(b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (g *Group) delay() string {
	if g.Panes == nil {
		return ""
	}
	s := fmt.Sprintf("%.0f (p95 %.0f)", g.Panes.Median, g.Panes.P95)
	if g.Seconds != nil {
		s += fmt.Sprintf(", %.0f (p95 %.0f)", g.Seconds.Median, g.Seconds.P95)
	}
	return s
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
