// Package prometheus exports what a pipeline has committed. Its collector
// reads one immutable value per scrape and takes no lock that the pipeline
// waits for.
package prometheus

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// Collector turns a pipeline's published value into metrics.
type Collector struct {
	published func() *pipeline.Published
	rules     []string // whose findings_total start at 0
	families  families
	views     []viewFamilies // by the order of Published.Views
}

type families struct {
	sourceRecords, sourceBytes, flowRecords, malformed, late, panesClosed,
	findings, suppressed, incidents, targets, calibration, evicted, viewKeys, viewFolded, viewLeftOut,
	expected, threshold *prometheus.Desc
}

// viewFamilies are the series of one view, by its declared measures.
type viewFamilies struct {
	counters, gauges []*prometheus.Desc // nil where a measure has none
}

const prefix = "flowwatch_"

// New returns a collector of what published returns, which must not be nil.
// Findings of the named rules are exported from 0 on.
func New(published func() *pipeline.Published, rules []string) *Collector {
	c := &Collector{published: published, rules: rules, families: newFamilies()}
	for _, v := range published().Views {
		c.views = append(c.views, newViewFamilies(&v.View))
	}
	return c
}

func newFamilies() families {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prefix+name, help, labels, nil)
	}
	iface := []string{"account_id", "vpc_id", "interface_id", "measure"}
	return families{
		sourceRecords: desc("source_records_total", "Payloads read from the sources: Kinesis records, chunks of files."),
		sourceBytes:   desc("source_bytes_total", "Bytes of the payloads read from the sources, as they came."),
		flowRecords:   desc("flow_records_total", "Well-formed flow-log records by log-status.", "status"),
		malformed:     desc("malformed_records_total", "Records that could not be read, by reason.", "reason"),
		late:          desc("late_records_total", "Records that came after their pane was closed: counted in totals, in no pane."),
		panesClosed:   desc("panes_closed_total", "Panes of event time that were closed."),
		findings:      desc("findings_total", "Incidents that were opened, by rule and severity.", "rule", "severity"),
		suppressed:    desc("suppressed_findings_total", "Events of incidents that suppress held back, by rule.", "rule"),
		incidents:     desc("incidents_open", "Incidents that are open now.", "rule", "severity"),
		targets:       desc("scan_targets_total", "Distinct contacted targets of closed panes, by where the source is and what came of it.", "scope", "outcome"),
		calibration:   desc("calibration_panes_total", "Tests of the spike rule, in all and with a p-value below the bound: how far the model holds.", "measure", "p"),
		evicted:       desc("evicted_total", "Entries that went from a bounded table for want of room.", "table"),
		viewKeys:      desc("view_keys", "Keys a view shows now.", "view"),
		viewFolded:    desc("view_keys_folded_total", "How often a key of a view was counted under \"other\" for want of room.", "view"),
		viewLeftOut:   desc("view_keys_left_out", "Keys of the last closed pane that a view has no room to show in its gauges.", "view"),
		expected:      desc("ingress_expected", "What the spike rule expected of the last closed pane.", iface...),
		threshold:     desc("ingress_threshold", "The least value of the last closed pane that the spike rule would have held for a spike.", iface...),
	}
}

func newViewFamilies(v *aggregate.View) viewFamilies {
	f := viewFamilies{counters: make([]*prometheus.Desc, len(v.Measure)), gauges: make([]*prometheus.Desc, len(v.Measure))}
	for i, m := range v.Measure {
		desc := prometheus.NewDesc(prefix+v.SeriesName(m), viewHelp(v, m), v.Labels(), nil)
		if v.Limit > 0 && m != aggregate.MeasureUniqueSources {
			f.counters[i] = desc
		} else {
			f.gauges[i] = desc
		}
	}
	return f
}

func viewHelp(v *aggregate.View, measure string) string {
	what := strings.ReplaceAll(measure, "_", " ")
	if v.Limit > 0 && measure != aggregate.MeasureUniqueSources {
		return "View " + v.Name + ": " + what + "."
	}
	return "View " + v.Name + ": " + what + " of the last closed pane."
}

// Describe sends every family there can be.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	f := &c.families
	for _, d := range []*prometheus.Desc{
		f.sourceRecords, f.sourceBytes, f.flowRecords, f.malformed, f.late, f.panesClosed, f.findings, f.suppressed, f.incidents,
		f.targets, f.calibration, f.evicted, f.viewKeys, f.viewFolded, f.viewLeftOut, f.expected, f.threshold,
	} {
		out <- d
	}
	for _, v := range c.views {
		for _, d := range slices.Concat(v.counters, v.gauges) {
			if d != nil {
				out <- d
			}
		}
	}
}

// Collect sends the last published value.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	p := c.published()
	e := emitter{out}
	c.collectPipeline(e, p)
	c.collectDetection(e, p)
	for i := range p.Views {
		c.collectView(e, &p.Views[i], &c.views[i])
	}
}

type emitter struct{ out chan<- prometheus.Metric }

func (e emitter) counter(d *prometheus.Desc, v int64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func (e emitter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (c *Collector) collectPipeline(e emitter, p *pipeline.Published) {
	f := &c.families
	e.counter(f.sourceRecords, p.SourceRecords)
	e.counter(f.sourceBytes, p.SourceBytes)
	e.counter(f.flowRecords, p.OK, "ok")
	e.counter(f.flowRecords, p.NoData, "nodata")
	e.counter(f.flowRecords, p.SkipData, "skipdata")
	for _, reason := range flowlog.Reasons() {
		e.counter(f.malformed, p.Malformed[reason.String()], reason.String())
	}
	e.counter(f.late, p.Late)
	e.counter(f.panesClosed, p.PanesClosed)
	for table, n := range p.Evicted {
		e.counter(f.evicted, n, table)
	}
}

func (c *Collector) collectDetection(e emitter, p *pipeline.Published) {
	f := &c.families
	type kind struct {
		rule     string
		severity detect.Severity
	}
	open := make(map[kind]int)
	for _, last := range p.Open {
		open[kind{last.Rule, last.Severity}]++
	}
	for _, rule := range c.rules {
		e.counter(f.suppressed, p.Suppressed[rule], rule)
		for s := detect.Info; s <= detect.Critical; s++ {
			e.counter(f.findings, p.Findings[rule][s.String()], rule, s.String())
			e.gauge(f.incidents, float64(open[kind{rule, s}]), rule, s.String())
		}
	}
	for scope, outcomes := range p.ScanTargets {
		for outcome, n := range outcomes {
			e.counter(f.targets, n, scope, outcome)
		}
	}
	for measure, tests := range p.Calibration {
		for bound, n := range tests {
			e.counter(f.calibration, n, measure, bound)
		}
	}
	for _, l := range p.Levels {
		e.gauge(f.expected, l.Expected, l.Account, l.VPC, l.Interface, l.Measure.String())
		e.gauge(f.threshold, l.Threshold, l.Account, l.VPC, l.Interface, l.Measure.String())
	}
}

func (c *Collector) collectView(e emitter, v *pipeline.PublishedView, f *viewFamilies) {
	e.gauge(c.families.viewKeys, float64(max(len(v.Counters), len(v.Gauges))), v.Name)
	e.counter(c.families.viewFolded, v.Folded, v.Name)
	for _, s := range v.Counters {
		next := 0
		for i := range v.Measure {
			if v.Measure[i] == aggregate.MeasureUniqueSources {
				continue
			}
			e.counter(f.counters[i], s.Values[next], s.Labels...)
			next++
		}
	}
	if slices.ContainsFunc(f.gauges, func(d *prometheus.Desc) bool { return d != nil }) {
		e.gauge(c.families.viewLeftOut, float64(v.LeftOut), v.Name)
	}
	for _, s := range v.Gauges {
		for i, d := range f.gauges {
			if d != nil {
				e.gauge(d, float64(s.Values[i]), s.Labels...)
			}
		}
	}
}
