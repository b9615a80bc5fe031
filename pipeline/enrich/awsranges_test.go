package enrich

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

const someRanges = `{
  "syncToken": "1795000000", "createDate": "2026-11-18-12-00-00",
  "prefixes": [
    {"ip_prefix": "3.5.140.0/22", "region": "ap-northeast-2", "service": "AMAZON", "network_border_group": "ap-northeast-2"},
    {"ip_prefix": "3.5.140.0/22", "region": "ap-northeast-2", "service": "S3", "network_border_group": "ap-northeast-2"}
  ],
  "ipv6_prefixes": [
    {"ipv6_prefix": "2600:1f14::/35", "region": "us-west-2", "service": "EC2", "network_border_group": "us-west-2"}
  ]
}`

func TestReadAWSRanges(t *testing.T) {
	ranges, err := ReadAWSRanges(write(t, t.TempDir(), "ip-ranges.json", someRanges))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(ranges), "[{3.5.140.0/22 AMAZON} {3.5.140.0/22 S3} {2600:1f14::/35 EC2}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	f := func(text, want string) {
		t.Helper()
		if _, err := ReadAWSRanges(write(t, t.TempDir(), "ranges.json", text)); err == nil || !strings.Contains(err.Error(), "ranges.json") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	f("{\n,}", "ranges.json:2: ")
	f(`{}`, "holds no prefixes; accepted: the ip-ranges.json of AWS")
	f(`{"prefixes":[{"ip_prefix":"3.5.140.0/40","service":"S3"}]}`, `prefixes[0]: "3.5.140.0/40" is no network`)
	f(`{"prefixes":[{"ip_prefix":"3.5.140.0/22","service":"S3"}],"ipv6_prefixes":[{"ipv6_prefix":"2600::/20"}]}`, "ipv6_prefixes[0]: 2600::/20 has no service")
	if _, err := ReadAWSRanges(filepath.Join(t.TempDir(), "missing.json")); err == nil || !strings.Contains(err.Error(), "missing.json") {
		t.Errorf("a missing file: %v", err)
	}
}

func FuzzAWSRanges(f *testing.F) {
	f.Add([]byte(someRanges))
	f.Add([]byte(`{"prefixes":[{"ip_prefix":"3.5.140.0/40","service":"S3"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		ranges, err := parseAWSRanges("ip-ranges.json", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "ip-ranges.json:") {
				t.Errorf("%v does not name the file", err)
			}
			return
		}
		places := NewPlaces(PlacesConfig{Services: ranges})
		for _, r := range ranges {
			if r.Service == "" || places.services.at(r.Prefix.Addr()) == 0 {
				t.Errorf("%s of %q is not found", r.Prefix, r.Service)
			}
		}
	})
}
