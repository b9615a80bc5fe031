package look

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

func TestPlaceCells(t *testing.T) {
	f := func(p enrich.Place, want ...string) {
		t.Helper()
		cells := PlaceCells(&p)
		var got []string
		for _, c := range cells {
			got = append(got, c.Text)
		}
		if diff := cmp.Diff(want, got); diff != "" || len(cells) != len(PlaceColumns()) {
			t.Errorf("%+v (-want +got):\n%s", p, diff)
		}
	}
	f(enrich.Place{}, Unknown, Unknown, Unknown)
	f(enrich.Place{Kind: enrich.Private}, Unknown, Unknown, "private")
	f(enrich.Place{Country: "DE"}, "Germany", Unknown, Unknown)
	f(enrich.Place{Country: "QQ", City: "Nowhere", ASN: 64500}, "Nowhere, QQ", "AS64500", Unknown)
	f(enrich.Place{Country: "US", ASN: 16509, ASName: "Amazon.com, Inc.", Kind: enrich.Scanner, List: "own list", Service: "EC2"},
		"United States of America", "AS16509 Amazon.com, Inc.", "scanner, own list, EC2")
}

// Databases are files of others: their names have a length.
func TestPlaceCellsAreBounded(t *testing.T) {
	long := strings.Repeat("ß", 10_000)
	for _, c := range PlaceCells(&enrich.Place{Country: long, City: long, ASN: 1, ASName: long, Kind: enrich.Tor, List: long, Service: long}) {
		if n := utf8.RuneCountInString(c.Text); n > 150 || !strings.Contains(c.Text, "ß…") {
			t.Errorf("%d characters: %.60s", n, c.Text)
		}
	}
}
