package aggregate

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// The built-in views that are off unless a configuration names them.
func TestOptionalViews(t *testing.T) {
	var off []string
	for _, v := range BuiltinViews() {
		if v.Off {
			off = append(off, v.Name)
		}
	}
	want := []string{"nat-gateway", "cross-az", "rejected-port", "aws-service", "transit-gateway-drops", "ecs-service"}
	if diff := cmp.Diff(want, off); diff != "" {
		t.Errorf("views that are off (-want +got):\n%s", diff)
	}
	p, err := NewPlan(slices.DeleteFunc(BuiltinViews(), func(v View) bool { return !v.Off }), 300)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(p.Views()); n != 0 {
		t.Errorf("%d views that are off are computed", n)
	}
}

// What each of them counts of lines in a format that has its fields: the rows
// of its table by key, in the order of its measures.
func TestOptionalViewsCount(t *testing.T) {
	const ends = " start end action log-status"
	f := func(view, format string, lines string, want map[string][]int64) {
		t.Helper()
		got := viewOf(t, view, format, strings.Split(strings.TrimSpace(lines), "\n"))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("view %s (-want +got):\n%s", view, diff)
		}
	}
	// An upload of 5,000 bytes passes a gateway as ingress from the host and as
	// egress to the Internet, its answer of 70,000 the other way round: 75,000
	// are processed. The regional one has no interface.
	f("nat-gateway", "account-id vpc-id interface-id resource-id interface-type srcaddr dstaddr pkt-srcaddr pkt-dstaddr srcport dstport protocol packets bytes flow-direction"+ends, `
111122223333 vpc-1 eni-0a - nat_gateway 10.0.1.5 10.0.0.9 10.0.1.5 192.0.2.7 40000 443 6 9 5000 ingress 600 659 ACCEPT OK
111122223333 vpc-1 eni-0a - nat_gateway 10.0.0.9 192.0.2.7 10.0.0.9 192.0.2.7 2000 443 6 9 5000 egress 600 659 ACCEPT OK
111122223333 vpc-1 eni-0a - nat_gateway 192.0.2.7 10.0.0.9 192.0.2.7 10.0.0.9 443 2000 6 60 70000 ingress 600 659 ACCEPT OK
111122223333 vpc-1 eni-0a - nat_gateway 10.0.0.9 10.0.1.5 192.0.2.7 10.0.1.5 443 40000 6 60 70000 egress 600 659 ACCEPT OK
111122223333 vpc-1 - nat-0b regional_nat_gateway 10.0.1.6 192.0.2.7 10.0.1.6 192.0.2.7 40001 443 6 2 300 ingress 600 659 ACCEPT OK
111122223333 vpc-1 eni-0c - - 192.0.2.7 10.0.1.5 192.0.2.7 10.0.1.5 443 40000 6 60 70000 ingress 600 659 ACCEPT OK
111122223333 vpc-1 eni-0a - nat_gateway - - - - - - - - - - 660 719 - NODATA`,
		map[string][]int64{"111122223333 vpc-1 eni-0a": {2, 75000, 69}, "111122223333 vpc-1 nat-0b": {1, 300, 2}})

	// Between two zones, within one, and to the Internet; what arrives was
	// counted where it left.
	f("cross-az", "account-id az-id next-hop-az-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes flow-direction"+ends, `
111122223333 euc1-az1 euc1-az2 eni-1 10.0.1.5 10.0.2.5 40000 5432 6 4 1000 egress 600 659 ACCEPT OK
111122223333 euc1-az2 euc1-az1 eni-2 10.0.1.5 10.0.2.5 40000 5432 6 4 1000 ingress 600 659 ACCEPT OK
111122223333 euc1-az2 euc1-az1 eni-2 10.0.2.5 10.0.1.5 5432 40000 6 8 6000 egress 600 659 ACCEPT OK
111122223333 euc1-az1 euc1-az1 eni-1 10.0.1.5 10.0.1.6 40001 6379 6 2 200 egress 600 659 ACCEPT OK
111122223333 euc1-az1 - eni-1 10.0.1.5 192.0.2.7 40002 443 6 3 900 egress 600 659 ACCEPT OK`,
		map[string][]int64{
			"111122223333 euc1-az1 euc1-az2": {1, 1000, 4}, "111122223333 euc1-az2 euc1-az1": {1, 6000, 8},
			"111122223333 euc1-az1 euc1-az1": {1, 200, 2}, "111122223333 euc1-az1 -": {1, 900, 3},
		})

	// The default format does: two sources at Telnet, one of them twice.
	f("rejected-port", "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes"+ends, `
2 111122223333 eni-1 192.0.2.7 10.0.1.5 40000 23 6 1 44 600 659 REJECT OK
2 111122223333 eni-1 192.0.2.7 10.0.1.6 40001 23 6 2 88 600 659 REJECT OK
2 111122223333 eni-1 192.0.2.8 10.0.1.5 40000 23 6 1 44 600 659 REJECT OK
2 111122223333 eni-1 192.0.2.8 10.0.1.5 40000 161 17 1 70 600 659 REJECT OK
2 111122223333 eni-1 192.0.2.8 10.0.1.5 40001 443 6 5 700 600 659 ACCEPT OK
2 111122223333 eni-1 10.0.1.5 192.0.2.8 40001 25 6 5 700 600 659 REJECT OK`,
		map[string][]int64{"23 6": {3, 4, 2}, "161 17": {1, 1, 1}})

	f("aws-service", "account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes pkt-src-aws-service pkt-dst-aws-service flow-direction"+ends, `
111122223333 eni-1 10.0.1.5 52.219.170.1 40000 443 6 9 5000 - S3 egress 600 659 ACCEPT OK
111122223333 eni-1 52.219.170.1 10.0.1.5 443 40000 6 50 60000 S3 - ingress 600 659 ACCEPT OK
111122223333 eni-1 52.219.170.2 10.0.1.5 443 40001 6 50 1000 S3 - ingress 600 659 ACCEPT OK
111122223333 eni-1 192.0.2.7 10.0.1.5 40000 443 6 5 700 - - ingress 600 659 ACCEPT OK`,
		map[string][]int64{"egress - S3": {1, 5000, 9}, "ingress S3 -": {2, 61000, 100}, "ingress - -": {1, 700, 5}})

	// The default format of Transit Gateway flow logs, all 36 fields.
	const tgw = "version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-account-id tgw-dst-vpc-account-id tgw-src-vpc-id tgw-dst-vpc-id " +
		"tgw-src-subnet-id tgw-dst-subnet-id tgw-src-eni tgw-dst-eni tgw-src-az-id tgw-dst-az-id tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol " +
		"packets bytes start end log-status type packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded packets-lost-ttl-expired " +
		"tcp-flags region flow-direction pkt-src-aws-service pkt-dst-aws-service"
	f("transit-gateway-drops", tgw, `
6 TransitGateway 111122223333 tgw-1 tgw-attach-1 111122223333 444455556666 vpc-1 vpc-2 subnet-1 subnet-2 eni-1 eni-2 euc1-az1 euc1-az2 tgw-attach-2 10.0.1.5 10.1.1.5 40000 443 6 9 900 600 659 OK IPv4 3 0 1 0 2 eu-central-1 ingress - -
6 TransitGateway 111122223333 tgw-1 tgw-attach-1 111122223333 444455556666 vpc-1 vpc-2 subnet-1 subnet-2 eni-1 eni-2 euc1-az1 euc1-az2 tgw-attach-2 10.0.1.6 10.1.1.5 40000 443 6 9 900 600 659 OK IPv4 4 2 0 0 2 eu-central-1 ingress - -
6 TransitGateway 111122223333 tgw-1 tgw-attach-2 444455556666 111122223333 vpc-2 vpc-1 subnet-2 subnet-1 eni-2 eni-1 euc1-az2 euc1-az1 tgw-attach-1 10.1.1.5 10.0.1.5 443 40000 6 9 900 600 659 OK IPv4 0 0 0 5 0 eu-central-1 egress - -`,
		map[string][]int64{"tgw-1 vpc-1 vpc-2": {7, 2, 1, 0}, "tgw-1 vpc-2 vpc-1": {0, 0, 0, 5}})

	f("ecs-service", "account-id interface-id ecs-cluster-name ecs-service-name srcaddr dstaddr srcport dstport protocol packets bytes flow-direction"+ends, `
111122223333 eni-1 shop checkout 192.0.2.7 10.0.1.5 40000 8080 6 5 700 ingress 600 659 ACCEPT OK
111122223333 eni-1 shop checkout 192.0.2.7 10.0.1.5 40001 22 6 1 44 ingress 600 659 REJECT OK
111122223333 eni-1 shop checkout 10.0.1.5 192.0.2.7 8080 40000 6 9 9000 egress 600 659 ACCEPT OK
111122223333 eni-2 - - 192.0.2.7 10.0.1.6 40000 443 6 5 500 ingress 600 659 ACCEPT OK`,
		map[string][]int64{
			"111122223333 shop checkout ingress": {2, 744, 6, 1}, "111122223333 shop checkout egress": {1, 9000, 9, 0},
			"111122223333 - - ingress": {1, 500, 5, 0},
		})
}

// viewOf folds lines of a format by one built-in view, switched on, and returns
// the rows of the pane at 600.
func viewOf(t *testing.T, name, format string, lines []string) map[string][]int64 {
	t.Helper()
	views := BuiltinViews()
	i := slices.IndexFunc(views, func(v View) bool { return v.Name == name })
	if i < 0 {
		t.Fatalf("there is no view %s", name)
	}
	views[i].Off = false
	p, err := NewPlan(views[i:i+1], 300)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := flowlog.ParseLayout(format)
	if err != nil {
		t.Fatal(err)
	}
	folder := NewFolder(p)
	for _, line := range lines {
		var r flowlog.Record
		if reason := fields.Parse([]byte(line), &r); reason != 0 {
			t.Fatalf("%s: malformed: %v", line, reason)
		}
		var e enrich.Flow
		networks.Enrich(&r, &e)
		folder.Add(&e)
	}
	got := map[string][]int64{}
	for key, values := range rows(p, folder.Partial.Pane(600), 0) {
		got[strings.Trim(key, "[]")] = values
	}
	return got
}
