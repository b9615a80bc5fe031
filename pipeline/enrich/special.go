package enrich

import "net/netip"

// special are the networks of IANA's special-purpose address registries (RFC
// 6890 and what was added, IPv4 and IPv6), multicast and the reserved rest, less
// those that are globally reachable.
var special = newPrefixMap(specialPrefixes(), func(_, _ uint16) bool { return false })

// Values of special: 0 is none of them.
const (
	specialReachable = 1 + iota
	specialPrivate
	specialBogon
)

func specialPrefixes() []prefixValue {
	var all []prefixValue
	for value, networks := range map[uint16][]string{
		specialPrivate: {
			"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", // RFC 1918
			"100.64.0.0/10",  // shared address space, RFC 6598: behind carrier-grade NAT, and pods on EKS
			"169.254.0.0/16", // link-local, with the services of AWS that every instance reaches
			"fc00::/7",       // unique local, RFC 4193
			"fe80::/10",      // link-local
		},
		specialBogon: {
			"0.0.0.0/8", "127.0.0.0/8",
			"192.0.0.0/24",                                      // IETF protocol assignments
			"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", // documentation
			"192.88.99.0/24",               // 6to4 relay anycast, deprecated
			"198.18.0.0/15",                // benchmarking
			"224.0.0.0/4",                  // multicast
			"240.0.0.0/4",                  // reserved, and broadcast
			"::/3", "4000::/2", "8000::/1", // outside of 2000::/3 IANA hands out nothing
			"2001::/23",                  // IETF protocol assignments: Teredo, benchmarking, ORCHID
			"2001:db8::/32", "3fff::/20", // documentation
			"2002::/16", // 6to4
			"3ffe::/16", // was the 6bone's
		},
		specialReachable: {
			"192.0.0.9/32", "192.0.0.10/32", // PCP and TURN anycast
			"64:ff9b::/96", // NAT64
			"2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:3::/32", "2001:4:112::/48", "2001:20::/28", "2001:30::/28",
		},
	} {
		for _, n := range networks {
			all = append(all, prefixValue{netip.MustParsePrefix(n), value})
		}
	}
	return all
}

// specialKind returns Private or Bogon, or "" for an address that the Internet
// can reach.
func specialKind(a netip.Addr) Kind {
	switch special.at(a) {
	case specialPrivate:
		return Private
	case specialBogon:
		return Bogon
	}
	return ""
}

var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// plain returns the IPv4 address where an IPv6 one only stands for it: mapped, or
// behind NAT64 (RFC 6052).
func plain(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.Is6() && nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}
