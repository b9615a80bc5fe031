package flowlog

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
	"github.com/google/go-cmp/cmp"
)

// dump is what a record says of each field that is not null.
func dump(r *Record) map[string]string {
	values := map[string]string{}
	for f := Field(0); f < NumFields; f++ {
		if !r.Has(f) {
			if v, ok := r.Int(f); ok || v != 0 || r.Text(f) != nil || f.Kind() == Addr && r.Addr(f).IsValid() {
				values[f.String()] = "stale"
			}
			continue
		}
		switch f.Kind() {
		case Text:
			values[f.String()] = string(r.Text(f))
		case Addr:
			values[f.String()] = r.Addr(f).String()
		default:
			v, _ := r.Int(f)
			values[f.String()] = strconv.FormatInt(v, 10)
		}
	}
	return values
}

func TestParse(t *testing.T) {
	f := func(format, line string, want map[string]string) {
		t.Helper()
		var r Record
		if reason := mustLayout(format).Parse([]byte(line), &r); reason != ReasonNone {
			t.Fatalf("%q: malformed, reason %v", line, reason)
		}
		if diff := cmp.Diff(want, dump(&r)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", line, diff)
		}
	}
	v2 := map[string]string{
		"version": "2", "account-id": "123456789012", "interface-id": "eni-0050644426037aa0f",
		"srcaddr": "10.26.1.153", "dstaddr": "203.0.113.29", "srcport": "60220", "dstport": "443", "protocol": "6",
		"packets": "48", "bytes": "21869", "start": "1669842701", "end": "1669842722", "action": "1", "log-status": "1",
	}
	f(V2, lineV2, v2)
	f(V2, "  "+lineV2+"  ", v2)
	f(V2, lineV2+"\r", v2)
	f(V2, lineV2+" \r\n", v2)
	f(V2, strings.ReplaceAll(lineV2, " ", " \t  "), v2)
	f(V2, "2 123456789010 eni-1 - - - - - - - 1431280876 1431280934 - NODATA", map[string]string{
		"version": "2", "account-id": "123456789010", "interface-id": "eni-1", "start": "1431280876", "end": "1431280934", "log-status": "2"})
	f(V2, "2 unknown - - - - - - - - 1431280876000 1431280934000 - SKIPDATA", map[string]string{
		"version": "2", "account-id": "unknown", "start": "1431280876", "end": "1431280934", "log-status": "3"})
	f("srcaddr dstaddr pkt-srcaddr pkt-dstaddr", "2001:DB8::1 ::ffff:10.0.0.1 :: -", map[string]string{
		"srcaddr": "2001:db8::1", "dstaddr": "10.0.0.1", "pkt-srcaddr": "::"})
	f("account-id bytes packets", "000123 9223372036854775807 0000000000000000000012", map[string]string{
		"account-id": "000123", "bytes": "9223372036854775807", "packets": "12"})
	f("srcport dstport protocol tcp-flags", "65535 0 255 255", map[string]string{
		"srcport": "65535", "dstport": "0", "protocol": "255", "tcp-flags": "255"})
	f("flow-direction action", "ingress REJECT", map[string]string{"flow-direction": "1", "action": "2"})
	f("flow-direction action", "egress -", map[string]string{"flow-direction": "2"})
	f("new srcaddr new-2", "whatever 10.0.0.1 -", map[string]string{"srcaddr": "10.0.0.1"})
	f("start end", "1700000000 1700003600", map[string]string{"start": "1700000000", "end": "1700003600"})
	f("start end", "100000000000 100000000000", map[string]string{"start": "100000000000", "end": "100000000000"})
	f("start end", "- 5", map[string]string{"end": "5"})
	f("end", "100000000001", map[string]string{"end": "100000000"})
	f("interface-id", "-eni", map[string]string{"interface-id": "-eni"})
	f("interface-id", "-", map[string]string{})
}

func TestParseMalformed(t *testing.T) {
	f := func(format, line string, want Reason) {
		t.Helper()
		l := mustLayout(format)
		var r Record
		if reason := mustLayout(V2).Parse([]byte(lineV2), &r); reason != ReasonNone {
			t.Fatal(reason)
		}
		if got := l.Parse([]byte(line), &r); got != want {
			t.Errorf("%.80q: reason %q, want %q", line, got, want)
		}
		if values := dump(&r); len(values) > 0 || r.Extra() || r.TransitGateway() || string(r.Line()) != line {
			t.Errorf("%.80q leaves %v", line, values)
		}
	}
	for column, c := range map[int][]struct {
		value string
		want  Reason
	}{
		0:  {{"two", ReasonNumber}, {"-2", ReasonNumber}, {"+2", ReasonNumber}, {"2.0", ReasonNumber}},
		3:  {{"10.0.0", ReasonAddress}, {"10.0.0.256", ReasonAddress}, {"10.0.0.01", ReasonAddress}, {"fe80::1%eth0", ReasonAddress}, {"amazon", ReasonAddress}},
		4:  {{"1:2:3:4:5:6:7", ReasonAddress}, {"1::2::3", ReasonAddress}, {"10.0.0.1/32", ReasonAddress}, {"10.0.0.1.2", ReasonAddress}},
		5:  {{"65536", ReasonNumber}, {"abc", ReasonNumber}},
		7:  {{"256", ReasonNumber}},
		8:  {{"9223372036854775808", ReasonNumber}, {"99999999999999999999999", ReasonNumber}, {"18446744073709551617", ReasonNumber}},
		9:  {{"1e3", ReasonNumber}},
		10: {{"1669842723", ReasonTime}, {"1669839121", ReasonTime}, {"100000000000001", ReasonTime}, {"now", ReasonNumber}},
		11: {{"1669842700", ReasonTime}, {"1669846302", ReasonTime}},
		12: {{"accept", ReasonAction}, {"ACCEPTED", ReasonAction}, {"--", ReasonAction}},
		13: {{"ok", ReasonStatus}, {"NODATA2", ReasonStatus}, {"1", ReasonStatus}},
	} {
		for _, c := range c {
			tokens := strings.Fields(lineV2)
			tokens[column] = c.value
			f(V2, strings.Join(tokens, " "), c.want)
		}
	}
	f("flow-direction", "unknown", ReasonDirection)
	f("flow-direction", "Ingress", ReasonDirection)
	f("tcp-flags", "256", ReasonNumber)
	f("tcp-flags srcaddr", "18", ReasonFields)
	f("srcaddr", "", ReasonFields)
	f("srcaddr", "  \r", ReasonFields)
	f(V2, "2 123456789012 eni-4d3c2b1a", ReasonFields)
	f(V2, "2 123456789012 eni-4d3c2b1a 10.0.", ReasonFields) // a cut: not ReasonAddress
	f("interface-id", strings.Repeat("x", MaxLine+1), ReasonLine)
}

func TestExtraValues(t *testing.T) {
	var r Record
	l := DefaultV2()
	if reason := l.Parse([]byte(lineV2+" vpc-1 -"), &r); reason != ReasonNone || !r.Extra() {
		t.Errorf("reason %q, extra %v", reason, r.Extra())
	}
	if reason := l.Parse([]byte(lineV2+"  "), &r); reason != ReasonNone || r.Extra() {
		t.Errorf("reason %q, extra %v", reason, r.Extra())
	}
}

func TestTransitGateway(t *testing.T) {
	f := func(format, line string, want bool) {
		t.Helper()
		var r Record
		if reason := mustLayout(format).Parse([]byte(line), &r); reason != ReasonNone {
			t.Fatalf("%q: reason %q", line, reason)
		}
		if got := r.TransitGateway(); got != want {
			t.Errorf("%q: TransitGateway() = %v", line, got)
		}
	}
	f(TransitGatewayDefault, lineTGW, true)
	f("version tgw-attachment-id", "2 -", true)
	f("version tgw-id", "2 tgw-1", true)
	f("version resource-type", "6 TransitGatewayAttachment", true)
	f("version resource-type", "6 -", false)
	f("version resource-type", "6 NatGateway", false)
	f("version interface-type", "11 transit_gateway", false)
	f(V2, strings.Replace(lineV2, "2 ", "6 ", 1), false)
}

func TestDefaultsOfNull(t *testing.T) {
	var r Record
	if reason := mustLayout("srcaddr").Parse([]byte("10.0.0.1"), &r); reason != ReasonNone {
		t.Fatal(reason)
	}
	if r.Status() != OK || r.Action() != 0 || r.FlowDirection() != 0 || r.IntOr(SrcPort, -1) != -1 {
		t.Error("a field that the format lacks is not null")
	}
}

func TestAddress(t *testing.T) {
	for _, s := range []string{
		"0.0.0.0", "255.255.255.255", "1.2.3.4", "::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
		"fe80::1:2", "::ffff:1.2.3.4", "::1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "64:ff9b::192.0.2.33", "ABCD:EF01::",
		"", ".", ":", ":::", "1.2.3", "1.2.3.4.", ".1.2.3.4", "1..2.3", "1.2.3.04", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3",
		"1:2:3:4:5:6:7:8::", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "12345::", "g::", "1:", ":1", "::1%eth0", "::%", "1.2.3.4%eth0",
		"::1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "1.2.3.4::", "::1.2.3.4:5", "1.2.3.400", "+1.2.3.4",
	} {
		checkAddress(t, s)
	}
}

func checkAddress(t *testing.T, s string) {
	t.Helper()
	want, err := netip.ParseAddr(s)
	wantOK := err == nil && want.Zone() == ""
	got, end, ok := address([]byte(s), 0)
	if ok != wantOK || ok && (got != want.Unmap() || end != len(s)) {
		t.Errorf("address(%q) = %v, %d, %v; netip says %v, %v", s, got, end, ok, want, err)
	}
	// Far from the end of its line it is read another way.
	got, end, ok = address([]byte("x "+s+" 198.51.100.254 x"), 2)
	if s != "" && (ok != wantOK || ok && (got != want.Unmap() || end != 2+len(s))) {
		t.Errorf("address(%q) within a line = %v, %d, %v; netip says %v, %v", s, got, end, ok, want, err)
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"1.2.3.4", "2001:db8::8d6e:3477:df66:f105", "::ffff:1.2.3.4", "1::2::3", "1.2.3.04"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		defer hostiletest.Bound(t)()
		if strings.IndexFunc(s, func(r rune) bool { return r < 0x80 && isBlank(byte(r)) }) < 0 {
			checkAddress(t, s)
		}
	})
}

// render writes a record as a line of the layout.
func render(l *Layout, r *Record) string {
	var out []string
	for _, c := range l.columns {
		if c.kind == skipped || !r.Has(c.field) {
			out = append(out, "-")
			continue
		}
		switch c.kind {
		case Addr:
			out = append(out, r.Addr(c.field).String())
		case Int, Port, Octet, Time:
			out = append(out, fmt.Sprint(r.IntOr(c.field, -1)))
		default:
			out = append(out, string(r.Text(c.field)))
		}
	}
	return strings.Join(out, " ")
}

func FuzzParse(f *testing.F) {
	f.Add(V2, lineV2)
	f.Add(V2, lineIPv6)
	f.Add(V2, "2 123456789010 eni-1 - - - - - - - 1431280876000 1431280934000 - SKIPDATA\r")
	f.Add(ConsoleV5, lineV5)
	f.Add(TransitGatewayDefault, lineTGW)
	f.Add("${srcaddr},new_field,${end}", "\t::ffff:10.0.0.1  x  1700000000 y")
	hostiletest.Seeds(f, "vpc/*.txt", func(seed []byte) {
		format := V2
		for line := range strings.Lines(string(seed)) {
			if order, ok := strings.CutPrefix(strings.TrimSpace(line), "#format "); ok {
				format = order
				continue
			}
			f.Add(format, strings.TrimSpace(line))
		}
	})
	f.Fuzz(func(t *testing.T, format, line string) {
		defer hostiletest.Bound(t)()
		l, err := ParseLayout(format)
		if err != nil {
			return
		}
		again, err := ParseLayout(l.String())
		if err != nil || again.String() != l.String() {
			t.Fatalf("%q is canonically %q, which gives %v, %v", format, l, again, err)
		}
		var r, second Record
		if reason := l.Parse([]byte(line), &r); reason != ReasonNone {
			if values := dump(&r); len(values) > 0 {
				t.Fatalf("malformed (%v) and yet %v", reason, values)
			}
			return
		}
		text := render(l, &r)
		if reason := l.Parse([]byte(text), &second); reason != ReasonNone {
			t.Fatalf("%q was good, %q is not: %v", line, text, reason)
		}
		if diff := cmp.Diff(dump(&r), dump(&second)); diff != "" {
			t.Fatalf("%q and %q differ:\n%s", line, text, diff)
		}
	})
}

// A column that nobody knows is no address that another could repeat.
func TestSkippedColumnIsNoTwin(t *testing.T) {
	l := mustLayout("new-field srcaddr dstaddr")
	var r Record
	for _, line := range []string{"x 198.51.100.1 198.51.100.2", "10.0.0.1 10.0.0.1 10.0.0.2"} {
		if reason := l.Parse([]byte(line), &r); reason != ReasonNone {
			t.Fatal(reason)
		}
	}
	want := map[string]string{"srcaddr": "10.0.0.1", "dstaddr": "10.0.0.2"}
	if diff := cmp.Diff(want, dump(&r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// However long a number is and wherever in a line it stands, it is what strconv
// reads.
func TestNumber(t *testing.T) {
	l := mustLayout("bytes packets")
	var r Record
	for _, digits := range []string{"0", "7", "00", "12", "345", "0678", "12345", "999999", "1234567", "12345678", "123456789", "1234567890123456",
		"99999999999999999", "123456789012345678", "1234567890123456789", "9223372036854775807", "00000000000000000000000000000001"} {
		for _, line := range []string{digits + " 1", "1 " + digits, digits + " 1 xxxxxxxxxxxx", "1 " + digits + "\t\t\t\t\t\t\t\t\t"} {
			if reason := l.Parse([]byte(line), &r); reason != ReasonNone {
				t.Fatalf("%q: %v", line, reason)
			}
			want, err := strconv.ParseInt(digits, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.IntOr(Bytes, -1) * r.IntOr(Packets, -1); got != want {
				t.Errorf("%q: %d, want %d", line, got, want)
			}
		}
	}
	for _, bad := range []string{"9223372036854775808", "99999999999999999999", "1234567/", "12345678:", "1:", "/", "12a45678", "-1", "1\x80", "1234567\xb0", "\xb9"} {
		for _, line := range []string{bad + " 1", "1 " + bad, bad + " 1 xxxxxxxxxxxx"} {
			if reason := l.Parse([]byte(line), &r); reason != ReasonNumber {
				t.Errorf("%q: %v, want %v", line, reason, ReasonNumber)
			}
		}
	}
}
