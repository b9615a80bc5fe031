package pipeline

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// What a page shows of partitions and events is as of the last commit, and it
// asks for no lock.
func TestPublishedShowsPartitionsAndEventsOnceCommitted(t *testing.T) {
	store := &failingStore{worldStore: worldStore{entries: map[string][]byte{}}}
	rule := &script{events: [][]detect.Finding{{event("one", 1, detect.Create)}, {event("one", 2, detect.Close)}}}
	source := newHand("a", "b")
	b := start(t, source, withStore(store), func(_ *Config, d *Dependencies) { d.Detectors = []detect.Detector{rule} })
	for _, part := range source.parts {
		part.feed("1", 1_700_000_100, at(1_700_000_000))
	}
	store.fail(errors.New("no space left on device"))
	committed := make(chan error, 1)
	go func() { committed <- b.Commit(t.Context()) }()
	<-store.failed
	<-store.failed // the second try: the first one's failure is known
	if err := b.CommitError(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("commits fail with %v", err)
	}
	store.fail(nil)
	if err := <-committed; err != nil {
		t.Fatal(err)
	}
	if err := b.CommitError(); err != nil {
		t.Errorf("commits succeed, and the error is %v", err)
	}
	got := b.Published()
	if got.Committed.IsZero() || len(got.Recent) != 0 || got.LastPane != aggregate.Never {
		t.Errorf("committed at %v, with events %v and last pane %d", got.Committed, got.Recent, got.LastPane)
	}
	mark := int64(1_700_000_050 - 900)
	want := []PublishedPartition{
		{ID: "hand/a", Source: "hand", Watermark: mark, Reading: true}, {ID: "hand/b", Source: "hand", Watermark: mark, Reading: true},
	}
	if diff := cmp.Diff(want, got.Partitions); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
	late := source.parts["b"]
	late.send(Batch{Payloads: []Payload{{Data: []byte(at(1_700_000_100)), Position: Position("2"), Arrival: time.Unix(1_700_000_200, 0)}}, Lag: time.Minute})
	late.send(Batch{Lag: time.Minute})
	late.send(Batch{Lag: time.Minute})
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := b.Published().Partitions[1]; p.Lag != time.Minute || p.Watermark != mark+100 {
		t.Errorf("partition %+v, want a lag of a minute", p)
	}
	end := b.finish(t)
	if len(end.Partitions) != 0 {
		t.Errorf("partitions that have ended are shown: %v", end.Partitions)
	}
	if len(end.Recent) != 2 || end.Recent[0].Seq != 1 || end.Recent[1].Activity != detect.Close {
		t.Errorf("events %v, want both of the incident, the first one first", end.Recent)
	}
}

func TestPublishedKeepsTheLastEvents(t *testing.T) {
	var found []detect.Finding
	for i := range recentFindings + 7 {
		found = append(found, event("one", 1+i, detect.Update))
	}
	source := newHand("a")
	b := start(t, source, func(_ *Config, d *Dependencies) {
		d.Detectors = []detect.Detector{&script{events: [][]detect.Finding{found}}}
	})
	source.parts["a"].feed("1", 1_700_000_100, at(1_700_000_000))
	got := b.finish(t).Recent
	if len(got) != recentFindings || got[0].Seq != 8 || got[len(got)-1].Seq != recentFindings+7 {
		t.Errorf("%d events", len(got))
	}
}
