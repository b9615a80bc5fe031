package simulate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/envelope"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func generator(t testing.TB, cfg Config) *Generator {
	t.Helper()
	if cfg.Start.IsZero() {
		cfg.Start = noon
	}
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// each visits every line of the next minutes.
func each(g *Generator, minutes int, visit func(b *Batch, l *Line)) {
	for range minutes {
		m := g.Next()
		for i := range m.Batches {
			for j := range m.Batches[i].Lines {
				visit(&m.Batches[i], &m.Batches[i].Lines[j])
			}
		}
	}
}

func digest(g *Generator, minutes int) uint64 {
	h := fnv.New64a()
	each(g, minutes, func(b *Batch, l *Line) {
		h.Write(l.Text)
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(b.At.UnixNano())))
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(l.Start)))
	})
	return h.Sum64()
}

func TestSameSeedSameBytes(t *testing.T) {
	for _, format := range []Format{V2, V5} {
		a := digest(generator(t, Config{Seed: 7, Format: format, Scenarios: Demo()}), 30)
		b := digest(generator(t, Config{Seed: 7, Format: format, Scenarios: Demo()}), 30)
		c := digest(generator(t, Config{Seed: 8, Format: format, Scenarios: Demo()}), 30)
		if a != b {
			t.Errorf("the same seed gave other bytes")
		}
		if a == c {
			t.Errorf("another seed gave the same bytes")
		}
	}
}

// A scenario adds lines and changes none.
func TestScenariosLeaveTheBackgroundAlone(t *testing.T) {
	background := map[string]int{}
	each(generator(t, Config{Seed: 3}), 100, func(_ *Batch, l *Line) { background[string(l.Text)]++ })
	each(generator(t, Config{Seed: 3, Scenarios: Demo()}), 100, func(_ *Batch, l *Line) { background[string(l.Text)]-- })
	added := 0
	for line, n := range background {
		if n > 0 {
			t.Fatalf("line is missing: %s", line)
		}
		added -= n
	}
	if added < 2000 {
		t.Errorf("the scenarios added only %d lines", added)
	}
}

func TestLinesAreWellFormed(t *testing.T) {
	for _, format := range []Format{V2, V5} {
		layout, err := flowlog.ParseLayout(string(format))
		if err != nil {
			t.Fatal(err)
		}
		g := generator(t, Config{Seed: 1, Format: format, Malformed: -1, Interfaces: 40, Scenarios: Demo()})
		statuses := map[int]int{}
		var r flowlog.Record
		each(g, 120, func(b *Batch, l *Line) {
			if reason := layout.Parse(l.Text, &r); reason != 0 {
				t.Fatalf("%v: %s", reason, l.Text)
			}
			statuses[r.Status()]++
			start, end := r.IntOr(flowlog.Start, 0), r.IntOr(flowlog.End, 0)
			if start != l.Start || end < start || start/60 != end/60 {
				t.Fatalf("window %d to %d: %s", start, end, l.Text)
			}
			if string(r.Text(flowlog.InterfaceID))+"-all" != b.Stream || string(r.Text(flowlog.AccountID)) != b.Account {
				t.Fatalf("in the stream %s of %s: %s", b.Stream, b.Account, l.Text)
			}
			if r.Status() == flowlog.OK {
				checkRecord(t, &r)
			}
		})
		if statuses[flowlog.NoData] < 100 || statuses[flowlog.SkipData] == 0 || statuses[flowlog.OK] < 50_000 {
			t.Errorf("status counts %v", statuses)
		}
	}
}

func checkRecord(t *testing.T, r *flowlog.Record) {
	t.Helper()
	packets, bytes := r.IntOr(flowlog.Packets, 0), r.IntOr(flowlog.Bytes, 0)
	if packets < 1 || bytes < 20*packets || bytes > 1600*packets {
		t.Fatalf("%d bytes in %d packets: %s", bytes, packets, r.Line())
	}
	if !r.Has(flowlog.TCPFlags) {
		return
	}
	flags, protocol := r.IntOr(flowlog.TCPFlags, 0), r.IntOr(flowlog.Protocol, 0)
	switch flags {
	case 0, 1, 2, 3, 4, 6, 18, 19:
	default:
		t.Fatalf("tcp-flags %d: %s", flags, r.Line())
	}
	if protocol != tcp && flags != 0 {
		t.Fatalf("tcp-flags %d of protocol %d: %s", flags, protocol, r.Line())
	}
	if egress := r.FlowDirection() == flowlog.Egress; egress != r.Has(flowlog.TrafficPath) {
		t.Fatalf("traffic-path of direction: %s", r.Line())
	}
	if six := r.Addr(flowlog.SrcAddr).Is6(); six != (string(r.Text(flowlog.Type)) == "IPv6") {
		t.Fatalf("type of address: %s", r.Line())
	}
}

// Whatever one host of a VPC sends to another is recorded by both, and every
// accepted request that is answered has its reply at the same interface.
func TestInternalFlowsAreRecordedTwice(t *testing.T) {
	layout, err := flowlog.ParseLayout(string(V5))
	if err != nil {
		t.Fatal(err)
	}
	g := generator(t, Config{Seed: 1, Malformed: -1, Late: -1})
	own := map[netip.Addr]bool{}
	for _, v := range g.vpcs {
		for _, e := range v.enis {
			own[e.addr] = true
		}
	}
	seen := map[string][2]int{}
	var r flowlog.Record
	each(g, 10, func(_ *Batch, l *Line) {
		if layout.Parse(l.Text, &r) != 0 || r.Status() != flowlog.OK {
			return
		}
		src, dst := r.Addr(flowlog.SrcAddr), r.Addr(flowlog.DstAddr)
		if !own[src] || !own[dst] || r.Addr(flowlog.PktSrcAddr) != src || r.Addr(flowlog.PktDstAddr) != dst {
			return
		}
		key := fmt.Sprint(src, dst, r.IntOr(flowlog.SrcPort, 0), r.IntOr(flowlog.DstPort, 0), r.IntOr(flowlog.Start, 0), r.IntOr(flowlog.Bytes, 0))
		n := seen[key]
		n[r.FlowDirection()-1]++
		seen[key] = n
	})
	if len(seen) < 500 {
		t.Errorf("only %d internal flows", len(seen))
	}
	for key, n := range seen {
		if n != [2]int{1, 1} {
			t.Errorf("flow %s: recorded %d times as ingress, %d as egress", key, n[0], n[1])
		}
	}
}

func TestDeliveryAndRates(t *testing.T) {
	g := generator(t, Config{Seed: 5})
	lines, panes, previous := 0, 0, time.Time{}
	for range 6 * 12 {
		for range 5 {
			m := g.Next()
			for _, b := range m.Batches {
				delay := b.At.Sub(m.Start.Add(time.Minute))
				if delay < 20*time.Second || delay > 45*time.Second {
					t.Fatalf("delivered %v after the minute", delay)
				}
				if b.At.Before(previous) {
					t.Fatalf("delivered at %v after %v", b.At, previous)
				}
				previous = b.At
				lines += len(b.Lines)
			}
		}
		panes++
	}
	if mean := float64(lines) / float64(panes); mean < 1500 || mean > 3000 {
		t.Errorf("%.0f lines a pane on average, want 1,500 to 3,000", mean)
	}
	c := g.Counts()
	if c.Lines != int64(lines) {
		t.Errorf("%d lines, counted %d", lines, c.Lines)
	}
	for name, n := range map[string]int64{"malformed": c.Malformed, "late": c.Late} {
		if want := float64(lines) / 2000; math.Abs(float64(n)-want) > 6*math.Sqrt(want) {
			t.Errorf("%d %s lines among %d, want about %.0f", n, name, lines, want)
		}
	}
}

func TestRadiation(t *testing.T) {
	for _, rate := range []float64{300, 1100} {
		layout := flowlog.DefaultV2()
		g := generator(t, Config{Seed: 5, Format: V2, Radiation: rate, Malformed: -1, Late: -1, Interfaces: 10, VPCs: 1})
		probes, bySource := 0, map[netip.Addr]int{}
		var r flowlog.Record
		each(g, 600, func(_ *Batch, l *Line) {
			if layout.Parse(l.Text, &r) == 0 && r.Action() == flowlog.Reject {
				probes++
				bySource[r.Addr(flowlog.SrcAddr)]++
			}
		})
		// The load balancer and the bastion reject; the NAT gateway does not.
		if got := float64(probes) / 10 / 2; math.Abs(got-rate)/rate > 0.05 {
			t.Errorf("%.0f probes an hour and address, want %.0f", got, rate)
		}
		for source, n := range bySource {
			if n > 8 {
				t.Errorf("%d probes from %v", n, source)
			}
		}
	}
}

func TestMalformedLinesAreMalformed(t *testing.T) {
	for _, format := range []Format{V2, V5} {
		layout, err := flowlog.ParseLayout(string(format))
		if err != nil {
			t.Fatal(err)
		}
		g := generator(t, Config{Seed: 2, Format: format, Malformed: 0.02})
		bad := int64(0)
		var r flowlog.Record
		each(g, 60, func(_ *Batch, l *Line) {
			if layout.Parse(l.Text, &r) != 0 || r.IntOr(flowlog.End, 0) < r.IntOr(flowlog.Start, 0) {
				bad++
			}
		})
		if c := g.Counts(); bad != c.Malformed || bad < 300 {
			t.Errorf("%d bad lines, counted %d", bad, c.Malformed)
		}
	}
}

func TestEnvelopesHoldTheBatch(t *testing.T) {
	g := generator(t, Config{Seed: 2, Level: 60, Interfaces: 10, VPCs: 1, Malformed: -1})
	var packer Packer
	var payloads [][]byte
	several := false
	decoder := envelope.NewDecoder(envelope.Limits{})
	for _, b := range g.Next().Batches {
		payloads = payloads[:0]
		packer.Envelopes(&b, func(data []byte) { payloads = append(payloads, data) })
		several = several || len(payloads) > 1
		var got []Line
		for _, p := range payloads {
			if len(p) > 1<<20 {
				t.Errorf("an envelope of %d bytes", len(p))
			}
			for decoder.Reset(p); decoder.Next(); {
				got = append(got, Line{bytes.Clone(decoder.Line()), decoder.Timestamp() / 1000})
			}
			if err := decoder.Err(); err != nil {
				t.Fatal(err)
			}
		}
		// Not cmp: it takes seconds for thousands of lines.
		same := func(a, b Line) bool { return a.Start == b.Start && bytes.Equal(a.Text, b.Text) }
		if !slices.EqualFunc(b.Lines, got, same) {
			t.Fatalf("stream %s: %d lines went in, %d or other ones came out", b.Stream, len(b.Lines), len(got))
		}
	}
	if !several {
		t.Error("no batch was big enough to be split")
	}
}

func TestConfigErrors(t *testing.T) {
	f := func(cfg Config, want string) {
		t.Helper()
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
	f(Config{}, "no start time")
	f(Config{Start: noon, Format: "srcaddr"}, "accepted are V2 and V5")
	f(Config{Start: noon, VPCs: 99}, "accepted are 1 to 16")
	f(Config{Start: noon, Interfaces: 70_000, VPCs: 1}, "1 to 60000 for each VPC")
	f(Config{Start: noon, Level: -1}, "level")
	f(Config{Start: noon, Scenarios: []Scenario{{Kind: "party"}}}, "accepted are [vertical-scan")
	f(Config{Start: noon, Scenarios: []Scenario{{Kind: HostSweep, VPC: 2}}}, "there are 0 to 1")
	f(Config{Start: noon, Scenarios: []Scenario{{Kind: HostSweep, At: -time.Minute}}}, "from the start on")
	f(Config{Start: noon, Interfaces: 2, VPCs: 1, Scenarios: []Scenario{{Kind: HostSweep}}}, "a VPC of 10 interfaces has all")
}

func TestAnyNumberOfInterfaces(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 11, 160} {
		g := generator(t, Config{Interfaces: n})
		streams := map[string]bool{}
		each(g, 3, func(b *Batch, _ *Line) { streams[b.Stream] = true })
		if len(streams) != n || len(g.Streams()) != n {
			t.Errorf("%d interfaces wrote %d streams, named %d", n, len(streams), len(g.Streams()))
		}
	}
}

func BenchmarkNext(b *testing.B) {
	f := func(name string, cfg Config) {
		b.Run(name, func(b *testing.B) {
			cfg.Scenarios = Demo()
			g := generator(b, cfg)
			b.ReportAllocs()
			minutes := 0
			for b.Loop() {
				g.Next()
				minutes++
			}
			b.ReportMetric(float64(g.Counts().Lines)/b.Elapsed().Seconds(), "lines/s")
			b.ReportMetric(float64(minutes)*float64(cfg.Interfaces)/1440/b.Elapsed().Seconds(), "interface-days/s")
		})
	}
	f("v2", Config{Interfaces: 60, Format: V2})
	f("v5", Config{Interfaces: 60})
	f("varied", Config{Interfaces: 60, Varied: true, Delivery: AWSDelivery()})
	f("600s", Config{Interfaces: 60, Varied: true, Interval: 10 * time.Minute})
}
