package aggregate

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func view(t *testing.T, text string) View {
	t.Helper()
	var v View
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestBuiltinViewsAreValid(t *testing.T) {
	for _, v := range BuiltinViews() {
		if err := v.Validate(); err != nil {
			t.Errorf("view %s: %v", v.Name, err)
		}
	}
}

func TestViewErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		v := view(t, text)
		err := v.Validate()
		got := ""
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	fields := "accepted are flow-log fields and direction, source, target, country, asn, service"
	f(`{name: a, metric: b, by: [source], measure: [flows], top: 5}`, "")
	f(`{name: a, metric: b, by: [region, dstport], measure: [packets-lost-no-route, bytes], limit: 5}`, "")
	f(`{name: A, metric: b-c, by: [source], measure: [flows], top: 5}`,
		`name: "A" is not a name (lower-case letters, digits, - and _, a letter first)`+"\n"+
			`metric: "b-c" is not the middle of a metric name (lower-case letters, digits and _, a letter first)`)
	f(`{name: a, metric: b, by: [sauce, source, source], measure: [flows], top: 5}`,
		`by[0]: "sauce" is no field; `+fields+"\n"+`by[2]: "source" is named twice`)
	f(`{name: a, metric: b, where: {colour: red}, by: [source], measure: [interface-id], top: 5}`,
		`where.colour: "colour" is no field; `+fields+"\n"+
			`measure[0]: "interface-id" is no measure; accepted are flows, bytes, packets, accepted_flows, rejected_flows, syn_only_flows, unique_sources and numeric flow-log fields`)
	f(`{name: a, metric: b, by: [source], measure: [flows], top: 5, limit: 5}`,
		`limit: give either limit (counters of so many keys) or top (gauges of the last pane)`)
	f(`{name: a, metric: b, by: [source], measure: [flows], top: 5, spike: true}`,
		`spike: the spike rule watches interfaces, so by must be [account-id, vpc-id, interface-id]`)
}

func TestWhereKeepsByValueListAndCIDR(t *testing.T) {
	f := func(where string, one flow, want bool) {
		t.Helper()
		v := view(t, `{name: a, metric: b, by: [dstport], measure: [flows], top: 5, where: `+where+`}`)
		p, err := NewPlan([]View{v}, 300)
		if err != nil {
			t.Fatal(err)
		}
		if got := fold(t, p, one).Pane(0).View(0).Len() == 1; got != want {
			t.Errorf("%s keeps %s: %v, want %v", where, one.line(), got, want)
		}
	}
	f(`{action: REJECT}`, flow{action: "REJECT"}, true)
	f(`{action: REJECT}`, flow{}, false)
	f(`{dstport: [22, 3389]}`, flow{dport: 3389}, true)
	f(`{dstport: [22, 3389]}`, flow{dport: 443}, false)
	f(`{source: 203.0.113.0/24}`, flow{src: "203.0.113.77"}, true)
	f(`{source: [198.51.100.0/24, "2001:db8::/32"]}`, flow{src: "203.0.113.77"}, false)
	f(`{source: [198.51.100.0/24, "2001:db8::/32"]}`, flow{src: "2001:db8::9", dst: "fd00::1"}, true)
	f(`{srcaddr: 203.0.113.9}`, flow{src: "203.0.113.9"}, true)
	f(`{direction: egress}`, flow{dir: "ingress"}, false)
	f(`{tcp-flags: "-"}`, flow{flags: "-"}, true)
	f(`{tcp-flags: "-"}`, flow{flags: "2"}, false)
	f(`{direction: ingress, action: ACCEPT, interface-id: eni-1}`, flow{}, true)
	f(`{direction: ingress, action: ACCEPT, interface-id: eni-2}`, flow{}, false)
}

func TestSeriesNames(t *testing.T) {
	v := view(t, `{name: a, metric: tgw, by: [tgw-id, source], measure: [packets-lost-no-route, unique_sources], limit: 5}`)
	if diff := cmp.Diff([]string{"tgw_packets_lost_no_route_total", "tgw_unique_sources"},
		[]string{v.SeriesName(v.Measure[0]), v.SeriesName(v.Measure[1])}); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"tgw_id", "source"}, v.Labels()); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

func TestViewsNobodySuppliesAreNamed(t *testing.T) {
	off := map[string]string{}
	for _, v := range BuiltinViews() {
		if field, ok := v.Unsupplied(false); !ok {
			off[v.Name] = field
		}
	}
	if diff := cmp.Diff(map[string]string{"country": "country", "asn": "asn"}, off); diff != "" {
		t.Errorf("views that are off without geo data (-want +got):\n%s", diff)
	}
}
