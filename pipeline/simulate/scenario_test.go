package simulate

import (
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

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
