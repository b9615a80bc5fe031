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

func TestReadAllowLists(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "lists/scanner/list.json", `{"name":"Scanners","type":"cidr","version":3,"list":["192.0.2.0/24","198.51.100.7","2001:db8::/32"]}`)
	write(t, dir, "lists/hosts/list.json", `{"type":"hostname","list":["example.com"]}`)
	write(t, dir, "own.txt", "\xef\xbb\xbf# ours\n10.9.8.7/16 # host bits\r\n\n203.0.113.9")
	write(t, dir, "README.md", "not a list")
	lists, err := ReadAllowLists([]string{filepath.Join(dir, "lists"), filepath.Join(dir, "own.txt")})
	if err != nil {
		t.Fatal(err)
	}
	want := "[192.0.2.0/24 198.51.100.7/32 2001:db8::/32 10.9.0.0/16 203.0.113.9/32]"
	if got := fmt.Sprint(lists.Prefixes); got != want || lists.Files != 2 {
		t.Errorf("%d files with %s, want 2 with %s", lists.Files, got, want)
	}
	if len(lists.Skipped) != 1 || !strings.Contains(lists.Skipped[0], `hosts/list.json has the type "hostname"`) {
		t.Errorf("skipped %q", lists.Skipped)
	}
}

func TestReadAllowListsErrors(t *testing.T) {
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
			_, err := ReadAllowLists([]string{write(t, dir, name, test.text)})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
	if _, err := ReadAllowLists([]string{filepath.Join(dir, "missing")}); err == nil || !strings.Contains(err.Error(), "missing") {
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
