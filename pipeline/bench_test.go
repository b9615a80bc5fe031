package pipeline

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/enrich/geotable"
	"github.com/flowwatch/flowwatch/pipeline/envelope"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// consoleLines is records in the 29-field order: 200 interfaces, 30,000
// sources, 15 % rejected, ten minutes.
func consoleLines(n int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	lines := make([][]byte, n)
	for i := range lines {
		start := 1_700_000_000 + i*600/n + r.IntN(20)
		eni, src := i/30%200, r.IntN(30_000)
		action, flags, port := "ACCEPT", 3, 443
		if r.IntN(100) < 15 {
			action, flags, port = "REJECT", 2, r.IntN(1024)
		}
		lines[i] = fmt.Appendf(nil, "111122223333 %s euc1-az1 %d 10.0.%d.%d %d %d ingress i-0123456789abcdef%d eni-0123456789abc%04d OK %d - 10.0.%d.%d - 203.%d.%d.9 6 eu-central-1 203.%d.%d.9 %d %d - - subnet-0123456789abcdef0 %d - IPv4 5 vpc-0123456789abcdef0",
			action, 40+r.IntN(9000), eni/250, eni%250, port, start+r.IntN(40), eni, eni, 1+r.IntN(30), eni/250, eni%250, src/250, src%250, src/250, src%250, 32768+r.IntN(28000), start, flags)
	}
	return lines
}

// benchFront is a front half with the built-in views, into which payloads can
// be folded without a source or a back half.
func benchFront(tb testing.TB) *front {
	tb.Helper()
	own := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	places := enrich.NewPlaces(enrich.PlacesConfig{Own: own, Table: geotable.Embedded()})
	plan, err := aggregate.NewPlan(aggregate.BuiltinViews(), 300)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := New(tb.Context(), Config{}, Dependencies{
		Clock: time.Now, Plan: plan, Enricher: enrich.New(own, nil).With(places),
	})
	if err != nil {
		tb.Fatal(err)
	}
	layout, err := flowlog.ParseLayout(flowlog.ConsoleV5)
	if err != nil {
		tb.Fatal(err)
	}
	f, err := newFront(p, &Input{Formats: []*flowlog.Layout{layout}, Lateness: time.Hour}, &handPartition{id: "bench"}, &partition{Watermark: aggregate.Never})
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// payloads packs lines as plain chunks or CloudWatch envelopes.
func payloads(lines [][]byte, size int, cloudwatch bool) []Payload {
	var all []Payload
	for len(lines) > 0 {
		n := min(size, len(lines))
		data := append(bytes.Join(lines[:n], []byte("\n")), '\n')
		if cloudwatch {
			var events []envelope.Event
			for _, l := range lines[:n] {
				events = append(events, envelope.Event{ID: "37000000000000000000000000000000000000000000000000000001", Timestamp: 1_700_000_000_000, Message: l})
			}
			data = envelope.AppendCloudWatch(nil, "111122223333", "flow-logs", "eni-all", events)
		}
		all = append(all, Payload{Data: data, Position: Position(""), Arrival: time.Unix(1_700_001_000, 0)})
		lines = lines[n:]
	}
	return all
}

func TestTheFrontHalfAllocatesNothingPerRecord(t *testing.T) {
	for _, cloudwatch := range []bool{false, true} {
		f := benchFront(t)
		all := payloads(consoleLines(2000), 200, cloudwatch)
		fold := func() {
			for i := range all {
				f.payload(&all[i])
			}
		}
		fold()
		if n := testing.AllocsPerRun(10, fold); n > 1 {
			t.Errorf("cloudwatch %v: %g allocations for 2,000 records of known keys, want none", cloudwatch, n)
		}
	}
}

// BenchmarkFront is everything before the back half: unwrap, parse, enrich,
// fold into the built-in views, the spike measures and the contacts.
func BenchmarkFront(b *testing.B) {
	lines := consoleLines(100_000)
	for name, cloudwatch := range map[string]bool{"plain": false, "cloudwatch": true} {
		b.Run(name, func(b *testing.B) {
			f := benchFront(b)
			all := payloads(lines, 200, cloudwatch)
			b.ReportAllocs()
			n, records := 0, 0
			for b.Loop() {
				f.payload(&all[n%len(all)])
				if n++; n%len(all) == 0 {
					f.folder.Reset() // a slice ends
				}
				records += 200
			}
			b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkDerive is what closing a pane does for the views by country and system:
// one operation is a pane with 30,000 sources.
func BenchmarkDerive(b *testing.B) {
	f := benchFront(b)
	all := payloads(consoleLines(100_000), 1000, false)
	for i := range all {
		f.payload(&all[i])
	}
	pane := f.folder.Partial.Pane(f.folder.Partial.Starts()[0])
	b.ReportAllocs()
	for b.Loop() {
		pane.Derive(f.p.enricher.Places())
	}
}

// BenchmarkPipeline is the whole way: front half, merge, pane close, commit
// without a store; one operation is 100,000 records.
func BenchmarkPipeline(b *testing.B) {
	all := payloads(consoleLines(100_000), 1000, false)
	f := benchFront(b)
	f.p.back.marks.register("bench", Start{ID: "bench"})
	f.partition = &handPartition{id: "bench"}
	b.ReportAllocs()
	records := 0
	for b.Loop() {
		for i := range all {
			f.payload(&all[i])
		}
		if err := f.cut(b.Context(), false); err != nil {
			b.Fatal(err)
		}
		if err := f.p.commit(b.Context()); err != nil {
			b.Fatal(err)
		}
		records += 100_000
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}
