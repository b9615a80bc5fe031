package prometheus

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// live is a running pipeline with one view, of ingress flows by interface with
// room for two, and what is scraped of it.
type live struct {
	*pipeline.Pipeline
	*prometheus.Registry
	hand payloads
}

// payloads is a source of one partition that a test feeds by hand.
type payloads struct {
	batches   chan pipeline.Batch
	committed chan pipeline.Position
}

func (payloads) Name() string               { return "hand" }
func (payloads) ID() string                 { return "hand/a" }
func (payloads) Children() []pipeline.Start { return nil }

func (s payloads) Run(ctx context.Context, host pipeline.Host) error {
	if err := host.Register(ctx, []pipeline.Start{{ID: s.ID()}}); err != nil {
		return err
	}
	return host.Work(ctx, s)
}

func (s payloads) Next(ctx context.Context) (pipeline.Batch, error) {
	select {
	case b, more := <-s.batches:
		if !more {
			return pipeline.Batch{}, io.EOF
		}
		return b, nil
	case <-ctx.Done():
		return pipeline.Batch{}, ctx.Err()
	}
}

func (s payloads) Committed(p pipeline.Position) { s.committed <- p }

func startLive(t *testing.T) *live {
	t.Helper()
	plan, err := aggregate.NewPlan([]aggregate.View{{
		Name: "interface", Metric: "ingress", By: []string{"interface-id"}, Measure: []string{"flows"}, Limit: 2,
	}}, 300)
	if err != nil {
		t.Fatal(err)
	}
	l := &live{
		Registry: prometheus.NewPedanticRegistry(),
		hand:     payloads{make(chan pipeline.Batch), make(chan pipeline.Position, 100)},
	}
	l.Pipeline, err = pipeline.New(t.Context(), pipeline.Config{IdleAfter: time.Hour, CommitEvery: 2 * time.Millisecond}, pipeline.Dependencies{
		Clock: time.Now, Plan: plan, Store: checkpoint.NewMemory(),
		Enricher: enrich.New([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	l.MustRegister(New(l.Published, nil))
	done := make(chan error, 1)
	go func() { done <- l.Run(context.WithoutCancel(t.Context()), pipeline.Input{Source: l.hand}) }()
	t.Cleanup(func() {
		close(l.hand.batches)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l
}

// feed hands one flow of an interface to the pipeline and waits until it is
// committed.
func (l *live) feed(t *testing.T, position pipeline.Position, iface string, start int64) {
	t.Helper()
	line := fmt.Sprintf("2 1 %s 192.0.2.1 10.0.0.1 40000 22 6 1 44 %d %d REJECT OK\n", iface, start, start+59)
	l.hand.batches <- pipeline.Batch{Payloads: []pipeline.Payload{{Data: []byte(line), Position: position}}}
	l.hand.batches <- pipeline.Batch{}
	for {
		select {
		case at := <-l.hand.committed:
			if at == position {
				return
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no commit of %s", position)
		}
	}
}

// flows scrapes the series of the view, and how many keys it folded.
func (l *live) flows(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := l.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "flowwatch_ingress_flows_total":
				got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			case "flowwatch_view_keys_folded_total":
				got["folded"] = m.GetCounter().GetValue()
			}
		}
	}
	return got
}

// A scrape that takes its time holds up no commit, and shows what was
// committed when it began.
func TestASlowScrapeHoldsUpNoCommit(t *testing.T) {
	l := startLive(t)
	l.feed(t, "1", "eni-1", 600)
	before := l.Published()
	scrape := make(chan prometheus.Metric) // a scrape waits in it between two metrics
	ended := make(chan struct{})
	go func() { New(l.Published, nil).Collect(scrape); close(ended) }()
	<-scrape
	l.feed(t, "2", "eni-1", 660) // it waits for the commit
	if got := l.Published(); got == before || got.OK != 2 {
		t.Fatalf("%d records are committed during the scrape, want 2", got.OK)
	}
	for {
		select {
		case m := <-scrape:
			if text := m.Desc().String(); strings.Contains(text, `"flowwatch_flow_records_total"`) {
				checkOK(t, m, float64(before.OK))
			}
		case <-ended:
			return
		}
	}
}

// checkOK holds the count of records with status ok against what it should be.
func checkOK(t *testing.T, m prometheus.Metric, want float64) {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(single{m})
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	one := families[0].GetMetric()[0]
	if one.GetLabel()[0].GetValue() == "ok" && one.GetCounter().GetValue() != want {
		t.Errorf("the scrape shows %g records, want the %g of when it began", one.GetCounter().GetValue(), want)
	}
}

// single is a collector of one metric.
type single struct{ prometheus.Metric }

func (s single) Describe(out chan<- *prometheus.Desc) { out <- s.Desc() }
func (s single) Collect(out chan<- prometheus.Metric) { out <- s.Metric }

// What is scraped of a view is bounded, says what was folded, and loses the
// keys that were quiet for a day.
func TestSeriesAreBoundedAndExpire(t *testing.T) {
	const day = 24 * 3600
	l := startLive(t)
	for i, iface := range []string{"eni-1", "eni-2", "eni-3", "eni-4"} {
		l.feed(t, pipeline.Position(iface), iface, int64(600+i))
	}
	want := map[string]float64{"eni-1": 1, "eni-2": 1, "other": 2, "folded": 2}
	if diff := cmp.Diff(want, l.flows(t)); diff != "" {
		t.Errorf("four interfaces where there is room for two (-want +got):\n%s", diff)
	}
	l.feed(t, "5", "eni-2", day)
	l.feed(t, "6", "eni-2", day+2*300)
	want = map[string]float64{"eni-1": 1, "eni-2": 3, "other": 2, "folded": 2}
	if diff := cmp.Diff(want, l.flows(t)); diff != "" {
		t.Errorf("a day later, but for the length of a pane (-want +got):\n%s", diff)
	}
	l.feed(t, "7", "eni-2", day+5*300)
	l.feed(t, "8", "eni-5", day+5*300)
	want = map[string]float64{"eni-2": 4, "eni-5": 1, "folded": 2}
	if diff := cmp.Diff(want, l.flows(t)); diff != "" {
		t.Errorf("a day and a pane later, when there is room again (-want +got):\n%s", diff)
	}
}
