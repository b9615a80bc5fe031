package pipeline

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// A crash may come at any payload of any partition. What was committed by then
// is taken over by a new pipeline, and in the end every committed counter,
// every pane and every finding is what an uninterrupted run gives.
func TestCrashesChangeNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		script := drawScript(rt)
		want := newWorld()
		if crashed := want.run(t, script, nil); crashed {
			rt.Fatal("an uninterrupted run crashed")
		}
		got := newWorld()
		for range rapid.IntRange(0, 4).Draw(rt, "crashes") {
			at := &crashPoint{
				partition: rapid.IntRange(0, len(script)-1).Draw(rt, "crash in"),
				payload:   rapid.IntRange(0, len(script[0].payloads)).Draw(rt, "crash at"),
			}
			got.run(t, script, at)
		}
		got.run(t, script, nil)
		if diff := cmp.Diff(want.result(t), got.result(t), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			rt.Fatalf("crashes change the result (-uninterrupted +crashed):\n%s", diff)
		}
	})
}

// world is what outlives a process: the store, and what the outlet was given.
type world struct {
	entries  map[string][]byte
	findings map[string]string // by uid and seq
	last     *Published
}

func newWorld() *world {
	return &world{entries: make(map[string][]byte), findings: make(map[string]string)}
}

// crashPoint is before a partition's payload, counted over all runs.
type crashPoint struct{ partition, payload int }

// partitionScript is what one partition holds: its payloads, which of them end
// a slice, and after which a commit is made.
type partitionScript struct {
	id       string
	parents  []string
	children []Start
	base     int64 // event time of the first payload
	payloads [][]byte
	cuts     []bool
	commits  []bool
}

// drawScript makes two partitions, one of which is followed by a child.
func drawScript(t *rapid.T) []partitionScript {
	n := rapid.IntRange(1, 12).Draw(t, "payloads")
	child := Start{ID: "test/2", Parents: []string{"test/0"}, Pull: true}
	script := []partitionScript{
		{id: "test/0", children: []Start{child}}, {id: "test/1"}, {id: "test/2", parents: child.Parents},
	}
	for i := range script {
		base := int64(1_700_000_000)
		if i == 2 {
			base += int64(n) * 200
		}
		script[i].base = base
		for k := range n {
			at := base + int64(k)*200
			lines := rapid.SliceOfN(drawLine(at), 0, 8).Draw(t, "lines")
			script[i].payloads = append(script[i].payloads, []byte(strings.Join(lines, "\n")))
			script[i].cuts = append(script[i].cuts, rapid.Bool().Draw(t, "cut"))
			script[i].commits = append(script[i].commits, rapid.Bool().Draw(t, "commit"))
		}
	}
	return script
}

func drawLine(at int64) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 19).Draw(t, "broken") == 0 {
			return "2 111122223333 eni-1 10.0.0.1 what is this"
		}
		start := at - rapid.Int64Range(0, 900).Draw(t, "age")
		if rapid.IntRange(0, 9).Draw(t, "late") == 0 {
			start -= 4000
		}
		return fmt.Sprintf("2 111122223333 eni-%d 10.0.0.%d 10.0.1.%d %d %d 6 %d %d %d %d %s OK",
			rapid.IntRange(1, 2).Draw(t, "eni"), rapid.IntRange(1, 2).Draw(t, "src"), rapid.IntRange(1, 9).Draw(t, "dst"),
			40000, rapid.IntRange(20, 40).Draw(t, "port"), rapid.IntRange(1, 9).Draw(t, "packets"),
			rapid.IntRange(40, 999).Draw(t, "bytes"), start, start+rapid.Int64Range(0, 600).Draw(t, "length"),
			rapid.SampledFrom([]string{"ACCEPT", "REJECT"}).Draw(t, "action"))
	})
}

// run starts a process on the world and reads the script to its end, or to the
// crash point, whichever comes first.
func (w *world) run(t *testing.T, script []partitionScript, crash *crashPoint) (crashed bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	store := &worldStore{entries: maps.Clone(w.entries)}
	outlet := &worldOutlet{findings: make(map[string]string)}
	p, err := New(ctx, Config{IdleAfter: time.Hour, CommitEvery: time.Hour}, Dependencies{
		Clock: func() time.Time { return time.Unix(1_700_100_000, 0) },
		Plan:  testPlan(t), Store: store, Outlets: []Outlet{outlet},
		Enricher:  enrich.New([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil),
		Detectors: crashDetectors(),
	})
	if err != nil {
		t.Fatal(err)
	}
	source := &scriptSource{p: p, script: script, crash: crash, crashed: make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		done <- p.Run(ctx, Input{Source: source, Formats: nil, Lateness: 15 * time.Minute})
	}()
	select {
	case <-source.crashed:
		crashed = true
		w.entries = source.left
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Commit(ctx); err != nil { // what the outlet is done with
			t.Fatal(err)
		}
		w.entries = store.snapshot()
		w.last = p.Published()
	}
	cancel()
	outlet.mu.Lock()
	defer outlet.mu.Unlock()
	for k, v := range outlet.findings {
		if have, ok := w.findings[k]; ok && have != v {
			t.Fatalf("finding %s was sent as\n%s\nand then as\n%s", k, have, v)
		}
		w.findings[k] = v
	}
	return crashed
}

// result is all that must not depend on crashes.
func (w *world) result(t *testing.T) any {
	t.Helper()
	published := *w.last
	published.Committed, published.Recent = time.Time{}, nil // of one process
	slices.SortFunc(published.Open, func(a, b *detect.Finding) int { return strings.Compare(a.UID, b.UID) })
	panes := make(map[string]string)
	for k, v := range w.entries {
		switch {
		case strings.HasPrefix(k, keyDetector):
			panes[k] = string(v)
		case strings.HasPrefix(k, keyPane), strings.HasPrefix(k, keyOutbox):
			t.Errorf("entry %q is left when all has ended", k)
		}
	}
	return struct {
		Published Published
		Panes     map[string]string
		Findings  map[string]string
	}{published, panes, w.findings}
}

func testPlan(t *testing.T) *aggregate.Plan {
	t.Helper()
	plan, err := aggregate.NewPlan([]aggregate.View{
		{Name: "interface", Metric: "ingress", By: []string{"interface-id"}, Measure: []string{"flows", "bytes", "unique_sources"}, Limit: 10},
		{Name: "port", Metric: "port", By: []string{"dstport"}, Measure: []string{"bytes"}, Top: 5},
	}, 300)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// scriptSource reads a script; parents before children.
type scriptSource struct {
	p       *Pipeline
	script  []partitionScript
	crash   *crashPoint
	crashed chan struct{}
	left    map[string][]byte // of the store, at the crash
}

func (s *scriptSource) Name() string { return "test" }

func (s *scriptSource) Run(ctx context.Context, host Host) error {
	known := host.Resume("test")
	roots := []Start{{ID: "test/0", Pull: true}, {ID: "test/1", Pull: true}}
	if err := host.Register(ctx, roots); err != nil {
		return err
	}
	errs := make(chan error, 2)
	go func() {
		err := s.work(ctx, host, 0, known)
		if err == nil {
			if err = host.Register(ctx, s.script[0].children); err == nil {
				err = s.work(ctx, host, 2, known)
			}
		}
		errs <- err
	}()
	go func() { errs <- s.work(ctx, host, 1, known) }()
	return errors.Join(<-errs, <-errs)
}

func (s *scriptSource) work(ctx context.Context, host Host, i int, known map[string]Resumed) error {
	from := known[s.script[i].id]
	if from.Ended {
		return nil
	}
	at, _ := strconv.Atoi(string(from.Position))
	return host.Work(ctx, &scriptPartition{source: s, index: i, at: at, partitionScript: &s.script[i]})
}

type scriptPartition struct {
	*partitionScript
	source    *scriptSource
	index, at int
	pause     bool // the next batch is empty, so that the slice ends
	commit    bool // and then a commit is made
}

func (p *scriptPartition) ID() string         { return p.id }
func (p *scriptPartition) Children() []Start  { return p.children }
func (p *scriptPartition) Committed(Position) {}

func (p *scriptPartition) Next(ctx context.Context) (Batch, error) {
	if p.pause {
		p.pause = false
		return Batch{}, nil
	}
	if p.commit {
		p.commit = false
		if err := p.source.p.Commit(ctx); err != nil {
			return Batch{}, err
		}
	}
	if c := p.source.crash; c != nil && c.partition == p.index && c.payload == p.at {
		p.source.left = p.source.p.store.(*worldStore).snapshot()
		close(p.source.crashed)
		<-ctx.Done()
		return Batch{}, ctx.Err()
	}
	if p.at == len(p.payloads) {
		return Batch{}, io.EOF
	}
	b := Batch{Payloads: []Payload{{
		Data: p.payloads[p.at], Position: Position(strconv.Itoa(p.at + 1)),
		Arrival: time.Unix(p.base+int64(p.at)*200+3000, 0),
	}}}
	p.pause, p.commit = p.cuts[p.at], p.commits[p.at]
	p.at++
	return b, nil
}

// worldStore is a store whose content can be looked at in mid-flight.
type worldStore struct {
	mu      sync.Mutex
	entries map[string][]byte
}

func (s *worldStore) snapshot() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.entries)
}

func (s *worldStore) Close() error { return nil }

func (s *worldStore) Load(_ context.Context, visit func(key, value []byte) error) error {
	for _, k := range slices.Sorted(maps.Keys(s.entries)) {
		if err := visit([]byte(k), s.entries[k]); err != nil {
			return err
		}
	}
	return nil
}

func (s *worldStore) Append(_ context.Context, d *checkpoint.Delta) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, prefix := range d.DeletePrefixes {
		maps.DeleteFunc(s.entries, func(k string, _ []byte) bool { return strings.HasPrefix(k, string(prefix)) })
	}
	for _, k := range d.Deletes {
		delete(s.entries, string(k))
	}
	for _, e := range d.Puts {
		s.entries[string(e.Key)] = bytes.Clone(e.Value)
	}
	return nil
}

// worldOutlet delivers at once.
type worldOutlet struct {
	mu       sync.Mutex
	findings map[string]string
	done     []uint64
}

func (o *worldOutlet) Name() string                 { return "world" }
func (o *worldOutlet) Accepts(*detect.Finding) bool { return true }

func (o *worldOutlet) Offer(id uint64, f *detect.Finding) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.findings[fmt.Sprintf("%s#%d", f.UID, f.Seq)] = f.Message
	o.done = append(o.done, id)
}

func (o *worldOutlet) TakeDone() []uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	done := o.done
	o.done = nil
	return done
}

// recorder is a detector that remembers every pane it saw, and has an incident
// for each: one in three closes with the next pane, one in three is updated.
type recorder struct {
	panes   map[int64]string
	changed []int64
}

// crashDetectors are the recorder and the rules, each with thresholds that the
// script's few records reach. The rule spike is not among them: its levels are
// published from the last pane tested, and are empty after a restart until the next.
func crashDetectors() []detect.Detector {
	const pane = 5 * time.Minute
	internal, external := detect.DefaultScanInternal(), detect.DefaultScanExternal()
	slow, success := detect.DefaultScanSlow(), detect.DefaultScanSuccess()
	internal.MinFailed, slow.MinFailed, success.MinFailed, external.MinFailed = 10, 9, 9, 20
	all := []detect.Detector{
		newRecorder(),
		detect.NewScanInternal(internal, pane), detect.NewScanExternal(external, pane),
		detect.NewScanSlow(slow, &internal, pane), detect.NewScanSuccess(success, pane),
		detect.NewScanDistributed(detect.ScanDistributedConfig{MinPorts: 1, MinSources: 2, MaxTargets: 8}, pane),
		detect.NewBruteForce(detect.BruteForceConfig{MinConnections: 2}, pane),
		detect.NewCeiling(detect.CeilingConfig{Flows: 3}, pane),
	}
	for i := 1; i < len(all); i++ {
		all[i] = unsampled{all[i]}
	}
	return all
}

// unsampled hides samples and the count of late records, which are best effort,
// from a rule.
type unsampled struct{ detect.Detector }

func (u unsampled) Detect(pane *detect.Pane) []detect.Finding {
	p := *pane
	p.Loads = slices.Clone(pane.Loads)
	for i := range p.Loads {
		p.Loads[i].Samples = nil
	}
	p.Late = 0
	p.Contacts = withoutSamples(pane.Contacts)
	if pane.Select != nil {
		p.Select = func(wanted func(*detect.Glimpse) bool) iter.Seq[detect.Contact] {
			return withoutSamples(pane.Select(wanted))
		}
	}
	return u.Detector.Detect(&p)
}

func withoutSamples(contacts iter.Seq[detect.Contact]) iter.Seq[detect.Contact] {
	return func(yield func(detect.Contact) bool) {
		for c := range contacts {
			c.Samples, c.Region, c.Interface, c.Instance = nil, "", "", ""
			if !yield(c) {
				return
			}
		}
	}
}

func newRecorder() *recorder { return &recorder{panes: make(map[int64]string)} }

func (r *recorder) Name() string    { return "recorder" }
func (r *recorder) Version() string { return "1" }

func (r *recorder) Detect(pane *detect.Pane) []detect.Finding {
	var b strings.Builder
	for _, l := range pane.Loads {
		fmt.Fprintf(&b, "%v %v %v %v %v %d\n", l.Key, l.Values, l.OK, l.First, l.Last, l.Records)
	}
	var contacts []string // they come in no particular order
	for c := range pane.Contacts {
		contacts = append(contacts, fmt.Sprintf("%s %d %d %d %+v\n", c.Source, c.First, c.Last, c.Records, c.Targets.Outcomes()))
	}
	slices.Sort(contacts)
	b.WriteString(strings.Join(contacts, ""))
	for _, l := range pane.Logins {
		fmt.Fprintf(&b, "%+v\n", l)
	}
	if _, seen := r.panes[pane.Start]; seen {
		b.WriteString("seen twice")
	}
	r.panes[pane.Start] = b.String()
	r.changed = append(r.changed, pane.Start)
	found := []detect.Finding{{
		Rule: "recorder", UID: fmt.Sprintf("recorder/%d", pane.Start), Seq: 1, Activity: detect.Create,
		Severity: detect.Low, Message: b.String(),
	}}
	before := pane.Start - 300
	if _, seen := r.panes[before]; !seen || before/300%3 == 0 {
		return found // the incident of the pane before stays as it is
	}
	next := detect.Finding{
		Rule: "recorder", UID: fmt.Sprintf("recorder/%d", before), Seq: 2, Activity: detect.Update,
		Severity: detect.High, Message: b.String(),
	}
	if before/300%3 == 1 {
		next.Activity, next.CloseReason = detect.Close, detect.Quiet
	}
	return append(found, next)
}

func (r *recorder) Changes(put func(key, value []byte)) {
	for _, start := range r.changed {
		put(binary.BigEndian.AppendUint64(nil, uint64(start)), []byte(r.panes[start]))
	}
	r.changed = nil
}

func (r *recorder) Restore(next func() (key, value []byte, ok bool)) error {
	for key, value, ok := next(); ok; key, value, ok = next() {
		r.panes[int64(binary.BigEndian.Uint64(key))] = string(value)
	}
	return nil
}
