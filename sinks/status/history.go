package status

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks/look"
)

// The bounds of what is remembered: the samples of an hour, and the panes that
// closed within it, of which each keeps its busiest interfaces.
const (
	remembered     = time.Hour
	betweenSamples = 20 * time.Second
	mostSamples    = int(remembered / betweenSamples)
	mostPanes      = 60
	mostInterfaces = 30
	shownOf        = 6 // interfaces with a chart
	rateOver       = time.Minute
)

// sample is the counters at one moment, on the real clock.
type sample struct {
	at              time.Time
	records, volume int64 // flow records, bytes of payloads
	lag             float64
}

// pane is what the last closed pane of a commit had, in the measures of charts.
type pane struct {
	start int64
	seen  time.Time // on the real clock
	total [detect.NumMeasures]level
	each  map[detect.Key]level // bytes of the busiest interfaces
}

// level is what an interface had, or all of them, and what was expected.
type level struct{ observed, expected, threshold float64 }

// history is the last hour.
type history struct {
	samples []sample // oldest first
	recent  []sample // of the last minute, for rates
	panes   []pane   // oldest first
}

// take adds what is published now.
func (h *history) take(p *pipeline.Published, now time.Time) {
	records := p.OK + p.NoData + p.SkipData
	for _, n := range p.Malformed {
		records = aggregate.Add(records, n)
	}
	s := sample{at: now, records: records, volume: p.SourceBytes, lag: math.NaN()}
	for _, part := range p.Partitions {
		if lag := part.Lag.Seconds(); part.Reading && !(s.lag >= lag) { // also when it is NaN
			s.lag = lag
		}
	}
	h.recent = append(slices.DeleteFunc(h.recent, func(o sample) bool { return now.Sub(o.at) > rateOver }), s)
	if n := len(h.samples); n == 0 || now.Sub(h.samples[n-1].at) >= betweenSamples {
		h.samples = append(slices.DeleteFunc(h.samples, func(o sample) bool { return now.Sub(o.at) > remembered }), s)
	}
	h.takePane(p, now)
}

func (h *history) takePane(p *pipeline.Published, now time.Time) {
	n := len(h.panes)
	if p.LastPane == aggregate.Never || n > 0 && h.panes[n-1].start >= p.LastPane || len(p.Levels) == 0 {
		return
	}
	last := pane{start: p.LastPane, seen: now}
	busiest := make([]detect.Level, 0, len(p.Levels)/int(detect.NumMeasures))
	for _, l := range p.Levels {
		t := &last.total[l.Measure]
		t.observed += l.Observed
		t.expected += l.Expected
		if l.Measure == detect.Bytes {
			busiest = append(busiest, l)
		}
	}
	slices.SortFunc(busiest, func(a, b detect.Level) int {
		return cmp.Or(cmp.Compare(b.Observed, a.Observed), a.Key.Compare(b.Key))
	})
	last.each = make(map[detect.Key]level, mostInterfaces)
	for _, l := range busiest[:min(mostInterfaces, len(busiest))] {
		last.each[l.Key] = level{l.Observed, l.Expected, l.Threshold}
	}
	h.panes = append(slices.DeleteFunc(h.panes, func(o pane) bool { return now.Sub(o.seen) > remembered }), last)
	h.panes = slices.Delete(h.panes, 0, max(0, len(h.panes)-mostPanes))
}

// throughput is the rates between the ends of the last minute.
func (h *history) throughput(now time.Time) Throughput {
	if len(h.recent) == 0 {
		return Throughput{}
	}
	first, last := h.recent[0], h.recent[len(h.recent)-1]
	seconds := now.Sub(first.at).Seconds()
	if seconds <= 0 {
		return Throughput{}
	}
	round := func(v float64) float64 { return math.Round(v*10) / 10 }
	return Throughput{round(float64(last.records-first.records) / seconds), round(float64(last.volume-first.volume) / seconds)}
}

// charts are the charts of the page.
type charts struct {
	Pipeline   []*look.Chart // by the real clock
	Ingress    []*look.Chart // by pane
	Interfaces []*look.Chart
}

// charts draws what is remembered.
func (h *history) charts(p *pipeline.Published, paneSeconds int64) charts {
	return charts{Pipeline: h.pipelineCharts(), Ingress: h.ingressCharts(paneSeconds), Interfaces: h.interfaceCharts(p, paneSeconds)}
}

func (h *history) pipelineCharts() []*look.Chart {
	step := int64(betweenSamples / time.Second)
	rate := &look.Chart{Title: "Flow records a second", Step: step, Empty: "The first figures come within a minute."}
	lag := &look.Chart{
		Title: "Lag", Step: step, Empty: "No source tells how far it is behind.",
		Format: func(s float64) string { return look.Span(time.Duration(s * float64(time.Second))) },
	}
	var rates, lags []float64
	for i := 1; i < len(h.samples); i++ {
		a, b := h.samples[i-1], h.samples[i]
		rate.Times = append(rate.Times, b.at.Unix())
		rates = append(rates, float64(b.records-a.records)/b.at.Sub(a.at).Seconds())
		lags = append(lags, b.lag)
	}
	lag.Times = rate.Times
	rate.Series = []look.Series{{Name: "records a second", Class: "observed", Values: rates}}
	lag.Series = []look.Series{{Name: "greatest lag of a partition", Class: "observed", Values: lags}}
	return []*look.Chart{rate, lag}
}

// noLevels says why there is nothing that is expected.
const noLevels = "Nothing is expected yet: the rule spike, when it is on, needs twelve windows of an interface first."

func (h *history) ingressCharts(paneSeconds int64) []*look.Chart {
	var all []*look.Chart
	for _, of := range []struct {
		title   string
		measure detect.Measure
	}{{"Accepted flows", detect.AcceptedFlows}, {"Rejected flows", detect.RejectedFlows}} {
		c := &look.Chart{Title: of.title, Step: paneSeconds, Empty: noLevels}
		var observed, expected []float64
		for i := range h.panes {
			c.Times = append(c.Times, h.panes[i].start)
			observed = append(observed, h.panes[i].total[of.measure].observed)
			expected = append(expected, h.panes[i].total[of.measure].expected)
		}
		c.Series = []look.Series{
			{Name: "expected", Class: "expected", Values: expected},
			{Name: "observed", Class: "observed", Values: observed},
		}
		all = append(all, c)
	}
	return all
}

func (h *history) interfaceCharts(p *pipeline.Published, paneSeconds int64) []*look.Chart {
	var all []*look.Chart
	for _, key := range h.chosen(p) {
		c := &look.Chart{Title: key.Interface, Step: paneSeconds, Bytes: true, Empty: noLevels}
		if key.VPC != "" {
			c.Note = key.Account + " " + key.VPC
		}
		var observed, expected, threshold []float64
		for i := range h.panes {
			l, ok := h.panes[i].each[key]
			if !ok {
				l = level{math.NaN(), math.NaN(), math.NaN()}
			}
			c.Times = append(c.Times, h.panes[i].start)
			observed, expected, threshold = append(observed, l.observed), append(expected, l.expected), append(threshold, l.threshold)
		}
		c.Series = []look.Series{
			{Name: "up to the threshold", Class: "band", Kind: look.Band, Values: threshold, Low: make([]float64, len(threshold))},
			{Name: "expected", Class: "expected", Values: expected},
			{Name: "observed", Class: "observed", Values: observed},
		}
		all = append(all, c)
	}
	return all
}

// chosen are the interfaces that get a chart: those with an open spike, then the
// busiest of the last pane.
func (h *history) chosen(p *pipeline.Published) []detect.Key {
	if len(h.panes) == 0 {
		return nil
	}
	each := h.panes[len(h.panes)-1].each
	struck := map[string]bool{}
	for _, f := range p.Open {
		if f.Spike != nil {
			struck[f.Spike.Interface] = true
		}
	}
	var keys []detect.Key
	for key := range each {
		keys = append(keys, key)
	}
	rank := func(k detect.Key) int {
		if struck[k.Interface] {
			return 0
		}
		return 1
	}
	slices.SortFunc(keys, func(a, b detect.Key) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(each[b].observed, each[a].observed), a.Compare(b))
	})
	return keys[:min(shownOf, len(keys))]
}
