package detect

import (
	"strings"
	"testing"
)

func TestSuppressionMatches(t *testing.T) {
	f := Finding{Rule: "bruteforce", Account: "111122223333", Key: "198.51.100.7", Time: 1000}
	spike := Finding{Rule: "spike", Account: "111122223333", Key: "eni-0abc", Time: 1000}
	for _, test := range []struct {
		name string
		s    Suppression
		f    *Finding
		want bool
	}{
		{"rule", Suppression{Rule: "bruteforce", Until: 1001}, &f, true},
		{"another rule", Suppression{Rule: "spike", Until: 1001}, &f, false},
		{"until is the first moment after", Suppression{Rule: "bruteforce", Until: 1000}, &f, false},
		{"address", Suppression{Source: "198.51.100.7", Until: 1001}, &f, true},
		{"network", Suppression{Source: "198.51.100.0/24", Until: 1001}, &f, true},
		{"network with host bits", Suppression{Source: "198.51.100.9/24", Until: 1001}, &f, true},
		{"another network", Suppression{Source: "198.51.101.0/24", Until: 1001}, &f, false},
		{"network of the other family", Suppression{Source: "::/0", Until: 1001}, &f, false},
		{"account", Suppression{Account: "111122223333", Until: 1001}, &f, true},
		{"another account", Suppression{Account: "444455556666", Source: "198.51.100.7", Until: 1001}, &f, false},
		{"interface", Suppression{Source: "eni-0abc", Until: 1001}, &spike, true},
		{"another interface", Suppression{Source: "eni-0abd", Until: 1001}, &spike, false},
		{"network and interface", Suppression{Source: "0.0.0.0/0", Until: 1001}, &spike, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := (Suppressions{test.s}).Match(test.f) != nil; got != test.want {
				t.Errorf("Match: %t, want %t", got, test.want)
			}
		})
	}
}

func TestSuppressionConfig(t *testing.T) {
	for _, test := range []struct {
		name, want string
		s          Suppression
	}{
		{"all", "", Suppression{Rule: "spike", Source: "eni-0abc", Account: "1", Until: 1, Reason: "r"}},
		{"network", "", Suppression{Source: "2001:db8::/32", Until: 1, Reason: "r"}},
		{"bad network", "source:", Suppression{Source: "10.0.0.0/33", Until: 1, Reason: "r"}},
		{"bad address", "source:", Suppression{Source: "10.0.0.256", Until: 1, Reason: "r"}},
		{"everything", "has no rule", Suppression{Until: 1, Reason: "r"}},
		{"blank reason", "reason:", Suppression{Rule: "spike", Until: 1, Reason: " "}},
	} {
		if err := test.s.Validate(); (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	for text, want := range map[string]Until{"2027-01-01": 1798761600, "2027-01-01T01:00:00+01:00": 1798761600, "tomorrow": 0, "": 0} {
		var u Until
		if err := u.UnmarshalText([]byte(text)); (err == nil) != (want != 0) || u != want {
			t.Errorf("%q: %d, %v; want %d", text, u, err, want)
		}
	}
}
