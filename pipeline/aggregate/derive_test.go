package aggregate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// atlas puts the address 11.x.y.z into country x and system y.
type atlas struct{}

var atlasCountries = []string{"", "DE", "FR", "JP"}

func (atlas) Find(a netip.Addr) *enrich.Place {
	b := a.As4()
	if b[0] != 11 {
		return nil
	}
	p := &enrich.Place{Country: atlasCountries[b[1]%4], ASN: uint32(b[2] % 8)}
	if p.ASN != 0 {
		p.ASName = fmt.Sprintf("Net %d", p.ASN)
	}
	return p
}

func (atlas) Version() uint64               { return 0 }
func (atlas) Tells() (country, system bool) { return true, true }

var located = networks.With(enrich.NewPlaces(enrich.PlacesConfig{Databases: []enrich.Database{atlas{}}}))

func builtins(t *testing.T, pane int64, names ...string) *Plan {
	t.Helper()
	views := slices.DeleteFunc(BuiltinViews(), func(v View) bool { return !slices.Contains(names, v.Name) })
	p, err := NewPlan(views, pane)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Views by country and system say the same whether they are made from the view by
// source or from the records, also when most sources were evicted meanwhile.
func TestDerivedViewsAreThoseOfTheRecords(t *testing.T) {
	derived, folded := builtins(t, 300, "source", "country", "asn"), builtins(t, 300, "country", "asn")
	for i, want := range []bool{false, true, true} {
		if got := derived.views[i].derived != nil; got != want {
			t.Fatalf("view %s is derived: %v", derived.views[i].Name, got)
		}
	}
	if folded.views[0].derived != nil {
		t.Fatal("a view is made from one that is not there")
	}
	random := rand.New(rand.NewPCG(1, 2))
	var enriched enrich.Flow
	for round := range 50 {
		a, b := NewFolder(derived), NewFolder(folded)
		evicted := 0
		for range 400 {
			one := flow{
				src:   fmt.Sprintf("11.%d.%d.%d", random.IntN(5), random.IntN(9), random.IntN(3)),
				sport: 40000, dport: 443, start: 600 + random.Int64N(300), end: 600 + random.Int64N(900),
				packets: 1 + random.Int64N(9), bytes: 40 + random.Int64N(9000),
			}
			switch random.IntN(20) {
			case 0:
				one.src = "-"
			case 1:
				one.src = "2001:db8::1"
			case 2:
				one.dir = "egress"
			}
			one.end = max(one.start, one.end)
			located.Enrich(one.enriched(t).Record, &enriched)
			a.Add(&enriched)
			b.Add(&enriched)
			if round%2 == 0 && random.IntN(50) == 0 {
				evicted += Evict(5, located, a.Partial)
			}
		}
		if round%2 == 0 && evicted == 0 {
			t.Fatal("nothing was evicted")
		}
		for _, start := range b.Partial.Starts() {
			pane := a.Partial.Pane(start)
			pane.Derive(located.Places())
			for view := range 2 {
				if diff := cmp.Diff(rows(folded, b.Partial.Pane(start), view), rows(derived, pane, view+1)); diff != "" {
					t.Fatalf("round %d, pane %d, view %s (-from records +from sources):\n%s", round, start, folded.Views()[view].Name, diff)
				}
			}
		}
	}
}

// What a flood leaves of them has a bound: the keys with the most records, whole.
func TestDerivedViewsAreBounded(t *testing.T) {
	f := NewFolder(builtins(t, 300, "source", "country"))
	var enriched enrich.Flow
	for i := range 30 {
		one := flow{src: fmt.Sprintf("11.%d.0.1", i%5), sport: 40000, dport: 443, start: 600, end: 659, packets: 1, bytes: 40 + int64(i)}
		for range 1 + i%5 {
			located.Enrich(one.enriched(t).Record, &enriched)
			f.Add(&enriched)
		}
	}
	pane := f.Partial.Pane(600)
	pane.Derive(located.Places())
	before := rows(f.plan, pane, 1)
	if n := pane.evictDerived(len(before)); n != 0 {
		t.Errorf("%d keys go while there is room", n)
	}
	if n := pane.evictDerived(2); n != len(before)-2 {
		t.Errorf("%d keys of %d go to leave 2", n, len(before))
	}
	least := int64(math.MaxInt64)
	after := rows(f.plan, pane, 1)
	for key, values := range after {
		if diff := cmp.Diff(before[key], values); diff != "" {
			t.Errorf("%s (-before +after):\n%s", key, diff)
		}
		least = min(least, values[0])
	}
	for key, values := range before {
		if _, stays := after[key]; !stays && values[0] > least {
			t.Errorf("%s goes with %d records, and one stays with %d", key, values[0], least)
		}
	}
}

func TestWhichViewsAreDerived(t *testing.T) {
	const source = `{name: s, metric: s, where: {direction: ingress}, by: [source], measure: [flows, bytes], top: 10}`
	f := func(views string, want bool) {
		t.Helper()
		p, err := NewPlan([]View{view(t, source), view(t, views)}, 300)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.views[1].derived != nil; got != want {
			t.Errorf("%s: %v", views, got)
		}
	}
	f(`{name: a, metric: a, where: {direction: ingress}, by: [country], measure: [bytes, unique_sources], top: 5}`, true)
	f(`{name: a, metric: a, where: {direction: [ingress]}, by: [asn, as-name, country], measure: [flows], top: 5}`, true)
	f(`{name: a, metric: a, where: {direction: ingress}, by: [country], measure: [bytes], limit: 5}`, false)        // its counters grow before the pane closes
	f(`{name: a, metric: a, where: {direction: ingress}, by: [country], measure: [packets], top: 5}`, false)        // not measured by source
	f(`{name: a, metric: a, where: {direction: egress}, by: [country], measure: [bytes], top: 5}`, false)           // of the target
	f(`{name: a, metric: a, by: [country], measure: [bytes], top: 5}`, false)                                       // of other records
	f(`{name: a, metric: a, where: {direction: ingress}, by: [country, service], measure: [bytes], top: 5}`, false) // the record tells the service
	f(`{name: a, metric: a, where: {direction: ingress}, by: [country, dstport], measure: [bytes], top: 5}`, false) // so with the port
	f(`{name: a, metric: a, where: {direction: ingress, country: DE}, by: [asn], measure: [bytes], top: 5}`, false) // of some sources
	f(`{name: a, metric: a, where: {direction: ingress}, by: [source], measure: [bytes], top: 5}`, false)
}

func TestViewsOnPlaces(t *testing.T) {
	f := func(declared string, want map[string][]int64) {
		t.Helper()
		p, err := NewPlan([]View{view(t, declared)}, 300)
		if err != nil {
			t.Fatal(err)
		}
		folder := NewFolder(p)
		for _, one := range []flow{
			{src: "11.1.1.1", sport: 40000, dport: 443, start: 600, bytes: 1},
			{src: "11.2.1.1", sport: 40000, dport: 443, start: 600, bytes: 2},
			{src: "11.0.0.1", sport: 40000, dport: 443, start: 600, bytes: 4},
			{src: "10.0.0.1", dst: "11.1.2.1", dir: "egress", sport: 40000, dport: 443, start: 600, bytes: 8},
		} {
			e := one.enriched(t)
			located.Enrich(e.Record, e)
			folder.Add(e)
		}
		got := rows(p, folder.Partial.Pane(600), 0)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", declared, diff)
		}
	}
	f(`{name: a, metric: a, by: [country, asn, as-name], measure: [bytes], limit: 9}`,
		map[string][]int64{"[- - -]": {4}, "[DE 1 Net 1]": {1}, "[DE 2 Net 2]": {8}, "[FR 1 Net 1]": {2}})
	f(`{name: a, metric: a, where: {country: [DE]}, by: [direction], measure: [bytes], limit: 9}`, map[string][]int64{"[egress]": {8}, "[ingress]": {1}})
	f(`{name: a, metric: a, where: {country: ["-", FR]}, by: [country], measure: [bytes], limit: 9}`, map[string][]int64{"[-]": {4}, "[FR]": {2}})
	f(`{name: a, metric: a, where: {asn: [1, "-"]}, by: [asn], measure: [bytes], limit: 9}`, map[string][]int64{"[-]": {4}, "[1]": {3}})
	f(`{name: a, metric: a, where: {as-name: Net 2}, by: [service], measure: [bytes], limit: 9}`, map[string][]int64{"[-]": {8}})
}
