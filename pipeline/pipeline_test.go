package pipeline

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/envelope"
)

// clock is the injected clock: it stands until a test moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) set(unix int64) { c.mu.Lock(); defer c.mu.Unlock(); c.now = time.Unix(unix, 0) }

// hand is a source that a test feeds by hand. A feed returns when the batch
// before it has been folded, since the partition asks for the next only then.
type handSource struct {
	parts map[string]*handPartition
}

type handPartition struct {
	id        string
	pull      bool
	batches   chan Batch
	mu        sync.Mutex
	committed Position
}

func newHand(ids ...string) *handSource {
	s := &handSource{parts: make(map[string]*handPartition)}
	for _, id := range ids {
		s.parts[id] = &handPartition{id: "hand/" + id, pull: true, batches: make(chan Batch)}
	}
	return s
}

func (s *handSource) Name() string { return "hand" }

func (s *handSource) Run(ctx context.Context, host Host) error {
	var starts []Start
	for _, p := range s.parts {
		starts = append(starts, Start{ID: p.id, Pull: p.pull})
	}
	if err := host.Register(ctx, starts); err != nil {
		return stopped(ctx, err)
	}
	errs := make(chan error, len(s.parts))
	for _, p := range s.parts {
		go func() { errs <- host.Work(ctx, p) }()
	}
	var all error
	for range s.parts {
		all = errors.Join(all, <-errs)
	}
	return stopped(ctx, all)
}

func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (p *handPartition) ID() string        { return p.id }
func (p *handPartition) Children() []Start { return nil }

func (p *handPartition) Committed(at Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.committed = at
}

func (p *handPartition) Next(ctx context.Context) (Batch, error) {
	select {
	case b, more := <-p.batches:
		if !more {
			return Batch{}, io.EOF
		}
		return b, nil
	case <-ctx.Done():
		return Batch{}, ctx.Err()
	}
}

// feed sends one payload and an empty batch, which ends the slice. When it
// returns the slice is merged: only then is the batch after it taken.
func (p *handPartition) feed(at Position, arrival int64, data string) {
	p.send(Batch{Payloads: []Payload{{Data: []byte(data), Position: at, Arrival: time.Unix(arrival, 0)}}})
	p.send(Batch{})
	p.send(Batch{})
}

// feedWithoutWaiting is feed where the slice can't be merged yet, or the
// partition is held back after it. It is for a synctest bubble: it returns when
// all that can be done has been, and closes fed when feed returns.
func (p *handPartition) feedWithoutWaiting(at Position, arrival int64, data string) (fed <-chan struct{}) {
	done := make(chan struct{})
	go func() { p.feed(at, arrival, data); close(done) }()
	synctest.Wait()
	return done
}

func (p *handPartition) send(b Batch) { p.batches <- b }

// bench is a pipeline under test.
type bench struct {
	*Pipeline
	clock  *clock
	source *handSource
	logs   *observer.ObservedLogs
	stop   func()
	done   chan error
}

type option func(*Config, *Dependencies)

func withStore(s checkpoint.Store) option { return func(_ *Config, d *Dependencies) { d.Store = s } }

func withPlan(p *aggregate.Plan) option { return func(_ *Config, d *Dependencies) { d.Plan = p } }

func start(t *testing.T, source *handSource, options ...option) *bench {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	b := &bench{clock: &clock{now: time.Unix(1_700_100_000, 0)}, source: source, logs: logs, done: make(chan error, 1)}
	cfg := Config{IdleAfter: 2 * time.Minute, CommitEvery: time.Hour}
	deps := Dependencies{
		Log: zap.New(core), Clock: b.clock.Now, Plan: testPlan(t),
		Enricher: enrich.New([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil),
	}
	for _, o := range options {
		o(&cfg, &deps)
	}
	p, err := New(t.Context(), cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	b.Pipeline = p
	ctx, cancel := context.WithCancel(t.Context())
	b.stop = cancel
	go func() { b.done <- p.Run(ctx, Input{Source: source, Lateness: 15 * time.Minute}) }()
	t.Cleanup(cancel)
	return b
}

// finish ends all partitions and waits for the run to return.
func (b *bench) finish(t *testing.T) *Published {
	t.Helper()
	for _, p := range b.source.parts {
		close(p.batches)
	}
	if err := <-b.done; err != nil {
		t.Fatal(err)
	}
	return b.Published()
}

const v2 = "2 111122223333 eni-1 203.0.113.9 10.0.0.1 40000 22 6 3 180 1700000000 1700000050 ACCEPT OK\n"

func TestEveryKindOfRecordIsCounted(t *testing.T) {
	source := newHand("a")
	b := start(t, source)
	part := source.parts["a"]
	message := []byte(strings.TrimSuffix(v2, "\n"))
	cloudwatch := envelope.AppendCloudWatch(nil, "1", "group", "eni-1-all", []envelope.Event{
		{ID: "1", Timestamp: 1_700_000_000_000, Message: message}, {ID: "2", Timestamp: 1_700_000_000_000, Message: message},
	})
	part.feed("1", 1_700_000_100, string(cloudwatch))
	part.feed("2", 1_700_000_100, v2+v2[:60]+"\n"+strings.Replace(v2, "203.0.113.9", "here", 1))
	part.feed("3", 1_700_000_100, "2 111122223333 eni-1 - - - - - - - 1700000000 1700000050 - NODATA\n2 111122223333 eni-1 - - - - - - - 1700000000 1700000050 - SKIPDATA")
	part.feed("4", 1_700_000_100, "interface-id start end bytes\neni-9 1700000000 1700000050 77\nversion account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n"+v2)
	part.feed("5", 1_700_000_100, strings.ReplaceAll(v2, "1700000050", "1700000800")) // ends after it came
	part.feed("6", 1_700_000_100, "\x1f\x8bthis is no gzip")
	part.feed("7", 1_700_080_000, strings.ReplaceAll(v2, "17000000", "17000799"))
	part.feed("8", 1_700_080_000, v2) // late by now
	got := b.finish(t)

	if diff := cmp.Diff(map[string]int64{"fields": 1, "address": 1, "time": 1, "payload": 1}, got.Malformed); diff != "" {
		t.Errorf("malformed (-want +got):\n%s", diff)
	}
	type counts struct{ payloads, ok, nodata, skipdata, late int64 }
	if diff := cmp.Diff(counts{8, 7, 1, 1, 1}, counts{got.SourceRecords, got.OK, got.NoData, got.SkipData, got.Late}, cmp.AllowUnexported(counts{})); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	// Late records are in the totals: 6 of eni-1 and the one of eni-9.
	want := map[string][]int64{"eni-1": {6, 6 * 180}, "eni-9": {1, 77}}
	series := map[string][]int64{}
	for _, s := range got.Views[0].Counters {
		series[s.Labels[0]] = s.Values
	}
	if diff := cmp.Diff(want, series); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	if b.logs.FilterMessage("malformed record").Len() == 0 {
		t.Error("the log shows no bad line")
	}
}

func TestACommitThatFailsStopsReadingAndLosesNothing(t *testing.T) {
	store := &failingStore{worldStore: worldStore{entries: map[string][]byte{}}}
	source := newHand("a")
	b := start(t, source, withStore(store))
	part := source.parts["a"]
	part.feed("1", 1_700_000_100, v2)
	store.fail(errors.New("no space left on device"))
	committed := make(chan error, 1)
	go func() { committed <- b.Commit(t.Context()) }()
	<-store.failed
	<-store.failed // the second try: the first one's failure is known
	if err := b.Ready(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("ready says %v while commits fail", err)
	}
	fed := make(chan struct{})
	go func() { part.feed("2", 1_700_000_100, v2); close(fed) }()
	if got := b.Published().OK; got != 0 {
		t.Errorf("%d records are shown before the commit that covers them", got)
	}
	store.fail(nil)
	if err := <-committed; err != nil {
		t.Fatal(err)
	}
	if got := b.Published().OK; got != 1 {
		t.Errorf("%d records are shown after the commit, want 1", got)
	}
	<-fed
	if got := b.finish(t).OK; got != 2 {
		t.Errorf("%d records at the end, want 2", got)
	}
	if n := b.logs.FilterMessageSnippet("commit fails").Len(); n == 0 {
		t.Error("the log does not say that commits fail")
	}
}

// failingStore fails every Append while it is told to.
type failingStore struct {
	worldStore
	mu     sync.Mutex
	err    error
	failed chan struct{}
}

func (s *failingStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	if err != nil {
		s.failed = make(chan struct{}, 10_000)
	}
}

func (s *failingStore) Append(ctx context.Context, d *checkpoint.Delta) error {
	s.mu.Lock()
	err := s.err
	s.mu.Unlock()
	if err != nil {
		s.failed <- struct{}{}
		return err
	}
	return s.worldStore.Append(ctx, d)
}

func TestInputsAreAcknowledgedByTheCommit(t *testing.T) {
	source := newHand("a")
	b := start(t, source, withStore(&worldStore{entries: map[string][]byte{}}))
	part := source.parts["a"]
	part.feed("7", 1_700_000_100, v2)
	part.mu.Lock()
	if part.committed != "" {
		t.Errorf("position %s is acknowledged before any commit", part.committed)
	}
	part.mu.Unlock()
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	part.mu.Lock()
	defer part.mu.Unlock()
	if part.committed != "7" {
		t.Errorf("after the commit %q is acknowledged, want 7", part.committed)
	}
}

func TestAPartitionFarAheadWaitsForTheOthers(t *testing.T) {
	source := newHand("a", "b")
	b := start(t, source)
	ahead, behind := source.parts["a"], source.parts["b"]
	behind.feed("1", 1_700_000_100, v2)
	ahead.feed("1", 1_700_000_100, v2)
	ahead.send(Batch{Payloads: []Payload{{
		Data: []byte(strings.ReplaceAll(v2, "17000000", "17000090")), Position: Position("2"), Arrival: time.Unix(1_700_010_000, 0),
	}}})
	sent := make(chan struct{})
	go func() { ahead.send(Batch{}); ahead.send(Batch{}); close(sent) }()
	waits := func() bool {
		b.back.mu.Lock()
		defer b.back.mu.Unlock()
		p := b.back.marks.partitions["hand/a"]
		return p.Position == "2" && p.Watermark-b.back.marks.global > holdBack
	}
	for !waits() { // the slice has been merged, and with it the partition is ahead
		select {
		case <-sent:
			t.Fatal("a partition 2.5 h ahead was read on")
		case <-time.After(time.Millisecond):
		}
	}
	behind.feed("2", 1_700_010_000, strings.ReplaceAll(v2, "17000000", "17000089"))
	<-sent
	b.finish(t)
}

func TestAnIdlePartitionFollowsTheClock(t *testing.T) {
	source := newHand("a", "b")
	b := start(t, source)
	busy, idle := source.parts["a"], source.parts["b"]
	b.clock.set(1_700_000_000)
	busy.feed("1", 1_700_000_100, v2)
	idle.send(Batch{Idle: true})
	idle.send(Batch{Idle: true}) // so the first has been seen
	b.clock.set(1_700_000_119)
	idle.send(Batch{Idle: true})
	idle.send(Batch{Idle: true})
	global := func() int64 { b.back.mu.Lock(); defer b.back.mu.Unlock(); return b.back.marks.global }
	if got := global(); got != aggregate.Never {
		t.Errorf("after 119 s of nothing the watermark is %d, want none", got)
	}
	b.clock.set(1_700_000_120)
	idle.send(Batch{Idle: true})
	idle.send(Batch{})
	idle.send(Batch{})
	if got, want := global(), int64(1_700_000_120-15*60-10*60); got != want {
		t.Errorf("after 120 s of nothing the watermark is %d, want %d", got, want)
	}
	b.finish(t)
}

func TestAChangedViewStartsEmptyAndPositionsStay(t *testing.T) {
	store := &worldStore{entries: map[string][]byte{}}
	source := newHand("a")
	b := start(t, source, withStore(store))
	source.parts["a"].feed("1", 1_700_000_100, v2)
	b.stop()
	if err := <-b.done; err != nil {
		t.Fatal(err)
	}
	views := testPlan(t).Views()
	views[0].Measure = []string{"flows"}
	plan, err := aggregate.NewPlan(views, 300)
	if err != nil {
		t.Fatal(err)
	}
	again := start(t, newHand("a"), withStore(store), withPlan(plan))
	if got := again.back.resume("hand")["hand/a"].Position; got != "1" {
		t.Errorf("position %q after a restart, want 1", got)
	}
	if n := again.logs.FilterMessageSnippet("has changed").Len(); n == 0 {
		t.Error("the log does not say that the view starts empty")
	}
	got := again.finish(t)
	if n := len(got.Views[0].Counters); n != 0 {
		t.Errorf("the changed view shows %d keys, want 0", n)
	}
	if got.OK != 1 || got.PanesClosed != 1 {
		t.Errorf("%d records and %d panes after a restart, want 1 and 1", got.OK, got.PanesClosed)
	}
}

func TestFindingsLeaveAfterTheirCommitAndAgainAfterACrash(t *testing.T) {
	store := &worldStore{entries: map[string][]byte{}}
	stuck := &stuckOutlet{store: store}
	withParts := func(_ *Config, d *Dependencies) {
		d.Detectors, d.Outlets = []detect.Detector{newRecorder()}, []Outlet{stuck}
	}
	source := newHand("a")
	b := start(t, source, withStore(store), withParts)
	source.parts["a"].feed("1", 1_700_000_100, v2)
	b.finish(t)
	n := len(stuck.offered)
	if n < 2 { // the pane, and the one that what is pending waits for
		t.Fatalf("%d findings were offered, want 2 or more", n)
	}
	again := start(t, newHand(), withStore(store), withParts)
	again.finish(t)
	if diff := cmp.Diff(stuck.offered[:n], stuck.offered[n:]); diff != "" {
		t.Errorf("a finding that was not delivered is offered again as (-first +again):\n%s", diff)
	}
	if len(stuck.early) > 0 {
		t.Errorf("%v left before the commit that covers them", stuck.early)
	}
}

// stuckOutlet never gets anything delivered. It looks whether the store holds what
// it is offered.
type stuckOutlet struct {
	store          *worldStore
	offered, early []string
}

func (o *stuckOutlet) Name() string                 { return "stuck" }
func (o *stuckOutlet) Accepts(*detect.Finding) bool { return true }

func (o *stuckOutlet) Offer(id uint64, f *detect.Finding) {
	o.offered = append(o.offered, f.UID)
	if _, committed := o.store.snapshot()[string(outboxKey(id, o.Name()))]; !committed {
		o.early = append(o.early, f.UID)
	}
}

func (o *stuckOutlet) TakeDone() []uint64 { return nil }
