package simulate_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// source delivers simulated minutes as one partition.
type source struct {
	*simulate.Generator
	minutes int
	packer  simulate.Packer
	batch   []pipeline.Payload
}

func (s *source) Name() string                { return "simulated" }
func (s *source) ID() string                  { return "simulated/0" }
func (s *source) Children() []pipeline.Start  { return nil }
func (s *source) Committed(pipeline.Position) {}

func (s *source) Run(ctx context.Context, host pipeline.Host) error {
	if err := host.Register(ctx, []pipeline.Start{{ID: s.ID(), Pull: true}}); err != nil {
		return err
	}
	return host.Work(ctx, s)
}

func (s *source) Next(context.Context) (pipeline.Batch, error) {
	if s.minutes == 0 {
		return pipeline.Batch{}, io.EOF
	}
	s.minutes--
	s.batch = s.batch[:0]
	for _, b := range s.Generator.Next().Batches {
		s.packer.Envelopes(&b, func(data []byte) {
			s.batch = append(s.batch, pipeline.Payload{Data: data, Position: pipeline.Position("x"), Arrival: b.At})
		})
	}
	return pipeline.Batch{Payloads: s.batch}, nil
}

// opened collects the incidents that were opened.
type opened struct {
	mu    sync.Mutex
	found map[string]detect.Severity
	done  []uint64
}

func (o *opened) Name() string                   { return "test" }
func (o *opened) Accepts(f *detect.Finding) bool { return f.Severity >= detect.Low }

func (o *opened) Offer(id uint64, f *detect.Finding) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.done = append(o.done, id)
	if f.Activity == detect.Create {
		o.found[fmt.Sprint(f.Rule, " ", f.Key)] = f.Severity
	}
}

func (o *opened) TakeDone() []uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	done := o.done
	o.done = nil
	return done
}

// findings runs simulated hours through the whole pipeline.
func findings(t *testing.T, cfg simulate.Config, duration time.Duration) (found map[string]detect.Severity, g *simulate.Generator) {
	t.Helper()
	cfg.Start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	g, err := simulate.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	layout, err := flowlog.ParseLayout(g.Format())
	if err != nil {
		t.Fatal(err)
	}
	pane := 5 * time.Minute
	plan, err := aggregate.NewPlan(aggregate.BuiltinViews(), int64(pane/time.Second))
	if err != nil {
		t.Fatal(err)
	}
	outlet := &opened{found: map[string]detect.Severity{}}
	p, err := pipeline.New(t.Context(), pipeline.Config{IdleAfter: time.Hour, CommitEvery: time.Hour}, pipeline.Dependencies{
		Clock:    func() time.Time { return cfg.Start.Add(duration) },
		Plan:     plan,
		Enricher: enrich.New(g.Internal(), nil),
		Detectors: []detect.Detector{
			detect.NewSpike(detect.DefaultSpike(), pane),
			detect.NewScanInternal(detect.DefaultScanInternal(), pane),
			detect.NewScanExternal(detect.DefaultScanExternal(), pane),
		},
		Outlets: []pipeline.Outlet{outlet},
	})
	if err != nil {
		t.Fatal(err)
	}
	in := pipeline.Input{
		Source: &source{Generator: g, minutes: int(duration / time.Minute)}, Formats: []*flowlog.Layout{layout}, Lateness: 15 * time.Minute,
	}
	if err := p.Run(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return outlet.found, g
}

// The rules find every scenario and nothing else.
func TestRulesFindTheTruth(t *testing.T) {
	t.Parallel()
	for seed, format := range []simulate.Format{simulate.V5, simulate.V2} {
		found, g := findings(t, simulate.Config{Seed: uint64(seed), Format: format, Scenarios: simulate.Demo()}, 95*time.Minute)
		want := map[string]bool{}
		for _, truth := range g.Truth() {
			if truth.Expect != simulate.ExpectFinding {
				continue
			}
			want[truth.Rule+" "+truth.Key] = true
			severity, err := detect.ParseSeverity(truth.Severity)
			if err != nil {
				t.Fatal(err)
			}
			if got := found[truth.Rule+" "+truth.Key]; got < severity {
				t.Errorf("seed %d: %s: severity %v, want at least %v", seed, truth.Scenario, got, severity)
			}
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(found))); diff != "" {
			t.Errorf("seed %d: incidents (-want +got):\n%s", seed, diff)
		}
	}
}

// Nothing of the background is a finding, whatever the format.
func TestBackgroundIsQuiet(t *testing.T) {
	t.Parallel()
	for _, cfg := range []simulate.Config{
		{Seed: 11, Interfaces: 10},
		{Seed: 12, Interfaces: 10, Format: simulate.V2, Radiation: 1100},
	} {
		if found, _ := findings(t, cfg, 2*time.Hour); len(found) > 0 {
			t.Errorf("seed %d: findings in quiet traffic: %v", cfg.Seed, found)
		}
	}
}
