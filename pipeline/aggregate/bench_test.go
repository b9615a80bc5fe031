package aggregate

import (
	"fmt"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// BenchmarkFold folds records of many sources through the built-in views, the
// spike measures and the contacts.
func BenchmarkFold(b *testing.B) {
	p := plan(b)
	flows := make([]*enrich.Flow, 1_000)
	for i := range flows {
		flows[i] = flow{
			iface: fmt.Sprintf("eni-%d", i/50%200),
			src:   fmt.Sprintf("203.%d.%d.%d", i%3, i/7%200, i%251), dst: fmt.Sprintf("10.0.0.%d", i/50%200),
			sport: 40000 + i%9000, dport: []int{443, 443, 22, 80}[i%4], packets: 3, bytes: 999,
			start: int64(600 + i%240), flags: []string{"2", "3", "0"}[i%3],
		}.enriched(b)
	}
	f := NewFolder(p)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		f.Add(flows[n%len(flows)])
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Mrec/s")
}
