package simulate

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
)

// role is what an interface is there for.
type role uint8

const (
	balancer role = iota // public, in front of the web servers
	web
	database
	resolver // name server and cache
	nat      // public: the way out for the private hosts
	bastion  // public: SSH for administrators
	worker
	idle
)

// String returns the name of a role.
func (r role) String() string {
	return [...]string{"balancer", "web", "database", "resolver", "nat", "bastion", "worker", "idle"}[r]
}

// roles are given out in this order within each site.
var roles = [...]role{balancer, web, web, web, database, resolver, nat, bastion, worker, idle}

// eni is a network interface. The texts are fixed, so that writing a record
// costs no formatting.
type eni struct {
	vpc      *vpc
	site     *site
	role     role
	id       string
	stream   string     // of its log
	addr     netip.Addr // private; public addresses never show in flow logs
	addr6    netip.Addr
	instance string // "-" where AWS runs the host
	subnet   string
	az       string
	nextPort [2]uint16 // of the background and of attacks
	rhythm   rhythm
	gust     gust
	smooth   float64 // level of this minute without what chance does to it
	level    float64 // and with it

	out        sheet          // lines of the current minute
	aggregates [2]aggregation // flows of the current interval, when it is longer
}

// vpc is one network of one account.
type vpc struct {
	number  int
	account string
	id      string
	region  string
	enis    []*eni
	at      map[netip.Addr]*eni // by IPv4 and IPv6 address
	sites   []*site
	clients []netip.Addr // external addresses that come back
	outages []span       // of its delivery
	late    []span       // what is logged then is delivered too late
}

// site is a web service and what belongs to it: one interface for each of
// roles, fewer in the last site of a VPC.
type site struct {
	vpc    *vpc
	enis   []*eni
	byRole [idle + 1][]*eni
	pools  []*pool
	backup *backup // nil for none
}

// first returns the site's first interface of a role, or nil.
func (s *site) first(r role) *eni {
	if len(s.byRole[r]) == 0 {
		return nil
	}
	return s.byRole[r][0]
}

// public reports whether the interface has a public address.
func (e *eni) public() bool { return e.role == balancer || e.role == nat || e.role == bastion }

// address returns the interface's IPv4 or IPv6 address.
func (e *eni) address(six bool) netip.Addr {
	if six {
		return e.addr6
	}
	return e.addr
}

// port returns a fresh port of the client's side. Attacks take from a range of
// their own, so that they leave the background as it is.
func (g *Generator) port(e *eni) uint16 {
	next := &e.nextPort[g.attacking]
	*next = 32768 + (*next+1)%32768
	return *next
}

// networks lays out the VPCs: 10.N.0.0/16 and an IPv6 /56 each.
func networks(cfg *Config, rng *rand.Rand) []*vpc {
	vpcs := make([]*vpc, cfg.VPCs)
	for i := range vpcs {
		vpcs[i] = &vpc{
			number:  i,
			account: fmt.Sprintf("%012d", 111_122_223_333+int64(i)*111_111_111_111%888_877_776_666),
			id:      fmt.Sprintf("vpc-0%016x", rng.Uint64()),
			region:  "eu-central-1",
			at:      make(map[netip.Addr]*eni),
		}
		for range 400 {
			vpcs[i].clients = append(vpcs[i].clients, stranger(rng))
		}
	}
	for i := range cfg.Interfaces {
		v := vpcs[i%cfg.VPCs]
		v.add(rng)
	}
	if cfg.Varied {
		vary(vpcs, cfg.Seed)
	}
	return vpcs
}

// zoneSize is how many /24 networks the subnet of an availability zone spans.
const zoneSize = 85

func (v *vpc) add(rng *rand.Rand) {
	n := len(v.enis)
	if n%len(roles) == 0 {
		v.sites = append(v.sites, &site{vpc: v})
	}
	s := v.sites[len(v.sites)-1]
	zone := n % 3
	host := n/3 + 10
	e := &eni{
		vpc:      v,
		site:     s,
		role:     roles[n%len(roles)],
		id:       fmt.Sprintf("eni-0%016x", rng.Uint64()),
		addr:     netip.AddrFrom4([4]byte{10, byte(v.number), byte(zone*zoneSize + host/250), byte(host%250 + 1)}),
		instance: fmt.Sprintf("i-0%016x", rng.Uint64()),
		subnet:   fmt.Sprintf("subnet-0%x%015x", zone, uint64(v.number)*0x1f3d5b79+uint64(zone)*0x2545f491+0x3a7),
		az:       fmt.Sprintf("euc1-az%d", zone+1),
		rhythm:   steady,
	}
	e.stream = e.id + "-all"
	e.addr6 = netip.AddrFrom16([16]byte{0x2a, 0x05, 0xd0, 0x14, 0, byte(v.number), byte(zone), 0, 14: byte(host >> 8), 15: byte(host)})
	if e.role == balancer || e.role == nat {
		e.instance = "-"
	}
	e.nextPort[ofBackground] = uint16(rng.IntN(32768))
	e.nextPort[ofAttacks] = e.nextPort[ofBackground] + 16384
	v.at[e.addr], v.at[e.addr6] = e, e
	v.enis = append(v.enis, e)
	s.enis = append(s.enis, e)
	s.byRole[e.role] = append(s.byRole[e.role], e)
}

// stranger returns an address of the Internet: unicast, and not one of the
// special-purpose ranges.
func stranger(rng *rand.Rand) netip.Addr {
	for {
		n := rng.Uint32()
		a, b := byte(n>>24), byte(n>>16)
		switch {
		case a == 0, a == 10, a == 127, a >= 224,
			a == 100 && b >= 64 && b < 128,
			a == 169 && b == 254,
			a == 172 && b >= 16 && b < 32,
			a == 192 && (b == 168 || b == 0 || b == 88),
			a == 198 && (b == 18 || b == 19 || b == 51),
			a == 203 && b == 0:
			continue
		}
		return netip.AddrFrom4([4]byte{a, b, byte(n >> 8), byte(n)})
	}
}

// stranger6 returns a global IPv6 address.
func stranger6(rng *rand.Rand) netip.Addr {
	n, m := rng.Uint64(), rng.Uint64()
	prefix := [...][4]byte{{0x20, 0x03, 0, 0xc0}, {0x2a, 0x02, 0x09, 0x08}, {0x26, 0x07, 0xfb, 0x90}, {0x24, 0x09, 0x40, 0x70}}[n%4]
	b := [16]byte{0: prefix[0], 1: prefix[1], 2: prefix[2], 3: prefix[3]}
	for i := range 4 {
		b[4+i] = byte(n >> (8 + 8*i))
		b[8+i], b[12+i] = byte(m>>(8*i)), byte(m>>(32+8*i))
	}
	return netip.AddrFrom16(b)
}
