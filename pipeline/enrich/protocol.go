package enrich

import "strconv"

// TCP is its IANA protocol number.
const TCP = 6

// ProtocolName names the IANA protocol numbers that flow logs are full of; others are
// their number.
func ProtocolName(n uint8) string {
	switch n {
	case 1:
		return "icmp"
	case TCP:
		return "tcp"
	case 17:
		return "udp"
	case 47:
		return "gre"
	case 50:
		return "esp"
	case 58:
		return "icmpv6"
	case 132:
		return "sctp"
	}
	return strconv.Itoa(int(n))
}
