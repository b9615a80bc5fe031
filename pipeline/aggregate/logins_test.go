package aggregate

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

func sameAddr(a, b netip.Addr) bool { return a == b }

func logins(t testing.TB, flows ...flow) []Login {
	return slices.Collect(fold(t, plan(t), flows...).Pane(0).Logins().All)
}

// ssh is an accepted connection to port 22 that carried something.
func ssh(change ...func(*flow)) flow {
	f := flow{sport: 40000, dport: 22, packets: 12, bytes: 2000, start: 10, flags: "3"}
	for _, c := range change {
		c(&f)
	}
	return f
}

func TestLoginsCountConnections(t *testing.T) {
	for _, k := range []struct {
		name  string
		flows []flow
		want  int64 // connections, 0 when there is no login at all
	}{
		{"one", []flow{ssh()}, 1},
		{"two records of one connection", []flow{ssh(), ssh(func(f *flow) { f.start = 70 })}, 1},
		{"two source ports", []flow{ssh(), ssh(func(f *flow) { f.sport = 40001 })}, 2},
		{"RDP", []flow{ssh(func(f *flow) { f.dport = 3389 })}, 1},
		{"rejected", []flow{ssh(func(f *flow) { f.action = "REJECT" })}, 0},
		{"a web page", []flow{ssh(func(f *flow) { f.dport = 443 })}, 0},
		{"UDP", []flow{ssh(func(f *flow) { f.proto = 17 })}, 0},
		{"three packets carry no login", []flow{ssh(func(f *flow) { f.packets = 3 })}, 0},
	} {
		t.Run(k.name, func(t *testing.T) {
			got := logins(t, k.flows...)
			if k.want == 0 && len(got) == 0 {
				return
			}
			if len(got) != 1 || got[0].Connections != k.want || got[0].Records != int64(len(k.flows)) {
				t.Errorf("got %+v, want one login of %d connections", got, k.want)
			}
		})
	}
}

// Whatever way records are divided, merged and encoded, the logins are the same.
func TestLoginsMergeInAnyOrderAndSurviveEncoding(t *testing.T) {
	p := plan(t)
	rapid.Check(t, func(rt *rapid.T) {
		whole := NewFolder(p)
		parts := []*Folder{NewFolder(p), NewFolder(p), NewFolder(p)}
		for range rapid.IntRange(1, 200).Draw(rt, "records") {
			e := ssh(func(f *flow) {
				f.sport = rapid.IntRange(30000, 30400).Draw(rt, "sport")
				f.dport = rapid.SampledFrom([]int{22, 3389, 5985, 443}).Draw(rt, "dport")
				f.src = rapid.SampledFrom([]string{"203.0.113.9", "2001:db8::9", "10.0.0.7"}).Draw(rt, "src")
			}).enriched(t)
			whole.Add(e)
			parts[rapid.IntRange(0, 2).Draw(rt, "part")].Add(e)
		}
		want := slices.Collect(whole.Partial.Pane(0).Logins().All)
		if len(want) == 0 {
			return
		}
		merged := NewPartial(p)
		for _, f := range rapid.Permutation(parts).Draw(rt, "order") {
			merged.Merge(f.Partial)
		}
		encoded := merged.Pane(0).AppendBinary(nil)
		decoded, err := DecodePane(p, encoded)
		if err != nil {
			rt.Fatal(err)
		}
		for _, got := range [][]Login{slices.Collect(merged.Pane(0).Logins().All), slices.Collect(decoded.Logins().All)} {
			if diff := cmp.Diff(want, got, cmp.Comparer(sameAddr)); diff != "" {
				rt.Fatalf("logins (-whole +merged or decoded):\n%s", diff)
			}
		}
		if !bytes.Equal(encoded, decoded.AppendBinary(nil)) {
			rt.Fatal("a decoded pane encodes to other bytes")
		}
	})
}

func TestLoginsAllocateNothingForKnownKeys(t *testing.T) {
	var flows []*enrich.Flow
	for i := range 400 {
		flows = append(flows, ssh(func(f *flow) { f.sport = 30000 + i }).enriched(t))
	}
	f := NewFolder(plan(t))
	add := func() {
		for _, one := range flows {
			f.Add(one)
		}
	}
	add()
	if n := testing.AllocsPerRun(20, add); n != 0 {
		t.Errorf("%g allocations for 400 records of a known login, want 0", n)
	}
}
