package summary

import (
	"cmp"
	"net/netip"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// places adds up ingress by country, autonomous system and city.
type places struct {
	locate    func(netip.Addr) enrich.Place
	countries map[string]*Country
	asns      map[uint32]*AS
	cities    map[spot]*City
}

// spot is what tells cities apart: there is a Springfield in many a state.
type spot struct {
	country, city       string
	latitude, longitude float64
}

func newPlaces(locate func(netip.Addr) enrich.Place) *places {
	return &places{
		locate: locate, countries: make(map[string]*Country), asns: make(map[uint32]*AS), cities: make(map[spot]*City),
	}
}

// add counts one source.
func (p *places) add(addr netip.Addr, records int64) {
	if p.locate == nil {
		return
	}
	place := p.locate(addr)
	c := p.countries[place.Country]
	if c == nil {
		c = &Country{Country: place.Country}
		p.countries[place.Country] = c
	}
	c.Records, c.UniqueSources = add(c.Records, records), c.UniqueSources+1
	as := p.asns[place.ASN]
	if as == nil {
		as = &AS{ASN: place.ASN}
		p.asns[place.ASN] = as
	}
	// One number may carry several names: the least is the one whatever came first.
	if name := place.ASName; place.ASN != 0 && name != "" && (as.ASName == "" || name < as.ASName) {
		as.ASName = name
	}
	as.Records, as.UniqueSources = add(as.Records, records), as.UniqueSources+1
	p.addCity(&place, records)
}

func (p *places) addCity(place *enrich.Place, records int64) {
	if place.City == "" && !place.Located {
		return
	}
	at := spot{place.Country, place.City, place.Latitude, place.Longitude}
	c := p.cities[at]
	if c == nil {
		c = &City{
			Country: place.Country, City: place.City,
			Located: place.Located, Latitude: place.Latitude, Longitude: place.Longitude,
		}
		p.cities[at] = c
	}
	c.Records, c.UniqueSources = add(c.Records, records), c.UniqueSources+1
}

// report writes the first n countries and systems, by records and then by name or
// number, all countries, and the first cities.
func (p *places) report(r *Report, n int) {
	countries := ranking[Country]{limit: len(p.countries), compare: func(a, b Country) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Country, b.Country))
	}}
	for _, c := range p.countries {
		countries.add(*c)
	}
	asns := ranking[AS]{limit: n, compare: func(a, b AS) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.ASN, b.ASN))
	}}
	for _, a := range p.asns {
		asns.add(*a)
	}
	cities := ranking[City]{limit: max(n, mostCities), compare: func(a, b City) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Country, b.Country), cmp.Compare(a.City, b.City),
			cmp.Compare(a.Latitude, b.Latitude), cmp.Compare(a.Longitude, b.Longitude))
	}}
	for _, c := range p.cities {
		cities.add(*c)
	}
	r.AllCountries = countries.items
	r.Countries = append(r.Countries, countries.items[:min(n, len(countries.items))]...)
	r.ASNs = append(r.ASNs, asns.items...)
	r.Cities = cities.items
}
