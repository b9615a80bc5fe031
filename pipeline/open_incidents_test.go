package pipeline

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// What is published of the open incidents is the last event of each, as
// committed: a new process publishes the same before it has read anything.
func TestOpenIncidentsOutliveTheProcess(t *testing.T) {
	store := &worldStore{entries: map[string][]byte{}}
	rule := &script{events: [][]detect.Finding{
		{
			event("stays", 1, detect.Create), event("changes", 1, detect.Create),
			event("ends", 1, detect.Create), event("flickers", 1, detect.Create),
		},
		{
			event("changes", 2, detect.Update), event("ends", 2, detect.Close),
			event("flickers", 2, detect.Close), event("flickers", 3, detect.Update),
		},
	}}
	withRule := func(d detect.Detector) option {
		return func(_ *Config, deps *Dependencies) { deps.Detectors = []detect.Detector{d} }
	}
	source := newHand("a")
	b := start(t, source, withStore(store), withRule(rule))
	for i := range 3 {
		source.parts["a"].feed(Position(fmt.Sprint(i)), 1_700_000_100+int64(i)*10_000, at(1_700_000_000+int64(i)*10_000))
	}
	b.stop()
	if err := <-b.done; err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"stays": "stays event 1", "changes": "changes event 2", "flickers": "flickers event 3",
	}
	again := newPipeline(t, store, withRule(&script{}))
	for name, p := range map[string]*Published{"before": b.Published(), "after a restart": again.Published()} {
		got := map[string]string{}
		for _, f := range p.Open {
			got[f.UID] = f.Message
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("open incidents %s (-want +got):\n%s", name, diff)
		}
	}
}

func event(uid string, seq int, a detect.Activity) detect.Finding {
	return detect.Finding{
		Rule: "script", UID: uid, Seq: seq, Activity: a, Severity: detect.High,
		Message: fmt.Sprintf("%s event %d", uid, seq),
	}
}

// script is a detector that says what it was told to, pane by pane.
type script struct{ events [][]detect.Finding }

func (s *script) Name() string    { return "script" }
func (s *script) Version() string { return "1" }

func (s *script) Detect(*detect.Pane) []detect.Finding {
	if len(s.events) == 0 {
		return nil
	}
	found := s.events[0]
	s.events = s.events[1:]
	return found
}

func (s *script) Changes(func(key, value []byte)) {}

func (s *script) Restore(func() (key, value []byte, ok bool)) error { return nil }
