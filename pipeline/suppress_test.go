package pipeline

import (
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// restarted returns a suppressor that has only what the other committed.
func restarted(t *testing.T, state map[string][]byte, s *suppressor, all detect.Suppressions) *suppressor {
	t.Helper()
	var d checkpoint.Delta
	s.changes(&d)
	for _, e := range d.Puts {
		state[string(e.Key)] = e.Value
	}
	for _, k := range d.Deletes {
		delete(state, string(k))
	}
	again := newSuppressor(all)
	for key, value := range state {
		if err := again.restore(strings.TrimPrefix(key, keyHushed), value); err != nil {
			t.Fatal(err)
		}
	}
	if !maps.Equal(again.hushed, s.hushed) {
		t.Fatalf("restored %v, want %v", again.hushed, s.hushed)
	}
	return again
}

// The events of one incident, one a time unit, under a suppression that the
// configuration has from event from on and that ends at time until. Every case
// runs once in one process, and once with a commit and restart after each
// event: the same events leave.
func TestSuppressedIncident(t *testing.T) {
	c, u, e := detect.Create, detect.Update, detect.Close
	for _, test := range []struct {
		name        string
		from, until int64
		in          []detect.Activity
		want        string // a letter each: Create, Update, End; Hushed; - is held back
	}{
		{"not suppressed", 99, 0, []detect.Activity{c, u, e}, "CUE"},
		{"from beginning to end", 0, 99, []detect.Activity{c, u, e}, "---"},
		{"begins while open", 2, 99, []detect.Activity{c, u, u, u, e}, "CUH--"},
		{"begins while open, at the last event", 2, 99, []detect.Activity{c, u, e}, "CUE"},
		{"ends while open", 0, 2, []detect.Activity{c, u, u, u, e}, "--CUE"},
		{"ends while open, at the last event", 0, 2, []detect.Activity{c, u, e}, "---"},
		{"begins and ends while open", 1, 3, []detect.Activity{c, u, u, u, u, e}, "CH-CUE"},
		{"comes back while suppressed", 0, 99, []detect.Activity{c, e, u, e}, "----"},
		{"comes back afterwards", 0, 2, []detect.Activity{c, e, u, e}, "--CE"},
		{"closes by itself and comes back suppressed", 2, 99, []detect.Activity{c, e, u, e}, "CE--"},
	} {
		for name, restarts := range map[string]bool{"in one life": false, "over restarts": true} {
			t.Run(test.name+", "+name, func(t *testing.T) {
				state := map[string][]byte{}
				s, shown, got := newSuppressor(nil), false, ""
				for i, a := range test.in {
					all := detect.Suppressions{{Rule: "spike", Until: detect.Until(test.until), Reason: "test"}}
					if int64(i) < test.from {
						all = nil
					}
					if s.all = all; restarts {
						s = restarted(t, state, s, all)
					}
					f := detect.Finding{Rule: "spike", UID: "u", Seq: i + 1, Activity: a, Time: int64(i)}
					out, send := s.judge(f, shown)
					switch {
					case !send:
						got += "-"
					case out.CloseReason == detect.Suppressed && out.Activity == detect.Close:
						got += "H"
					default:
						got += map[detect.Activity]string{c: "C", u: "U", e: "E"}[out.Activity]
					}
					if send {
						shown = out.Activity != detect.Close
					}
				}
				if got != test.want {
					t.Errorf("events that leave: %s, want %s", got, test.want)
				}
			})
		}
	}
}

func TestSuppressorForgets(t *testing.T) {
	s := newSuppressor(detect.Suppressions{{Rule: "spike", Until: 1 << 40, Reason: "test"}})
	s.judge(detect.Finding{Rule: "spike", UID: "u", Activity: detect.Create, Time: 1000}, false)
	s.expire(1000 + hushedFor)
	if len(s.hushed) != 1 {
		t.Error("forgotten too soon")
	}
	s.expire(1001 + hushedFor)
	if diff := cmp.Diff(map[string]hushed{}, s.hushed); diff != "" {
		t.Error(diff)
	}
}

// Through the pipeline: what is held back is counted, and neither sent nor
// counted as found nor open.
func TestRaise(t *testing.T) {
	until, err := time.Parse(time.RFC3339, "2027-01-01T00:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	b := &back{counters: newCounters(), incidents: map[string]*detect.Finding{}, suppressor: newSuppressor(detect.Suppressions{
		{Rule: "spike", Until: detect.Until(until.Unix()), Reason: "test"},
	})}
	for _, f := range []detect.Finding{
		{Rule: "spike", UID: "a", Activity: detect.Create, Time: until.Unix() - 1},
		{Rule: "spike", UID: "b", Activity: detect.Create, Time: until.Unix(), Severity: detect.High},
		{Rule: "scan.internal", UID: "c", Activity: detect.Create, Severity: detect.High},
	} {
		b.raise(f)
	}
	if len(b.raised) != 2 || b.counters.Suppressed["spike"] != 1 || b.counters.Findings["spike"]["high"] != 1 {
		t.Errorf("raised %d, suppressed %v, findings %v", len(b.raised), b.counters.Suppressed, b.counters.Findings)
	}
}

// A finding says where its source belongs, also after suppression was asked, and
// its identity does not depend on that.
func TestRaisedFindingsAreLocated(t *testing.T) {
	raised := func(known ...enrich.Listed) detect.Finding {
		b := &back{
			places:   enrich.NewPlaces(enrich.PlacesConfig{Lists: known}),
			counters: newCounters(), incidents: map[string]*detect.Finding{}, suppressor: newSuppressor(nil),
		}
		b.raise(detect.Finding{
			Rule: "scan.external", UID: "a", Seq: 1, Key: "9.9.9.9", Activity: detect.Create, Message: "a scan",
			Scan: &detect.ScanEvidence{Source: netip.MustParseAddr("9.9.9.9")},
		})
		return b.raised[0]
	}
	nowhere := raised()
	somewhere := raised(enrich.Listed{Kind: enrich.Scanner, Name: "Scanners", Prefixes: []netip.Prefix{netip.MustParsePrefix("9.9.9.0/24")}})
	if nowhere.Scan.Place != nil || nowhere.Message != "a scan" {
		t.Errorf("nothing is known, and yet %+v and %q", nowhere.Scan.Place, nowhere.Message)
	}
	if p := somewhere.Scan.Place; p == nil || p.Kind != enrich.Scanner || somewhere.Message != "a scan; the source is in the list Scanners (scanner)" {
		t.Errorf("%+v and %q", p, somewhere.Message)
	}
	if somewhere.UID != nowhere.UID || somewhere.DedupKey() != nowhere.DedupKey() {
		t.Errorf("its identity changed: %s, %s", somewhere.UID, nowhere.UID)
	}
}
