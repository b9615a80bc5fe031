package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"go.uber.org/zap"

	"github.com/flowwatch/flowwatch/pipeline/summary"
)

// cityDatabase writes a database in which 11.0.0.0/8 is in Bern and of AS 64500,
// and returns its path.
func cityDatabase(t *testing.T) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "ipinfo test", BuildEpoch: 1_790_000_000})
	if err != nil {
		t.Fatal(err)
	}
	_, network, err := net.ParseCIDR("11.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	err = tree.Insert(network, mmdbtype.Map{
		"country_code": mmdbtype.String("CH"), "city": mmdbtype.String("Bern"), "lat": mmdbtype.String("46.95"), "lng": mmdbtype.String("7.45"),
		"asn": mmdbtype.String("AS64500"), "as_name": mmdbtype.String("Example"),
	})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return write(t, "city.mmdb", b.String())
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// someFlows is a log with one source in the test's database, one of our own and
// one of documentation.
func someFlows(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for i, src := range []string{"11.1.2.3", "11.1.2.3", "11.1.2.3", "10.0.0.9", "10.0.0.9", "203.0.113.9"} {
		fmt.Fprintf(&b, "2 111122223333 eni-1 %s 10.0.0.1 4000%d 443 6 1 40 1764000000 1764000059 ACCEPT OK\n", src, i)
	}
	return write(t, "flow.log", b.String())
}

func TestAnalyzeTellsPlaces(t *testing.T) {
	scanners := write(t, "list.json", `{"name":"Scanners","type":"cidr","list":["11.1.2.0/24"]}`)
	w := newWorld(nil)
	if code := w.run(t, "analyze", "--internal", "10.0.0.1/32", "--database", cityDatabase(t), "--list", "scanner="+scanners, someFlows(t)); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &w.stderr)
	}
	for _, want := range []string{
		"11.1.2.3           3  120 B        3        1  CH scanner AS64500 Example Bern\n",
		"10.0.0.9           2   80 B        2        1  private\n",
		"203.0.113.9        1   40 B        1        1  bogon\n",
		"\nCountries   records  sources\nnone known        3        2\nCH                3        1\n",
		"\nCities   records  sources\nCH Bern        3        1\n",
		"\nNetworks    records  sources  name\nnone known        3        2\nAS64500           3        1  Example\n",
	} {
		if !strings.Contains(w.stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, &w.stdout)
		}
	}
}

// The places in the JSON are those of its contract, and everything else is as
// without them.
func TestAnalyzeJSONTellsPlaces(t *testing.T) {
	report := func(args ...string) summary.Report {
		t.Helper()
		w := newWorld(nil)
		if code := w.run(t, append([]string{"analyze", "--output", "json", "--internal", "10.0.0.0/8", someFlows(t)}, args...)...); code != exitOK {
			t.Fatalf("exit code %d: %s", code, &w.stderr)
		}
		var r summary.Report
		if err := json.Unmarshal(w.stdout.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	located := report("--database", cityDatabase(t))
	if diff := cmp.Diff([]summary.Country{{Country: "CH", Records: 3, UniqueSources: 1}, {Country: "", Records: 1, UniqueSources: 1}}, located.Countries); diff != "" {
		t.Errorf("countries (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]summary.AS{{ASN: 64500, ASName: "Example", Records: 3, UniqueSources: 1}, {ASN: 0, Records: 1, UniqueSources: 1}}, located.ASNs); diff != "" {
		t.Errorf("systems (-want +got):\n%s", diff)
	}
	top := located.TopSources[0]
	if top.Country != "CH" || top.ASN != 64500 || top.ASName != "Example" || top.Records != 3 {
		t.Errorf("top source %+v", top)
	}
	plain := report()
	for _, r := range []*summary.Report{&located, &plain} {
		r.Countries, r.ASNs = nil, nil
		for i := range r.TopSources {
			s := &r.TopSources[i]
			s.Country, s.ASN, s.ASName = "", 0, ""
		}
	}
	if diff := cmp.Diff(plain, located, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmpopts.IgnoreUnexported(summary.Port{})); diff != "" {
		t.Errorf("what a database changed besides (-without +with):\n%s", diff)
	}
}

func TestAnalyzePlaceErrors(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		w := newWorld(nil)
		if code := w.run(t, append([]string{"analyze", someFlows(t)}, args...)...); code != exitUsage || !strings.Contains(w.stderr.String(), want) {
			t.Errorf("%v: exit code %d, %q, want %q", args, code, &w.stderr, want)
		}
	}
	f("missing.mmdb", "--database", "missing.mmdb")
	f("accepted: an mmdb file", "--database", someFlows(t))
	f(`--list: "proxy=x" names no kind and path; accepted: scanner=, tor=`, "--list", "proxy=x")
	f(`"scanner" names no kind and path`, "--list", "scanner")
	f(`flow.log:1: "2 111122223333`, "--list", "vpn="+someFlows(t))
}

// With a database the views by country and system are on, whatever is built in.
func TestPlacesOfAService(t *testing.T) {
	cfg := defaultConfig()
	cfg.Enrich.Databases = []string{cityDatabase(t)}
	cfg.Enrich.AWSRanges = write(t, "ip-ranges.json", `{"prefixes":[{"ip_prefix":"11.1.0.0/16","service":"EC2"}]}`)
	cfg.Checkpoint.File.Dir = t.TempDir()
	w := newWorld(nil)
	s, err := assemble(context.Background(), &w.env, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	on := map[string]bool{}
	for _, v := range s.pipeline.Published().Views {
		on[v.Name] = true
	}
	if !on["country"] || !on["asn"] {
		t.Errorf("views that are on: %v", on)
	}
	if p := s.places.Lookup(netip.MustParseAddr("11.1.2.3")); p.City != "Bern" || p.Service != "EC2" {
		t.Errorf("%+v", p)
	}
	for key, broken := range map[string]EnrichConfig{
		"enrich.databases:":  {Databases: []string{"missing.mmdb"}},
		"enrich.lists.tor:":  {Lists: KindListsConfig{Tor: []string{"missing.txt"}}},
		"enrich.aws_ranges:": {AWSRanges: "missing.json"},
	} {
		if _, _, err := openPlaces(&broken, nil, zap.NewNop()); err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%v, want it to begin with %s", err, key)
		}
	}
}
