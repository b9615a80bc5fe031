package summary

import (
	"cmp"
	"net/netip"
)

// places adds up ingress by country and by autonomous system.
type places struct {
	locate    func(netip.Addr) (country string, asn uint32, asName string)
	countries map[string]*Country
	asns      map[uint32]*AS
}

func newPlaces(locate func(netip.Addr) (string, uint32, string)) *places {
	return &places{locate: locate, countries: make(map[string]*Country), asns: make(map[uint32]*AS)}
}

// add counts one source.
func (p *places) add(addr netip.Addr, records int64) {
	if p.locate == nil {
		return
	}
	country, asn, name := p.locate(addr)
	c := p.countries[country]
	if c == nil {
		c = &Country{Country: country}
		p.countries[country] = c
	}
	c.Records, c.UniqueSources = add(c.Records, records), c.UniqueSources+1
	as := p.asns[asn]
	if as == nil {
		as = &AS{ASN: asn, ASName: name}
		p.asns[asn] = as
	}
	// One number may carry several names: the least is the one whatever came first.
	if name != "" && (as.ASName == "" || name < as.ASName) {
		as.ASName = name
	}
	as.Records, as.UniqueSources = add(as.Records, records), as.UniqueSources+1
}

// report writes the first n of each list, by records and then by name or number.
func (p *places) report(r *Report, n int) {
	countries := ranking[Country]{limit: n, compare: func(a, b Country) int {
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
	r.Countries = append(r.Countries, countries.items...)
	r.ASNs = append(r.ASNs, asns.items...)
}
