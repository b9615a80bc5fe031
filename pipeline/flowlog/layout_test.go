package flowlog

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLayout(t *testing.T) {
	f := func(format, want string, unknown ...string) {
		t.Helper()
		l, err := ParseLayout(format)
		if err != nil {
			t.Fatalf("ParseLayout(%q): %v", format, err)
		}
		if l.String() != want {
			t.Errorf("ParseLayout(%q) = %q, want %q", format, l, want)
		}
		if diff := cmp.Diff(unknown, l.Unknown()); diff != "" {
			t.Errorf("ParseLayout(%q): unknown (-want +got):\n%s", format, diff)
		}
		if n := len(strings.Fields(want)); l.Len() != n {
			t.Errorf("ParseLayout(%q) has %d columns, want %d", format, l.Len(), n)
		}
	}
	f(V2, V2)
	f(ConsoleV5, ConsoleV5)
	f(TransitGatewayDefault, TransitGatewayDefault)
	f("srcaddr", "srcaddr")
	f("${version} ${account-id} ${flow-direction}", "version account-id flow-direction")
	f("${version},${pkt-srcaddr}", "version pkt-srcaddr")
	f("version, account_id,\tpkt_src_aws_service\r\n", "version account-id pkt-src-aws-service")
	f("version brand-new srcaddr ${other_new}", "version brand-new srcaddr other-new", "brand-new", "other-new")
}

func TestParseLayoutRefuses(t *testing.T) {
	f := func(format, want string) {
		t.Helper()
		l, err := ParseLayout(format)
		if err == nil {
			t.Fatalf("ParseLayout(%q) = %q, want an error", format, l)
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("ParseLayout(%q): %q, want it to say %q", format, err, want)
		}
	}
	f("", "empty")
	f(" \t ,", "empty")
	f("version srcaddr version", "names version twice (column 1 and 3)")
	f("pkt-srcaddr ${pkt_srcaddr}", "names pkt-srcaddr twice (column 1 and 2)")
	f("srcaddr new new", "names new twice (column 2 and 3)")
	f("version ${}", "no name in column 2")
	f("2 123456789012 eni-1", "no known field (2 123456789012 eni-1)")
}

func TestLayoutHas(t *testing.T) {
	if l := DefaultV2(); l.String() != V2 || !l.Has(LogStatus) || l.Has(FlowDirection) || l.Has(PacketsLostTTLExpired) {
		t.Errorf("DefaultV2 is %q", l)
	}
	l, err := ParseLayout(TransitGatewayDefault)
	if err != nil {
		t.Fatal(err)
	}
	if !l.Has(PacketsLostTTLExpired) || l.Has(Action) || l.Has(InterfaceID) || l.Len() != 36 {
		t.Errorf("the transit gateway's layout is %q", l)
	}
	for f := Field(0); f < NumFields; f++ {
		for _, spelling := range []string{f.String(), strings.ReplaceAll(f.String(), "-", "_"), "${" + f.String() + "}"} {
			if got, ok := Lookup(spelling); !ok || got != f {
				t.Errorf("Lookup(%q) = %v, %v", spelling, got, ok)
			}
		}
	}
}

func TestReasons(t *testing.T) {
	var names []string
	for _, r := range Reasons() {
		names = append(names, r.String())
	}
	want := []string{"fields", "number", "address", "time", "action", "status", "direction", "format", "line", "text", "payload"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	if ReasonNone.String() != "" {
		t.Errorf("ReasonNone is called %q", ReasonNone)
	}
}
