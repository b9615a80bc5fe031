package flowlog

import "testing"

const (
	lineV2   = "2 123456789012 eni-0050644426037aa0f 10.26.1.153 203.0.113.29 60220 443 6 48 21869 1669842701 1669842722 ACCEPT OK"
	lineIPv6 = "2 123456789010 eni-1235b8ca123456789 2001:db8:1234:a100:8d6e:3477:df66:f105 2001:db8:1234:a102:3304:8879:34cf:4071 34892 22 6 54 8855 1477913708 1477913820 ACCEPT OK"
	lineV5   = "123456789012 ACCEPT use1-az1 4249 172.31.16.21 22 1418530070 ingress i-01234567890123456 eni-1235b8ca123456789 OK 20 - 172.31.16.21 - 172.31.16.139 6 us-east-1 172.31.16.139 20641 1418530010 - - subnet-aaaaaaaa012345678 2 - IPv4 5 vpc-abcdefab012345678"
	lineTGW  = "6 TransitGateway 123456789012 tgw-0abc tgw-attach-0abc 123456789012 210987654321 vpc-1 vpc-2 subnet-1 subnet-2 eni-1 eni-2 use1-az1 use1-az2 tgw-attach-1 10.0.0.1 10.0.1.1 12345 443 6 10 1000 1700000000 1700000060 OK IPv4 0 0 0 0 2 us-east-1 ingress - -"
)

func BenchmarkParse(b *testing.B) {
	for _, c := range []struct{ name, format, line string }{
		{"v2", V2, lineV2},
		{"v5", ConsoleV5, lineV5},
		{"ipv6", V2, lineIPv6},
	} {
		l := mustLayout(c.format)
		b.Run(c.name, func(b *testing.B) { benchmark(b, c.line, l.Parse) })
		p := NewParser([]*Layout{l})
		b.Run(c.name+"-parser", func(b *testing.B) {
			benchmark(b, c.line, func(line []byte, r *Record) Reason {
				_, reason := p.Parse(line, r)
				return reason
			})
		})
	}
}

func benchmark(b *testing.B, text string, parse func([]byte, *Record) Reason) {
	line := []byte(text)
	var r Record
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if reason := parse(line, &r); reason != ReasonNone {
			b.Fatal(reason)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func TestParseAllocatesNothing(t *testing.T) {
	custom := mustLayout("instance-id interface-id srcaddr dstaddr")
	for _, c := range []struct {
		name, line string
		formats    []*Layout
	}{
		{"v2", lineV2, nil},
		{"ipv6", lineIPv6, nil},
		{"v5", lineV5, []*Layout{mustLayout(ConsoleV5)}},
		{"transit gateway", lineTGW, nil},
		{"second of two", lineV5, []*Layout{custom, mustLayout(ConsoleV5)}},
		{"begins like a header", "i-01234567890123456 eni-1111aaaa2222bbbb3 10.0.1.5 203.0.113.5", []*Layout{custom}},
		{"malformed", "2 123456789012 eni-0050644426037aa0f 10.26.1.153 203.0.113.29 60220 443 6 99999999999999999999 1 1 1 ACCEPT OK", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, line := NewParser(c.formats), []byte(c.line)
			var r Record
			if n := testing.AllocsPerRun(100, func() { p.Parse(line, &r) }); n != 0 {
				t.Errorf("a line makes %v allocations", n)
			}
		})
	}
}
