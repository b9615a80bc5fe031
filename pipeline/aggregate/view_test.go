package aggregate

import (
	"errors"
	"fmt"
	"slices"
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
	const (
		fields   = "accepted: direction, source, target, country, asn, as-name, service, and any flow-log field"
		measures = "accepted: flows, bytes, packets, accepted_flows, rejected_flows, syn_only_flows, unique_sources, and any numeric flow-log field"
		bounds   = "accepted: limit (counters of so many keys) or top (gauges of the last closed pane)"
	)
	f(`{name: a, metric: b, by: [source], measure: [flows], top: 5}`, "")
	f(`{name: a, metric: b, by: [region, dstport], measure: [packets-lost-no-route, bytes], limit: 5}`, "")
	f(`{name: a, metric: b, by: [country, asn, service], measure: [unique_sources], limit: 5}`, "")
	f(`{name: A, metric: b-c, by: [source], measure: [flows], top: 5}`,
		`name: "A" can't be one; accepted: lower-case letters, digits, _ and -, a letter first`+"\n"+
			`metric: "b-c" can't be one; accepted: lower-case letters, digits and _, a letter first`)
	f(`{}`, `name: is missing; accepted: lower-case letters, digits, _ and -, a letter first`+"\n"+
		`metric: is missing; accepted: lower-case letters, digits and _, a letter first`+"\n"+
		`by: is missing or empty; accepted: a list of at least one name`+"\n"+
		`measure: is missing or empty; accepted: a list of at least one name`+"\n"+
		`has no bound; `+bounds)
	f(`{name: a, metric: b, by: [sauce, source, source], measure: [flows], top: 5}`,
		`by[0]: "sauce" is no field; `+fields+"\n"+`by[2]: "source" is named twice; accepted: each name once`)
	f(`{name: a, metric: b, by: [interface-id, interface_id, "${region}"], measure: [packets_lost_no_route, packets-lost-no-route], top: 5}`,
		`by[1]: "interface_id" is named twice; accepted: each name once`+"\n"+
			`by[2]: "${region}" is no field; `+fields+"\n"+
			`measure[1]: "packets-lost-no-route" is named twice; accepted: each name once`)
	f(`{name: a, metric: b, where: {colour: red}, by: [source], measure: [interface-id], top: 5}`,
		`where.colour: "colour" is no field; `+fields+"\n"+`measure[0]: "interface-id" is no measure; `+measures)
	f(`{name: a, metric: b, where: {region: []}, by: [source], measure: [flows], top: 5}`, `where.region: is an empty list; accepted: at least one value`)
	f(`{name: a, metric: b, by: [source], measure: [flows], top: 5, limit: 5}`, `top: stands beside limit; `+bounds)
	f(`{name: a, metric: b, by: [source], measure: [flows], top: -5}`, `top: -5 is too small; accepted: at least 1`)
	f(`{name: a, metric: b, by: [source], measure: [flows], limit: -5}`, `limit: -5 is too small; accepted: at least 1`)
	f(`{name: a, metric: b, by: [source], measure: [flows], top: 5, spike: true}`,
		`spike: the rule watches interfaces; accepted: only with by: [account-id, vpc-id, interface-id]`)
}

// A value that no record can have would leave a view empty for ever.
func TestWhereValues(t *testing.T) {
	f := func(field string, values Values, wrong string, accepted string) {
		t.Helper()
		v := View{Name: "a", Metric: "b", Where: map[string]Values{field: values}, By: []string{"source"}, Measure: []string{"flows"}, Top: 5}
		want, got := "", ""
		if accepted != "" {
			want = fmt.Sprintf("where.%s[0]: %q is none of its values; accepted: %s", field, wrong, accepted)
		}
		if err := v.Validate(); err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", field, values, diff)
		}
	}
	good := func(field string, values ...string) { t.Helper(); f(field, values, "", "") }
	bad := func(field, value, accepted string) { t.Helper(); f(field, Values{value}, value, accepted) }
	good("direction", "ingress", "egress", "unknown")
	bad("direction", "-", "ingress, egress, unknown") // null is "unknown" here
	bad("direction", "inbound", "ingress, egress, unknown")
	good("flow-direction", "ingress", "egress", "-")
	bad("flow_direction", "unknown", "ingress, egress, or - for none")
	good("action", "ACCEPT", "REJECT", "-")
	bad("action", "accept", "ACCEPT, REJECT, or - for none")
	good("log-status", "OK", "NODATA", "SKIPDATA")
	bad("log-status", "FINE", "OK, NODATA, SKIPDATA, or - for none")
	good("source", "10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "2001:db8::1", "-")
	bad("target", "10.0.0.0/33", "an address or a network like 10.0.0.0/8, or - for none")
	bad("srcaddr", "fe80::1%eth0", "an address or a network like 10.0.0.0/8, or - for none")
	bad("pkt_dstaddr", "10.1.2.3/8", "10.0.0.0/8, or - for none")
	good("dstport", "0", "65535", "-")
	bad("dstport", "65536", "a whole number up to 65535, or - for none")
	bad("dstport", "022", "a whole number up to 65535, or - for none") // compared as text
	bad("dstport", "ssh", "a whole number up to 65535, or - for none")
	bad("protocol", "256", "a whole number up to 255, or - for none")
	bad("bytes", "-1", "a whole number, or - for none")
	good("bytes", "9000000000")
	good("region", "anything")
	good("country", "DE")
}

// The names that an unknown one may have been meant for.
func TestUnknownName(t *testing.T) {
	f := func(text, want, known, unknown string) {
		t.Helper()
		v := view(t, text)
		var e *UnknownName
		if !errors.As(v.Validate(), &e) {
			t.Fatalf("%s: no UnknownName in %v", text, v.Validate())
		}
		name, names := e.Unknown()
		if name != want || !slices.Contains(names, known) || slices.Contains(names, unknown) {
			t.Errorf("%s: %q, of %v", text, name, names)
		}
	}
	f(`{name: a, metric: b, by: [srcadr], measure: [flows], top: 5}`, "srcadr", "srcaddr", "flows")
	f(`{name: a, metric: b, by: [source], measure: [flow], top: 5}`, "flow", "flows", "srcaddr")
	f(`{name: a, metric: b, by: [source], measure: [packet-lost-no-route], top: 5}`, "packet-lost-no-route", "packets-lost-no-route", "region")
	f(`{name: a, metric: b, where: {directon: ingress}, by: [source], measure: [flows], top: 5}`, "directon", "direction", "flows")
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
		if field, ok := v.Unsupplied(Supply{}); !ok {
			off[v.Name] = field
		}
	}
	if diff := cmp.Diff(map[string]string{"country": "country", "asn": "asn"}, off); diff != "" {
		t.Errorf("views that are off without geo data (-want +got):\n%s", diff)
	}
}
