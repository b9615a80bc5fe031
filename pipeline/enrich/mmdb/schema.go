package mmdb

import (
	"strconv"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// schema says how the records of a database are written.
type schema uint8

const (
	// flat is that of IPinfo and ip-location-db: one level, numbers now and then
	// as texts.
	flat schema = iota
	// nested is that of MaxMind, which DB-IP and others follow.
	nested
)

// schemaOf tells the schema from a database's type, like GeoLite2-City,
// DBIP-Country-Lite, "ipinfo generic_lite.mmdb" or "country ipv4".
func schemaOf(kind string) schema {
	for _, prefix := range []string{"geoip", "geolite", "dbip", "geo-open", "geoopen"} {
		if strings.HasPrefix(strings.ToLower(kind), prefix) {
			return nested
		}
	}
	return flat
}

// place reads a record; list names the database where it tells the kind of an
// address.
func (s schema) place(result maxminddb.Result, list string) (enrich.Place, error) {
	var p enrich.Place
	var err error
	if s == nested {
		var r nestedRecord
		err = result.Decode(&r)
		r.fill(&p)
	} else {
		var r flatRecord
		err = result.Decode(&r)
		r.fill(&p)
	}
	if err != nil {
		return enrich.Place{}, err
	}
	if p.Kind != "" {
		p.List = list
	}
	return p, nil
}

// nestedRecord is what is read of the databases Country, City, Enterprise, ASN,
// ISP and Anonymous IP.
type nestedRecord struct {
	Country    nestedCountry `maxminddb:"country"`
	Registered nestedCountry `maxminddb:"registered_country"`
	City       struct {
		Names struct {
			English string `maxminddb:"en"`
		} `maxminddb:"names"`
	} `maxminddb:"city"`
	Location struct {
		Latitude  *float64 `maxminddb:"latitude"`
		Longitude *float64 `maxminddb:"longitude"`
	} `maxminddb:"location"`
	Traits  nestedSystem `maxminddb:"traits"` // of Enterprise and of DB-IP's Location + ISP
	Number  uint32       `maxminddb:"autonomous_system_number"`
	Name    string       `maxminddb:"autonomous_system_organization"`
	Tor     bool         `maxminddb:"is_tor_exit_node"`
	VPN     bool         `maxminddb:"is_anonymous_vpn"`
	Hosting bool         `maxminddb:"is_hosting_provider"`
}

type nestedCountry struct {
	Code string `maxminddb:"iso_code"`
}

type nestedSystem struct {
	Number uint32 `maxminddb:"autonomous_system_number"`
	Name   string `maxminddb:"autonomous_system_organization"`
}

func (r *nestedRecord) fill(p *enrich.Place) {
	p.Country = country(r.Country.Code, r.Registered.Code)
	p.City = line(r.City.Names.English)
	locate(p, r.Location.Latitude, r.Location.Longitude)
	p.ASN, p.ASName = r.Number, line(r.Name)
	if p.ASN == 0 {
		p.ASN, p.ASName = r.Traits.Number, line(r.Traits.Name)
	}
	p.Kind = kindOf(r.Tor, r.VPN, r.Hosting)
}

// flatRecord is what is read of IPinfo's databases (Lite, country, location, ASN,
// privacy) and of ip-location-db's (country, asn, city). What one writes as a
// number another writes as a text.
type flatRecord struct {
	CountryCode  string `maxminddb:"country_code"`
	Country      string `maxminddb:"country"` // a code, or a name beside the code
	City         any    `maxminddb:"city"`
	Latitude     any    `maxminddb:"latitude"`
	Longitude    any    `maxminddb:"longitude"`
	Lat          any    `maxminddb:"lat"`
	Lng          any    `maxminddb:"lng"`
	ASN          any    `maxminddb:"asn"`
	ASName       string `maxminddb:"as_name"`
	Name         string `maxminddb:"name"`
	Number       any    `maxminddb:"autonomous_system_number"`
	Organization string `maxminddb:"autonomous_system_organization"`
	Type         string `maxminddb:"type"` // of the system
	Tor          any    `maxminddb:"tor"`
	VPN          any    `maxminddb:"vpn"`
	Hosting      any    `maxminddb:"hosting"`
}

func (r *flatRecord) fill(p *enrich.Place) {
	p.Country = country(r.CountryCode, r.Country)
	if city, ok := r.City.(string); ok {
		p.City = line(city)
	}
	locate(p, firstNumber(r.Latitude, r.Lat), firstNumber(r.Longitude, r.Lng))
	for _, n := range []any{r.ASN, r.Number} {
		if p.ASN == 0 {
			p.ASN = systemNumber(n)
		}
	}
	if p.ASN != 0 {
		for _, name := range []string{r.ASName, r.Organization, r.Name} {
			if p.ASName == "" {
				p.ASName = line(name)
			}
		}
	}
	p.Kind = kindOf(isTrue(r.Tor), isTrue(r.VPN), isTrue(r.Hosting) || r.Type == "hosting")
}

// country returns the first that is a code.
func country(codes ...string) string {
	for _, c := range codes {
		if len(c) == 2 && 'A' <= c[0] && c[0] <= 'Z' && 'A' <= c[1] && c[1] <= 'Z' {
			return c
		}
	}
	return ""
}

// locate takes coordinates that are some.
func locate(p *enrich.Place, latitude, longitude *float64) {
	if latitude == nil || longitude == nil || !within(*latitude, 90) || !within(*longitude, 180) {
		return
	}
	p.Located, p.Latitude, p.Longitude = true, *latitude, *longitude
}

func within(degrees, most float64) bool { return -most <= degrees && degrees <= most }

// firstNumber returns the first that is a number, or a text of one.
func firstNumber(values ...any) *float64 {
	for _, v := range values {
		switch v := v.(type) {
		case float64:
			return &v
		case float32:
			wide := float64(v)
			return &wide
		case string:
			if f, err := strconv.ParseFloat(v, 64); err == nil {
				return &f
			}
		}
	}
	return nil
}

// systemNumber reads 15169, "15169" and "AS15169".
func systemNumber(v any) uint32 {
	switch v := v.(type) {
	case uint64:
		if v <= 1<<32-1 {
			return uint32(v)
		}
	case string:
		n, err := strconv.ParseUint(strings.TrimPrefix(v, "AS"), 10, 32)
		if err == nil {
			return uint32(n)
		}
	}
	return 0
}

func isTrue(v any) bool { return v == true || v == "true" }

func kindOf(tor, vpn, hosting bool) enrich.Kind {
	switch {
	case tor:
		return enrich.Tor
	case vpn:
		return enrich.VPN
	case hosting:
		return enrich.Hosting
	}
	return ""
}

// line makes a name fit for labels and terminals: valid, of one line, not endless.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > mostName {
		return strings.ToValidUTF8(s[:mostName], "")
	}
	return s
}

const mostName = 256 // bytes
