package summary

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

var asIs = []gocmp.Option{gocmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmpopts.IgnoreUnexported(Port{})}

// naive is the totals in the plainest form.
func naive(flows []Flow, top int) *Report {
	var s Summary // for nullness, which has a test of its own
	for i := range flows {
		s.Add(&flows[i])
	}
	want := &Report{Records: Records{Total: int64(len(flows)), OK: int64(len(flows))}}
	type target struct {
		addr        netip.Addr
		port, proto int64
	}
	unique := [3]map[netip.Addr]bool{{}, {}, {}}
	all := map[netip.Addr]bool{}
	sources := map[netip.Addr]*Source{}
	targets := map[netip.Addr]map[target]bool{}
	ports := map[[2]int64]int64{}
	directions := [3]*Direction{&want.Unknown, &want.Ingress, &want.Egress}
	for _, d := range directions {
		*d = Direction{Bytes: new(int64), Packets: new(int64), Accepted: new(int64), Rejected: new(int64)}
	}
	for _, f := range flows {
		d := directions[f.Direction]
		d.Records++
		*d.Bytes += max(f.Bytes, 0)
		*d.Packets += max(f.Packets, 0)
		if f.Action == flowlog.Accept {
			*d.Accepted++
		}
		if f.Action == flowlog.Reject {
			*d.Rejected++
		}
		if f.Source.IsValid() {
			all[f.Source], unique[f.Direction][f.Source] = true, true
		}
		if f.Direction != flowlog.Ingress {
			continue
		}
		if f.DstPort >= 0 && f.Protocol >= 0 {
			ports[[2]int64{f.DstPort, f.Protocol}]++
		}
		if !f.Source.IsValid() {
			continue
		}
		if sources[f.Source] == nil {
			sources[f.Source] = &Source{Addr: f.Source, Bytes: new(int64), Packets: new(int64)}
			targets[f.Source] = map[target]bool{}
		}
		e := sources[f.Source]
		e.Records++
		*e.Bytes += max(f.Bytes, 0)
		*e.Packets += max(f.Packets, 0)
		if f.Target.IsValid() {
			targets[f.Source][target{f.Target, f.DstPort, f.Protocol}] = true
		}
	}
	size := func(m map[netip.Addr]bool) *int64 { n := int64(len(m)); return &n }
	want.UniqueSources = size(all)
	for i, d := range directions {
		d.UniqueSources = size(unique[i])
	}
	for a, e := range sources {
		n := int64(len(targets[a]))
		e.Targets = &n
		want.TopSources = append(want.TopSources, *e)
	}
	slices.SortFunc(want.TopSources, func(a, b Source) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), a.Addr.Compare(b.Addr))
	})
	want.TopSources = want.TopSources[:min(top, len(want.TopSources))]
	for p, n := range ports {
		want.TopPorts = append(want.TopPorts, Port{Port: uint16(p[0]), Protocol: enrich.ProtocolName(uint8(p[1])), Records: n, number: uint8(p[1])})
	}
	slices.SortFunc(want.TopPorts, comparePorts)
	want.TopPorts = want.TopPorts[:min(top, len(want.TopPorts))]
	return want
}

func randomFlow(rng *rand.Rand) Flow {
	addr := func(n int) netip.Addr {
		if rng.IntN(3) == 0 {
			return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(rng.IntN(n))})
		}
		return netip.AddrFrom4([4]byte{10, 0, 0, byte(rng.IntN(n))})
	}
	return Flow{
		Direction: rng.IntN(3),
		Source:    addr(20),
		Target:    addr(5),
		DstPort:   int64(rng.IntN(3)) * 21,
		Protocol:  []int64{6, 17}[rng.IntN(2)],
		Packets:   int64(rng.IntN(100)),
		Bytes:     int64(rng.IntN(100_000)),
		Action:    1 + rng.IntN(2),
		Start:     1_700_000_000 + int64(rng.IntN(1000)),
		End:       1_700_001_000 + int64(rng.IntN(1000)),
	}
}

func TestReportAgainstPlainCounting(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var flows []Flow
	var s Summary
	for range 5000 {
		f := randomFlow(rng)
		flows = append(flows, f)
		s.Add(&f)
	}
	got := s.Report(Options{Top: 8})
	want := naive(flows, 8)
	ignored := cmpopts.IgnoreFields(Report{}, "First", "Last", "Countries", "ASNs", "Findings", "Reasons", "Timeline", "Top")
	if diff := gocmp.Diff(want, got, append(asIs, ignored)...); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// However records are dealt out and merged, the report is the same.
func TestMergeInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		parts := make([]Summary, rapid.IntRange(1, 5).Draw(t, "parts"))
		var whole Summary
		for range rng.IntN(2000) {
			f := randomFlow(rng)
			if rng.IntN(20) == 0 {
				f.Bytes = math.MaxInt64 / 4 // the sum stops there
			}
			f.DstPort = int64(rng.IntN(200)) // more targets than are kept exactly
			f.Target = netip.AddrFrom4([4]byte{10, 0, 0, 1})
			part := &parts[rng.IntN(len(parts))]
			reason := []string{"time", "fields"}[rng.IntN(2)]
			for _, s := range []*Summary{&whole, part} {
				s.Add(&f)
				s.AddNoData(1)
				s.AddSkipData(2)
				s.AddLate(3)
				s.AddMalformed(reason, 4)
			}
		}
		for len(parts) > 1 {
			i := rng.IntN(len(parts) - 1)
			if rng.IntN(2) == 0 {
				parts[i], parts[i+1] = parts[i+1], parts[i]
			}
			parts[i].Merge(&parts[i+1])
			parts = slices.Delete(parts, i+1, i+2)
		}
		want, got := whole.Report(Options{}), parts[0].Report(Options{})
		if diff := gocmp.Diff(want, got, asIs...); diff != "" {
			t.Fatalf("(-whole +merged):\n%s", diff)
		}
	})
}

func TestManySources(t *testing.T) {
	var a, b Summary
	f := Flow{Direction: flowlog.Ingress, Target: netip.MustParseAddr("10.0.0.1"), DstPort: 443, Protocol: 6}
	const n = 100_000
	for i := range n {
		f.Source = netip.AddrFrom4([4]byte{byte(1 + i>>16), byte(i >> 8), byte(i), 7})
		for range 1 + i%2 {
			[]*Summary{&a, &b}[i%2].Add(&f)
		}
		f.Source = netip.AddrFrom16([16]byte{0: 0x20, 12: byte(i >> 16), 13: byte(i >> 8), 14: byte(i)})
		a.Add(&f)
	}
	a.Merge(&b)
	r := a.Report(Options{})
	if *r.UniqueSources != 2*n || *r.Ingress.UniqueSources != 2*n || *r.Egress.UniqueSources != 0 {
		t.Errorf("got %d, %d, %d sources, want %d, as many, 0", *r.UniqueSources, *r.Ingress.UniqueSources, *r.Egress.UniqueSources, 2*n)
	}
	if r.TopSources[0].Records != 2 || r.TopSources[0].Addr != netip.MustParseAddr("1.0.1.7") {
		t.Errorf("first of the top sources: %+v", r.TopSources[0])
	}
}

func TestTargetsAreExactTo128(t *testing.T) {
	f := Flow{Direction: flowlog.Ingress, Source: netip.MustParseAddr("203.0.113.9"), Target: netip.MustParseAddr("10.0.0.1"), Protocol: 6}
	var s Summary
	for _, want := range []int64{1, 2, 127, 128} {
		for port := range want {
			f.DstPort = port
			s.Add(&f)
		}
		if got := *s.Report(Options{}).TopSources[0].Targets; got != want {
			t.Errorf("%d targets counted as %d", want, got)
		}
	}
	for port := range int64(20_000) {
		f.DstPort = port
		s.Add(&f)
	}
	if got := float64(*s.Report(Options{}).TopSources[0].Targets); math.Abs(got-20_000)/20_000 > 0.07 {
		t.Errorf("20,000 targets estimated as %v", got)
	}
}

func TestAddAllocatesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	flows := make([]Flow, 10_000)
	var s Summary
	for i := range flows {
		flows[i] = randomFlow(rng)
		s.Add(&flows[i])
	}
	i := 0
	if got := testing.AllocsPerRun(20_000, func() {
		s.Add(&flows[i%len(flows)])
		i++
	}); got != 0 {
		t.Errorf("%v allocations a record", got)
	}
}

func BenchmarkAdd(b *testing.B) {
	for _, sources := range []int{10_000, 300_000, 2_800_000} {
		b.Run(fmt.Sprintf("sources=%d", sources), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(5, 6))
			zipf := rand.NewZipf(rng, 1.1, 50, uint64(sources-1))
			flows := make([]Flow, 1<<20)
			for i := range flows {
				n := uint32(zipf.Uint64()) * 2654435761
				flows[i] = randomFlow(rng)
				flows[i].Direction = 1 + i%8/7
				flows[i].Source = netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
			}
			var s Summary
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s.Add(&flows[i&(1<<20-1)])
				i++
			}
		})
	}
}
