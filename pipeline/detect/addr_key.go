package detect

import (
	"cmp"
	"net/netip"
)

// addrKey names an address in a VPC: a source, of which each has one incident
// per VPC, or a host that others try.
type addrKey struct {
	account, vpc string
	addr         netip.Addr
}

// key names the contact's source.
func (c *Contact) key() addrKey { return addrKey{orDash(c.Account), orDash(c.VPC), c.Source} }

// key names the source of the contact that it is a glimpse of.
func (g *Glimpse) key() addrKey { return addrKey{orDash(g.Account), orDash(g.VPC), g.Source} }

func (k addrKey) compare(o addrKey) int {
	return cmp.Or(cmp.Compare(k.account, o.account), cmp.Compare(k.vpc, o.vpc), k.addr.Compare(o.addr))
}

func (k addrKey) place() place { return place{k.account, k.vpc} }

// entry begins the key of an entry of state about the address.
func (k addrKey) entry(kind byte) encoder {
	e := encoder{kind}
	e.string(k.account)
	e.string(k.vpc)
	e.addr(k.addr)
	return e
}

func (d *decoder) addrKey() addrKey {
	return addrKey{account: d.string(), vpc: d.string(), addr: d.addr()}
}

// decodeAddrKey reads a key that entry alone has made.
func decodeAddrKey(key []byte) (addrKey, error) {
	d := decoder{rest: key[1:]}
	k := d.addrKey()
	return k, d.end("key")
}
