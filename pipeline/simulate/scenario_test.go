package simulate

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// tally is what the records say of one scan.
type tally struct{ Targets, Rejected, Answered, Refused int }

func TestScansAreWhatTheTruthSays(t *testing.T) {
	layout, err := flowlog.ParseLayout(string(V5))
	if err != nil {
		t.Fatal(err)
	}
	wants := map[Kind]struct {
		truth [3]int // targets, failed, answered
		tally tally
	}{
		VerticalScan: {[3]int{120, 118, 2}, tally{120, 90, 2, 4}},
		HostSweep:    {[3]int{60, 60, 0}, tally{60, 2, 0, 0}},
		ExternalScan: {[3]int{300, 300, 0}, tally{300, 300, 0, 0}},
	}
	g := generator(t, Config{Seed: 9, Scenarios: Demo(), Malformed: -1})
	truths := g.Truth()
	type target struct {
		addr netip.Addr
		port int64
	}
	tried := make([]map[target]bool, len(truths))
	got := make([]tally, len(truths))
	for i := range truths {
		tried[i] = map[target]bool{}
	}
	var r flowlog.Record
	each(g, 120, func(_ *Batch, l *Line) {
		if layout.Parse(l.Text, &r) != 0 || r.Status() != flowlog.OK {
			return
		}
		for i, truth := range truths {
			if l.Start < truth.Start.Unix() || l.Start >= truth.End.Unix() {
				continue
			}
			src, dst := r.Addr(flowlog.SrcAddr), r.Addr(flowlog.DstAddr)
			flags := r.IntOr(flowlog.TCPFlags, 0)
			switch truth.Key {
			case src.String():
				bare := r.IntOr(flowlog.Packets, 0) <= 2 && r.IntOr(flowlog.Protocol, 0) == tcp && flags&synAck == syn
				if !bare {
					continue
				}
				tried[i][target{dst, r.IntOr(flowlog.DstPort, 0)}] = true
				if r.Action() == flowlog.Reject {
					got[i].Rejected++
				}
			case dst.String():
				if r.FlowDirection() != flowlog.Ingress || r.IntOr(flowlog.Packets, 0) > 1 {
					continue
				}
				switch flags {
				case synAck:
					got[i].Answered++
				case rst:
					got[i].Refused++
				}
			}
		}
	})
	for i, truth := range truths {
		want, isScan := wants[truth.Scenario]
		if !isScan {
			continue
		}
		if diff := cmp.Diff(want.truth, [3]int{truth.Targets, truth.Failed, truth.Answered}); diff != "" {
			t.Errorf("truth of %s (-want +got):\n%s", truth.Scenario, diff)
		}
		got[i].Targets = len(tried[i])
		if diff := cmp.Diff(want.tally, got[i]); diff != "" {
			t.Errorf("records of %s (-want +got):\n%s", truth.Scenario, diff)
		}
	}
}

func TestSpikeIsAsHighAsSaid(t *testing.T) {
	layout, err := flowlog.ParseLayout(string(V5))
	if err != nil {
		t.Fatal(err)
	}
	g := generator(t, Config{Seed: 4, Scenarios: []Scenario{{Kind: IngressSpike, At: 60 * 60e9, Factor: 20}}})
	truth := g.Truth()[0]
	var before, during struct{ records, bytes float64 }
	var r flowlog.Record
	each(g, 72, func(_ *Batch, l *Line) {
		if layout.Parse(l.Text, &r) != 0 || string(r.Text(flowlog.InterfaceID)) != truth.Key ||
			r.FlowDirection() != flowlog.Ingress || r.IntOr(flowlog.DstPort, 0) != 443 {
			return
		}
		into := &before
		if l.Start >= truth.Start.Unix() {
			into = &during
		}
		into.records++
		into.bytes += float64(r.IntOr(flowlog.Bytes, 0))
	})
	if ratio := during.records / 12 / (before.records / 60); ratio < 15 || ratio > 24 {
		t.Errorf("%.1f times the connections, want about 20", ratio)
	}
	if ratio := during.bytes / 12 / (before.bytes / 60); ratio < 20 {
		t.Errorf("only %.1f times the bytes", ratio)
	}
}
