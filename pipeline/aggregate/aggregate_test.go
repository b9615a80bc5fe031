package aggregate

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
)

const format = "account-id vpc-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action tcp-flags flow-direction log-status"

var networks = enrich.New([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}, nil)

// flow is a record by its fields; zero values get something usual.
type flow struct {
	iface, src, dst    string
	sport, dport       int
	proto              int
	packets, bytes     int64
	start, end         int64
	action, flags, dir string
	status             string
}

func (f flow) line() string {
	or := func(s, def string) string {
		if s == "" {
			return def
		}
		return s
	}
	if f.proto == 0 {
		f.proto = 6
	}
	if f.end == 0 {
		f.end = f.start + 59
	}
	return fmt.Sprintf("111122223333 vpc-1 %s %s %s %d %d %d %d %d %d %d %s %s %s %s",
		or(f.iface, "eni-1"), or(f.src, "203.0.113.9"), or(f.dst, "10.0.0.1"), f.sport, f.dport, f.proto,
		f.packets, f.bytes, f.start, f.end, or(f.action, "ACCEPT"), or(f.flags, "-"), or(f.dir, "ingress"), or(f.status, "OK"))
}

var layout = func() *flowlog.Layout {
	l, err := flowlog.ParseLayout(format)
	if err != nil {
		panic(err)
	}
	return l
}()

func (f flow) enriched(t testing.TB) *enrich.Flow {
	t.Helper()
	var r flowlog.Record
	if reason := layout.Parse([]byte(f.line()), &r); reason != 0 {
		t.Fatalf("%s: malformed: %v", f.line(), reason)
	}
	var e enrich.Flow
	networks.Enrich(&r, &e)
	return &e
}

func plan(t testing.TB) *Plan {
	t.Helper()
	views := slices.DeleteFunc(BuiltinViews(), func(v View) bool {
		_, ok := v.Unsupplied(Supply{})
		return !ok
	})
	p, err := NewPlan(views, 300)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func fold(t testing.TB, p *Plan, flows ...flow) *Partial {
	t.Helper()
	f := NewFolder(p)
	for _, one := range flows {
		f.Add(one.enriched(t))
	}
	return f.Partial
}

// rows shows a view's table as label values and columns, by key.
func rows(p *Plan, pane *Pane, view int) map[string][]int64 {
	got := make(map[string][]int64)
	for row := range pane.View(view).Len() {
		t := pane.View(view)
		values := slices.Clone(t.Values(row)[1:])
		if d := t.Distinct(row); d != nil {
			values = append(values, int64(d.Count()))
		}
		got[fmt.Sprint(p.KeyLabels(view, t.Key(row)))] = values
	}
	return got
}

func TestRecordsGroupByViewAndPane(t *testing.T) {
	p := plan(t)
	got := fold(t, p,
		flow{start: 600, packets: 10, bytes: 1000, sport: 40000, dport: 443, flags: "2"},
		flow{start: 610, packets: 1, bytes: 44, sport: 40001, dport: 22, action: "REJECT", src: "198.51.100.7"},
		flow{start: 910, packets: 5, bytes: 500, sport: 40002, dport: 443},
		flow{start: 620, packets: 7, bytes: 700, dir: "egress", src: "10.0.0.1", dst: "203.0.113.9", sport: 443, dport: 40000},
		flow{start: 630, status: "NODATA", iface: "eni-2"},
	)
	if diff := cmp.Diff([]int64{600, 900}, got.Starts()); diff != "" {
		t.Errorf("panes (-want +got):\n%s", diff)
	}
	// flows, bytes, packets, rejected_flows, syn_only_flows, unique_sources
	want := map[string][]int64{"[111122223333 vpc-1 eni-1]": {2, 1044, 11, 1, 1, 2}}
	if diff := cmp.Diff(want, rows(p, got.Pane(600), 0)); diff != "" {
		t.Errorf("view interface, pane 600 (-want +got):\n%s", diff)
	}
	want = map[string][]int64{"[443 6]": {1, 1000, 10, 0}, "[22 6]": {1, 44, 1, 1}}
	if diff := cmp.Diff(want, rows(p, got.Pane(600), 1)); diff != "" {
		t.Errorf("view port, pane 600 (-want +got):\n%s", diff)
	}
	covered := map[string][3]bool{}
	for l := range got.Pane(600).Loads().All {
		covered[l.Interface] = [3]bool{l.OK, l.NoData, l.SkipData}
	}
	if diff := cmp.Diff(map[string][3]bool{"eni-1": {true, false, false}, "eni-2": {false, true, false}}, covered); diff != "" {
		t.Errorf("coverage (-want +got):\n%s", diff)
	}
}

func TestBytesSpreadOverPanesByOverlap(t *testing.T) {
	p := plan(t)
	// [880, 940): 20 s in pane 600, 40 s in pane 900.
	got := fold(t, p, flow{start: 880, end: 939, packets: 7, bytes: 1000, sport: 40000, dport: 443})
	want := map[int64][]int64{600: {1, 333, 2, 0, 0, 1}, 900: {0, 667, 5, 0, 0, 0}}
	for start, values := range want {
		if diff := cmp.Diff(values, rows(p, got.Pane(start), 0)["[111122223333 vpc-1 eni-1]"]); diff != "" {
			t.Errorf("pane %d (-want +got):\n%s", start, diff)
		}
		for l := range got.Pane(start).Loads().All {
			if l.Bytes != values[1] || l.Packets != values[2] || !l.OK {
				t.Errorf("pane %d: load %+v", start, l)
			}
		}
	}
}

func TestSharesAddUpAndFollowTheOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Int64Range(0, 1e6).Draw(t, "start")
		length := rapid.Int64Range(1, 3601).Draw(t, "length")
		pane := rapid.SampledFrom([]int64{60, 300, 900}).Draw(t, "pane")
		total := rapid.OneOf(rapid.Int64Range(0, 50), rapid.Int64Range(0, 1<<62)).Draw(t, "total")
		first := PaneOf(start, pane)
		c := cover{start: start, end: start + length, first: first, pane: pane,
			panes: int((PaneOf(start+length-1, pane)-first)/pane) + 1}
		left := total
		for i := range c.panes {
			got := c.share(total, i)
			exact := float64(total) * float64(c.overlap(i)) / float64(length)
			if got < 0 || float64(got) < exact-1-exact*1e-9 || float64(got) > exact+1+exact*1e-9 {
				t.Fatalf("pane %d of %d gets %d, in proportion it is %f", i, c.panes, got, exact)
			}
			left -= got
		}
		if left != 0 {
			t.Fatalf("shares of %d miss it by %d", total, left)
		}
	})
}

func TestLateRecordsCountInTotalsOnly(t *testing.T) {
	p := plan(t)
	f := NewFolder(p)
	f.AddUntimed(flow{start: 600, packets: 3, bytes: 300, sport: 40000, dport: 443}.enriched(t))
	if n := len(f.Partial.Starts()); n != 0 {
		t.Errorf("a late record made %d panes", n)
	}
	want := map[string][]int64{"[111122223333 vpc-1 eni-1]": {1, 300, 3, 0, 0, 1}}
	if diff := cmp.Diff(want, rows(p, f.Partial.Untimed(), 0)); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

func TestRepliesStayOutOfTheLoad(t *testing.T) {
	p := plan(t)
	for name, c := range map[string]struct {
		flow flow
		want int64
	}{
		"a download":            {flow{sport: 443, dport: 40000, flags: "0"}, 0},
		"a short one: SYN-ACK":  {flow{sport: 443, dport: 40000, flags: "19"}, 0},
		"v2, no flags":          {flow{sport: 443, dport: 40000}, 0},
		"a lone SYN from 443":   {flow{sport: 443, dport: 40000, flags: "2"}, 1},
		"a low port of ours":    {flow{sport: 443, dport: 8080, flags: "0"}, 1},
		"a client":              {flow{sport: 40000, dport: 443, flags: "3"}, 1},
		"UDP may be reflection": {flow{sport: 53, dport: 40000, proto: 17}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			for l := range fold(t, p, c.flow).Pane(0).Loads().All {
				if l.Records != c.want {
					t.Errorf("the load counts %d records, want %d", l.Records, c.want)
				}
			}
		})
	}
}

// anyFlow draws from few values, so that keys meet.
func anyFlow() *rapid.Generator[flow] {
	return rapid.Custom(func(t *rapid.T) flow {
		start := rapid.Int64Range(0, 1500).Draw(t, "start")
		return flow{
			iface: rapid.SampledFrom([]string{"eni-1", "eni-2", "-"}).Draw(t, "iface"),
			src:   fmt.Sprintf("203.0.%d.%d", rapid.IntRange(0, 1).Draw(t, "net"), rapid.IntRange(0, 200).Draw(t, "src")),
			dst:   fmt.Sprintf("10.0.0.%d", rapid.IntRange(0, 3).Draw(t, "dst")),
			sport: rapid.SampledFrom([]int{53, 443, 40000, 50000, 2500}).Draw(t, "sport"),
			dport: rapid.IntRange(0, 400).Draw(t, "dport"),
			proto: rapid.SampledFrom([]int{6, 17}).Draw(t, "proto"), packets: rapid.Int64Range(1, 9).Draw(t, "packets"),
			bytes: rapid.Int64Range(40, 5000).Draw(t, "bytes"),
			start: start, end: start + rapid.Int64Range(0, 700).Draw(t, "length"),
			action: rapid.SampledFrom([]string{"ACCEPT", "REJECT"}).Draw(t, "action"),
			flags:  rapid.SampledFrom([]string{"-", "0", "2", "18", "4", "3"}).Draw(t, "flags"),
			dir:    rapid.SampledFrom([]string{"ingress", "egress"}).Draw(t, "dir"),
			status: rapid.SampledFrom([]string{"OK", "OK", "OK", "NODATA", "SKIPDATA"}).Draw(t, "status"),
		}
	})
}

// bytesOf is a partial's whole content without its samples, which are best
// effort.
func bytesOf(p *Partial) []byte {
	var b []byte
	for _, start := range p.Starts() {
		pane := p.Pane(start)
		clear(pane.contacts.samples)
		for i := range pane.loads.samples {
			pane.loads.samples[i] = Samples{}
		}
		b = pane.AppendBinary(fmt.Appendf(b, "pane %d:", start))
	}
	return p.untimed.AppendBinary(fmt.Appendf(b, "%+v untimed:", p.Counts))
}

func TestPartialsMergeInAnyOrderAndGrouping(t *testing.T) {
	p := plan(t)
	rapid.Check(t, func(rt *rapid.T) {
		flows := rapid.SliceOfN(anyFlow(), 0, 600).Draw(rt, "flows")
		parts := rapid.IntRange(1, 4).Draw(rt, "parts")
		whole := NewFolder(p)
		folders := make([]*Folder, parts)
		for i := range folders {
			folders[i] = NewFolder(p)
		}
		for _, one := range flows {
			e := one.enriched(t)
			part := folders[rapid.IntRange(0, parts-1).Draw(rt, "part")]
			whole.Partial.Counts.Flow[e.Status()]++
			part.Partial.Counts.Flow[e.Status()]++
			if one.start%7 == 0 {
				whole.AddUntimed(e)
				part.AddUntimed(e)
				continue
			}
			whole.Add(e)
			part.Add(e)
		}
		order := rapid.Permutation(folders).Draw(rt, "order")
		leftFirst, rightFirst := NewPartial(p), NewPartial(p)
		for _, f := range order {
			leftFirst.Merge(f.Partial)
		}
		for _, f := range slices.Backward(order) {
			next := NewPartial(p)
			next.Merge(f.Partial)
			next.Merge(rightFirst)
			rightFirst = next
		}
		absorbed := NewPartial(p)
		for _, f := range order {
			absorbed.Absorb(f.Partial)
			if !f.Partial.Empty() {
				rt.Fatal("an absorbed partial is not empty")
			}
		}
		want := bytesOf(whole.Partial)
		if !bytes.Equal(want, bytesOf(leftFirst)) || !bytes.Equal(want, bytesOf(rightFirst)) || !bytes.Equal(want, bytesOf(absorbed)) {
			rt.Fatal("partials of the same records differ by how they were merged")
		}
	})
}

func TestPanesSurviveEncoding(t *testing.T) {
	p := plan(t)
	rapid.Check(t, func(rt *rapid.T) {
		partial := fold(t, p, rapid.SliceOfN(anyFlow(), 1, 400).Draw(rt, "flows")...)
		for _, start := range partial.Starts() {
			b := partial.Pane(start).AppendBinary(nil)
			pane, err := DecodePane(p, b)
			if err != nil {
				rt.Fatal(err)
			}
			if !bytes.Equal(b, pane.AppendBinary(nil)) {
				rt.Fatal("a decoded pane encodes to other bytes")
			}
		}
	})
}

func TestPanesAreReadUnderAnotherPlan(t *testing.T) {
	p := plan(t)
	b := fold(t, p, flow{start: 600, packets: 1, bytes: 40, sport: 40000, dport: 22}).Pane(600).AppendBinary(nil)
	views := p.Views()
	views[1].Top = 7 // another declaration of "port"
	other, err := NewPlan(views[:2], 300)
	if err != nil {
		t.Fatal(err)
	}
	pane, err := DecodePane(other, b)
	if err != nil {
		t.Fatal(err)
	}
	if pane.View(0).Len() != 1 || pane.View(1).Len() != 0 {
		t.Errorf("view interface has %d keys, want 1; the changed view port has %d, want 0", pane.View(0).Len(), pane.View(1).Len())
	}
}

func TestWhereAnInitiatorIsDoesNotDependOnSlices(t *testing.T) {
	p := plan(t)
	var whole []flow
	parts := NewPartial(p)
	for i := range 9 {
		one := flow{iface: "eni-own", src: "10.0.0.7", dst: fmt.Sprintf("10.0.1.%d", i), sport: 40000, dport: 22, flags: "2", packets: 1, dir: "egress"}
		whole = append(whole, one)
		parts.Merge(fold(t, p, one))
	}
	for name, partial := range map[string]*Partial{"one slice": fold(t, p, whole...), "nine slices": parts} {
		for c := range partial.Pane(0).Contacts().All {
			if c.Samples == nil || c.Samples.Interface != "eni-own" {
				t.Errorf("%s: the initiator's own interface is lost: %+v", name, c.Samples)
			}
		}
	}
}

func FuzzDecodePane(f *testing.F) {
	p := plan(f)
	f.Add(fold(f, p, flow{start: 600, sport: 40000, dport: 22, flags: "2", packets: 1}).Pane(600).AppendBinary(nil))
	f.Add([]byte{codecVersion, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		defer hostiletest.Bound(t)()
		if pane, err := DecodePane(p, b); err == nil {
			pane.entries()
			for range pane.Loads().All {
			}
			for range pane.Contacts().All {
			}
		}
	})
}

func TestFoldingAllocatesNothingForKnownKeys(t *testing.T) {
	p := plan(t)
	flows := make([]*enrich.Flow, 500)
	for i := range flows {
		flows[i] = flow{
			src: fmt.Sprintf("203.0.113.%d", i%200), sport: 40000 + i%7, dport: 20 + i%9, start: 600, end: 890 + int64(i%3)*20,
			packets: 3, bytes: 999, flags: "2", iface: fmt.Sprintf("eni-%d", i%5),
		}.enriched(t)
	}
	f := NewFolder(p)
	add := func() {
		for _, one := range flows {
			f.Add(one)
		}
	}
	add()
	if n := testing.AllocsPerRun(20, add); n != 0 {
		t.Errorf("%g allocations for 500 records of known keys, want 0", n)
	}
}

func TestEvictKeepsTheWidestAndTheInternal(t *testing.T) {
	p := plan(t)
	f := NewFolder(p)
	const own = "10.9.9.9"
	for i := range 100 {
		src := fmt.Sprintf("203.0.113.%d", i)
		for port := range i%10 + 1 {
			f.Add(flow{src: src, sport: 40000, dport: 22 + port, start: 600, packets: 1}.enriched(t))
		}
	}
	for range 50 { // busy, but with a single target
		f.Add(flow{src: "203.0.113.200", sport: 40000, dport: 443, start: 600, packets: 1}.enriched(t))
	}
	f.Add(flow{src: own, sport: 40000, dport: 22, start: 600, packets: 1}.enriched(t))
	f.Add(flow{src: own, sport: 40000, dport: 22, start: 900, packets: 1}.enriched(t))
	before := f.Partial.Entries()
	evicted := Evict(f.Partial.Entries()-2, networks, f.Partial)
	if evicted > 2 || f.Partial.Entries() != before-evicted {
		t.Errorf("%d entries went of %d with room for all but two, %d are left", evicted, before, f.Partial.Entries())
	}
	Evict(30, networks, f.Partial)
	var left []string
	c := f.Partial.Pane(600).Contacts()
	for one := range c.All {
		left = append(left, one.Source.String())
		if n := one.Targets.Len(); n != 10 && one.Source.String() != own {
			t.Errorf("%s with %d targets was kept", one.Source, n)
		}
		if c.table.Find(keyOf(c, one.Source)) < 0 {
			t.Errorf("%s is not found any more", one.Source)
		}
	}
	if len(left) > 11 || len(left) < 5 || !slices.Contains(left, own) {
		t.Errorf("left are %v, want at most ten with ten targets, and %s", left, own)
	}
	if f.Partial.Pane(900).Contacts().Len() != 1 {
		t.Error("a pane that was not full lost its initiator")
	}
	f.Add(flow{src: "203.0.113.250", sport: 40000, dport: 22, start: 600, packets: 1}.enriched(t))
	if n := f.Partial.Pane(600).Contacts().Len(); n != len(left)+1 {
		t.Errorf("%d initiators after one more, want %d", n, len(left)+1)
	}
	Evict(0, networks, f.Partial)
	for start, want := range map[int64]int{600: 1, 900: 1} {
		if n := f.Partial.Pane(start).Contacts().Len(); n != want {
			t.Errorf("pane %d: %d initiators with no room at all, want %d, those of the own networks", start, n, want)
		}
	}
}

// keyOf returns the key of an initiator, found by looking through all.
func keyOf(c *Contacts, source netip.Addr) []byte {
	r := contactReader{of: c}
	for row := range c.Len() {
		if r.read(row).Source == source {
			return c.table.Key(row)
		}
	}
	return nil
}

func TestRetainKeepsRowsWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		table := NewTable(Schema{columns: []merge{sum, sum}, distinct: true})
		n := rapid.IntRange(0, 300).Draw(rt, "rows")
		for i := range n {
			row, _ := table.Row(fmt.Appendf(nil, "key %d", i*i))
			copy(table.Values(row), []int64{int64(i), -int64(i)})
			for k := range i % 200 {
				table.Distinct(row).Insert(uint64(i*1000+k+1) * 0x9E3779B97F4A7C15)
			}
		}
		kept := make(map[int]bool)
		var rows []int
		for i := range n {
			if rapid.Bool().Draw(rt, "keep") {
				kept[i], rows = true, append(rows, i)
			}
		}
		want := NewTable(table.schema)
		for i := range n {
			if kept[i] {
				row, _ := want.Row(table.Key(i))
				copy(want.Values(row), table.Values(i))
				want.sets[row].Merge(table.Distinct(i))
			}
		}
		table.retain(rows)
		for i := range n {
			if found := table.Find(fmt.Appendf(nil, "key %d", i*i)) >= 0; found != kept[i] {
				rt.Fatalf("key %d is found: %v, kept: %v", i*i, found, kept[i])
			}
		}
		row, inserted := table.Row([]byte("new"))
		if !inserted || table.Distinct(row).Count() != 0 || table.Values(row)[0] != 0 {
			rt.Fatal("the next row is not a row of zeros")
		}
		want.Row([]byte("new"))
		if !bytes.Equal(table.AppendBinary(nil), want.AppendBinary(nil)) {
			rt.Fatal("the table differs from one that never had the other rows")
		}
	})
}

// What first moves to the front is what sorting would.
func TestFirstIsWhatStays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rows := make([]looseRow, rapid.IntRange(0, 200).Draw(rt, "rows"))
		for i := range rows {
			rows[i] = looseRow{rapid.Uint64Range(0, 3).Draw(rt, "weight"), rapid.Uint64Range(0, 9).Draw(rt, "hash"), int32(i)}
		}
		sorted := slices.SortedFunc(slices.Values(rows), func(a, b looseRow) int {
			if a.before(&b) {
				return -1
			}
			return 1
		})
		n := rapid.IntRange(0, len(rows)).Draw(rt, "n")
		first(rows, n)
		want, got := map[looseRow]bool{}, map[looseRow]bool{}
		for i := range n {
			want[sorted[i]], got[rows[i]] = true, true
		}
		if !maps.Equal(want, got) {
			rt.Fatalf("the first %d of %v are %v", n, sorted, rows[:n])
		}
	})
}
