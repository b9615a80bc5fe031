package detect

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTrim(t *testing.T) {
	resources := make([]Resource, 12)
	whole := Finding{
		UID: "u", Title: "t", Message: strings.Repeat("é", 1001), Desc: strings.Repeat("d", 1000),
		Lines: []string{"line"}, Queries: Queries{LogsInsights: "q"}, Resources: resources,
		Scan:    &ScanEvidence{Failed: 9, PortsSample: []uint16{22}, HostsSample: []netip.Addr{{}}, PortsAnswered: []uint16{80}},
		Spike:   &SpikeEvidence{Interface: "eni-1", TopSources: make([]TopSource, 1), TopPorts: make([]TopPort, 1)},
		Counted: &CountEvidence{Observed: 7, PortsSample: []uint16{22}, TopSources: make([]TopSource, 1)},
	}
	// lacks names what a trimmed finding no longer has.
	lacks := func(f *Finding) (all []string) {
		for _, part := range []struct {
			what string
			gone bool
		}{
			{"flow_records_sample", len(f.Lines) == 0},
			{"queries", f.Queries == Queries{}},
			{"samples", len(f.Scan.PortsSample)+len(f.Scan.HostsSample)+len(f.Scan.PortsAnswered)+len(f.Counted.PortsSample) == 0},
			{"top_lists", len(f.Spike.TopSources)+len(f.Spike.TopPorts)+len(f.Counted.TopSources) == 0},
			{"resources", len(f.Resources) == 10},
			{"texts", len([]rune(f.Message)) == 1000 && strings.HasSuffix(f.Message, "é…")},
		} {
			if part.gone {
				all = append(all, part.what)
			}
		}
		return all
	}
	order := []string{"flow_records_sample", "queries", "samples", "top_lists", "resources", "texts"}
	for steps := range len(order) + 1 {
		f, ok := whole.Trim(steps)
		if !ok {
			t.Fatalf("no step %d", steps)
		}
		if !slices.Equal(lacks(&f), order[:steps]) || !slices.Equal(f.Trimmed, order[:steps]) {
			t.Errorf("step %d: it lacks %v and says %v, want %v", steps, lacks(&f), f.Trimmed, order[:steps])
		}
		if f.Scan.Failed != 9 || f.Spike.Interface != "eni-1" || f.Counted.Observed != 7 || f.Desc != whole.Desc || f.Title != "t" {
			t.Errorf("step %d takes more than it says", steps)
		}
	}
	if _, ok := whole.Trim(len(order) + 1); ok {
		t.Error("there is always more to go without")
	}
	if diff := cmp.Diff([]string(nil), lacks(&whole)); diff != "" {
		t.Errorf("trimming changed the finding itself:\n%s", diff)
	}
	if f, ok := (Finding{}).Trim(len(order)); !ok || f.Scan != nil || f.Spike != nil || f.Counted != nil {
		t.Errorf("a finding without evidence: %v, %v", f, ok)
	}
}
