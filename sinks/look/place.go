package look

import (
	"fmt"
	"strings"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/sinks/worldmap"
)

// PlaceColumns are the heads of what PlaceCells returns.
func PlaceColumns() []Column {
	return []Column{{Name: "Country"}, {Name: "Network"}, {Name: "Type"}}
}

// PlaceCells tell where an address belongs: its country (and city), its
// autonomous system, and what it is used for.
func PlaceCells(p *enrich.Place) []Cell {
	return []Cell{
		Text(joined(PlaceName(p.City), Country(p.Country))),
		Text(system(p.ASN, p.ASName)),
		Text(joined(string(p.Kind), PlaceName(p.List), PlaceName(p.Service))),
	}
}

// Country names a country by its code, which a database may have made up.
func Country(code string) string { return PlaceName(worldmap.Name(code)) }

// system names an autonomous system, "" where it is 0.
func system(number uint32, name string) string {
	if number == 0 {
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf("AS%d %s", number, PlaceName(name)))
}

// placeNameMost is how many characters of a name from a database are shown.
const placeNameMost = 50

// PlaceName cuts a name of a city, an organisation or a list that is too long to
// be shown.
func PlaceName(s string) string { return clipTo(s, placeNameMost) }

// joined puts commas between words, but for those that are empty.
func joined(words ...string) string {
	all := words[:0]
	for _, w := range words {
		if w != "" {
			all = append(all, w)
		}
	}
	return strings.Join(all, ", ")
}
