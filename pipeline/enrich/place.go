package enrich

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/enrich/geotable"
)

// Place is what is known of where an address belongs. Fields that nothing tells
// are empty. It is a plain value that may be kept.
type Place struct {
	Country string `json:"country,omitempty"` // ISO 3166-1 alpha-2
	City    string `json:"city,omitempty"`
	// Latitude and Longitude are in degrees, north and east positive; they hold
	// only where Located is true.
	Latitude  float64 `json:"latitude,omitempty"`
	Longitude float64 `json:"longitude,omitempty"`
	Located   bool    `json:"located,omitempty"`
	ASN       uint32  `json:"asn,omitempty"`     // of the autonomous system that announces it
	ASName    string  `json:"as_name,omitempty"` // its organisation
	Kind      Kind    `json:"kind,omitempty"`
	List      string  `json:"list,omitempty"`    // the list that says so, where one does
	Service   string  `json:"service,omitempty"` // of AWS, as the flow log's pkt-src-aws-service has it
}

// Kind is what an address is used for, "" when nothing tells.
type Kind string

// The kinds. The first three are told by the address itself; the others by lists
// and databases.
const (
	Own     Kind = "own"     // in the own networks
	Private Kind = "private" // for use within a network: RFC 1918, RFC 6598, RFC 4193, link-local
	Bogon   Kind = "bogon"   // can't be a source on the Internet: reserved, documentation, multicast, loopback
	Scanner Kind = "scanner" // known for scanning the Internet
	Tor     Kind = "tor"     // an exit of the Tor network
	VPN     Kind = "vpn"
	Hosting Kind = "hosting" // of a cloud or data centre
)

// Database knows where addresses belong. Find returns nil when it does not know;
// what it returns stays as it is. Version changes when the answers do. Safe for
// concurrent use.
type Database interface {
	Find(netip.Addr) *Place
	Version() uint64
	// Tells reports whether it knows countries, and whether systems.
	Tells() (country, system bool)
}

// Places tells where an address belongs. Safe for concurrent use; nil knows
// nothing. It allocates nothing, but for what a database may on its first look at
// a record.
type Places struct {
	own       *Networks
	table     *geotable.Table
	databases []Database
	lists     *prefixMap
	listed    []Listed // by value of lists, less 1
	services  *prefixMap
	names     []string // of services, by value, less 1
}

// PlacesConfig says what is known of addresses.
type PlacesConfig struct {
	Own       []netip.Prefix
	Databases []Database      // what an earlier one tells of an address counts, field by field
	Table     *geotable.Table // for what no database tells; nil for none
	Lists     []Listed
	Services  []AWSRange
}

// Listed are networks of one kind, with the name of the list that says so.
type Listed struct {
	Kind     Kind
	Name     string
	Prefixes []netip.Prefix
}

// AWSRange is a network of AWS with its service.
type AWSRange struct {
	Prefix  netip.Prefix
	Service string
}

// NewPlaces compiles what is known.
func NewPlaces(c PlacesConfig) *Places {
	p := &Places{own: NewNetworks(c.Own), table: c.Table, databases: c.Databases, listed: c.Lists}
	p.lists = mapLists(c.Lists)
	p.services, p.names = mapServices(c.Services)
	return p
}

// Lookup tells where an address belongs. One that is special by itself (IANA's
// registries) has a kind and nothing else; one of the own networks that the
// Internet reaches has all. Of IPv4 behind NAT64 (64:ff9b::/96) the IPv4 address
// counts.
func (p *Places) Lookup(a netip.Addr) Place {
	a = plain(a)
	if p == nil || !a.IsValid() {
		return Place{}
	}
	own := p.own.Contains(a)
	if special := specialKind(a); special != "" {
		if own {
			special = Own
		}
		return Place{Kind: special}
	}
	place := p.locate(a)
	place.Service = p.service(a)
	if i := p.lists.at(a); i > 0 {
		place.Kind, place.List = p.listed[i-1].Kind, p.listed[i-1].Name
	}
	if own {
		place.Kind, place.List = Own, ""
	}
	return place
}

// Version changes when the answers of Lookup do.
func (p *Places) Version() uint64 {
	if p == nil {
		return 0
	}
	version := uint64(0)
	for _, d := range p.databases {
		version += d.Version()
	}
	return version
}

// Tells reports whether countries are known at all, and whether systems.
func (p *Places) Tells() (country, system bool) {
	if p == nil {
		return false, false
	}
	country, system = p.table != nil, p.table != nil
	for _, d := range p.databases {
		c, s := d.Tells()
		country, system = country || c, system || s
	}
	return country, system
}

// locate asks the databases, and the table for what they do not tell.
func (p *Places) locate(a netip.Addr) Place {
	var place Place
	for _, d := range p.databases {
		if found := d.Find(a); found != nil {
			place.fill(found)
		}
	}
	if place.Country == "" {
		place.Country = p.table.Country(a)
	}
	if place.ASN == 0 {
		place.ASN, place.ASName = p.table.System(a)
	}
	return place
}

// fill takes what p lacks: a field alone or, where they mean something together
// only, all of them.
func (p *Place) fill(from *Place) {
	if p.Country == "" {
		p.Country = from.Country
	}
	if p.City == "" && p.Country == from.Country {
		p.City = from.City
	}
	if !p.Located && p.Country == from.Country {
		p.Located, p.Latitude, p.Longitude = from.Located, from.Latitude, from.Longitude
	}
	if p.ASN == 0 {
		p.ASN, p.ASName = from.ASN, from.ASName
	}
	if p.Kind == "" {
		p.Kind, p.List = from.Kind, from.List
	}
}

func (p *Places) service(a netip.Addr) string {
	if i := p.services.at(a); i > 0 {
		return p.names[i-1]
	}
	return ""
}

// told says which kind counts where several lists name an address: the later one
// tells more of it.
var told = []Kind{Hosting, VPN, Tor, Scanner}

func mapLists(lists []Listed) *prefixMap {
	var all []prefixValue
	for i := range lists {
		for _, p := range lists[i].Prefixes {
			all = append(all, prefixValue{p, uint16(i + 1)})
		}
	}
	return newPrefixMap(all, func(a, b uint16) bool {
		return slices.Index(told, lists[a-1].Kind) > slices.Index(told, lists[b-1].Kind)
	})
}

// allOfAWS is the service of ranges that hold those of all others.
const allOfAWS = "AMAZON"

func mapServices(ranges []AWSRange) (*prefixMap, []string) {
	var names []string
	for _, r := range ranges {
		names = append(names, r.Service)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	all := make([]prefixValue, len(ranges))
	for i, r := range ranges {
		n, _ := slices.BinarySearch(names, r.Service)
		all[i] = prefixValue{r.Prefix, uint16(n + 1)}
	}
	slices.SortStableFunc(all, func(a, b prefixValue) int { return cmp.Compare(a.value, b.value) })
	return newPrefixMap(all, func(a, b uint16) bool {
		return names[a-1] != allOfAWS && names[b-1] == allOfAWS
	}), names
}
