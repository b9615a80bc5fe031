package simulate

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// The same configuration gives the same bytes, with everything switched on.
func TestEverythingIsDeterministic(t *testing.T) {
	sum := func() [32]byte {
		cfg := Config{Seed: 21, Start: time.Unix(1_772_409_600, 0), Interfaces: 30, Varied: true, Delivery: AWSDelivery(), Misread: 0.1}
		plan, err := Suite("all", cfg, 6*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Scenarios = plan
		h := sha256.New()
		each(generator(t, cfg), 300, func(b *Batch, l *Line) { fmt.Fprintf(h, "%d %s %s\n", b.At.UnixNano(), b.Stream, l.Text) })
		return [32]byte(h.Sum(nil))
	}
	if first, second := sum(), sum(); first != second {
		t.Error("two runs give different bytes")
	}
}

func TestMisreadOutcomesAreAboutAsManyAsAskedFor(t *testing.T) {
	layout, err := flowlog.ParseLayout(string(V5))
	if err != nil {
		t.Fatal(err)
	}
	g := generator(t, Config{Seed: 6, Misread: 0.2, Malformed: -1, Late: -1, Scenarios: []Scenario{{Kind: ExternalScan, At: time.Minute, Size: 400}}})
	truth := g.Truth()[0]
	rejected := map[netip.AddrPort]bool{}
	var r flowlog.Record
	each(g, 10, func(_ *Batch, l *Line) {
		if layout.Parse(l.Text, &r) == 0 && r.Addr(flowlog.SrcAddr).String() == truth.Key && r.Action() == flowlog.Reject {
			rejected[netip.AddrPortFrom(r.Addr(flowlog.DstAddr), uint16(r.IntOr(flowlog.DstPort, 0)))] = true
		}
	})
	if share := 1 - float64(len(rejected))/float64(truth.Failed); share < 0.15 || share > 0.25 {
		t.Errorf("%.2f of the failures are misread, want 0.2", share)
	}
}
