package enrich

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadLists(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "lists/scanner/list.json", `{"name":"Scanners","type":"cidr","version":3,"list":["192.0.2.0/24","198.51.100.7","2001:db8::/32"]}`)
	write(t, dir, "lists/hosts/list.json", `{"type":"hostname","list":["example.com"]}`)
	write(t, dir, "own.txt", "\xef\xbb\xbf# ours\n10.9.8.7/16 # host bits\r\n\n203.0.113.9")
	write(t, dir, "README.md", "not a list")
	lists, err := ReadLists([]string{filepath.Join(dir, "lists"), filepath.Join(dir, "own.txt")})
	if err != nil {
		t.Fatal(err)
	}
	want := "[{Scanners [192.0.2.0/24 198.51.100.7/32 2001:db8::/32]} {own.txt [10.9.0.0/16 203.0.113.9/32]}]"
	if got := fmt.Sprint(lists.All); got != want || len(lists.Prefixes()) != 5 {
		t.Errorf("%s, want %s", got, want)
	}
	if len(lists.Skipped) != 1 || !strings.Contains(lists.Skipped[0], `hosts/list.json has the type "hostname"`) {
		t.Errorf("skipped %q", lists.Skipped)
	}
}

func TestReadListsErrors(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct{ text, want string }{
		"line.txt":    {"10.0.0.0/8\nexample.com\n", `line.txt:2: "example.com" is no network; accepted: `},
		"length.txt":  {"10.0.0.0/40\n", "length.txt:1: "},
		"item.json":   {"{\"type\":\"cidr\",\n\"list\":[\n\"10.0.0.0/8\",\n\"x\"]}", `item.json:4: list[1]: "x" is no network`},
		"syntax.json": {"{\"type\":\n,}", "syntax.json:2: "},
		"cut.json":    {"{\n\n", "cut.json:2: "},
		"number.json": {"{\"type\":\"cidr\",\"list\":\n[1]}", "number.json:2: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadLists([]string{write(t, dir, name, test.text)})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
	if _, err := ReadLists([]string{filepath.Join(dir, "missing")}); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("missing file: %v", err)
	}
}

// The search agrees with asking every network, at its edges too.
func TestNetworksAgreesWithEveryPrefix(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var all []netip.Prefix
		for range random.IntN(12) {
			v4 := netip.AddrFrom4([4]byte{10, 0, byte(random.IntN(4)), byte(random.IntN(256))})
			v6 := netip.AddrFrom16([16]byte{0x20, 1, 14: byte(random.IntN(4)), 15: byte(random.IntN(256))})
			all = append(all, netip.PrefixFrom(v4, 20+random.IntN(13)), netip.PrefixFrom(v6, 116+random.IntN(13)))
		}
		n := NewNetworks(all)
		for range 500 {
			a := netip.AddrFrom4([4]byte{10, 0, byte(random.IntN(5)), byte(random.IntN(256))})
			if random.IntN(2) == 0 {
				a = netip.AddrFrom16([16]byte{0x20, 1, 14: byte(random.IntN(5)), 15: byte(random.IntN(256))})
			}
			want := false
			for _, p := range all {
				want = want || p.Contains(a)
			}
			if got := n.Contains(a); got != want {
				t.Fatalf("%s in %v: %t, want %t", a, all, got, want)
			}
		}
	}
}

// FuzzList holds that a list is read or refused with its line, and that what is
// read are networks.
func FuzzList(f *testing.F) {
	f.Add([]byte(`{"name":"Scanners","type":"cidr","version":3,"list":["192.0.2.0/24","198.51.100.7","2001:db8::/32"]}`))
	f.Add([]byte("# ours\n10.9.8.7/16 # host bits\r\n\n203.0.113.9"))
	f.Add([]byte("{\"type\":\"cidr\",\n\"list\":[\n\"10.0.0.0/8\",\n\"x\"]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var lists Lists
		if err := lists.parse("list", text); err != nil {
			if !strings.HasPrefix(err.Error(), "list:") {
				t.Errorf("%v does not name its place", err)
			}
			return
		}
		for _, p := range lists.Prefixes() {
			if !p.IsValid() || p != p.Masked() {
				t.Errorf("%s is no network", p)
			}
		}
		NewPlaces(PlacesConfig{Lists: []Listed{{Kind: Scanner, Prefixes: lists.Prefixes()}}})
	})
}
