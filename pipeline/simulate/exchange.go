package simulate

import (
	"net/netip"
)

// exchange is what went between a client and a server in one minute.
type exchange struct {
	client, server         netip.Addr
	clientPort, serverPort uint16
	protocol               uint8
	phase                  phase
	sent, received         int64 // bytes, from the client and to it
}

// phase is the part of a connection that falls into the minute; it decides the
// tcp-flags.
type phase uint8

const (
	whole  phase = iota // opened and closed within the minute
	opened              // and goes on
	middle              // goes on
	closed              // ended
)

var (
	clientFlags = [...]uint8{whole: syn | fin, opened: syn, middle: 0, closed: fin}
	serverFlags = [...]uint8{whole: synAck | fin, opened: synAck, middle: 0, closed: fin}
)

// packetsOf returns how many packets carry so many bytes, handshake and
// acknowledgements included, and the bytes with their headers.
func packetsOf(bytes, other int64, protocol uint8) (packets, total int64) {
	if protocol != tcp {
		packets = max(1, (bytes+1399)/1400)
		return packets, bytes + 28*packets
	}
	packets = 4 + (bytes+1399)/1400 + other/2800
	return packets, bytes + 40*packets + 12
}

// flows returns the two records of an exchange as an interface sees them that
// has the client, or the server, behind it.
func (g *Generator) flows(x *exchange) (request, reply flow) {
	start, end := g.window()
	request = flow{
		src: x.client, dst: x.server, srcPort: x.clientPort, dstPort: x.serverPort,
		protocol: x.protocol, start: start, end: end,
	}
	reply = flow{
		src: x.server, dst: x.client, srcPort: x.serverPort, dstPort: x.clientPort,
		protocol: x.protocol, start: start, end: end,
	}
	request.packets, request.bytes = packetsOf(x.sent, x.received, x.protocol)
	reply.packets, reply.bytes = packetsOf(x.received, x.sent, x.protocol)
	if x.protocol == tcp {
		request.flags, reply.flags = clientFlags[x.phase], serverFlags[x.phase]
	}
	return request, reply
}

// window returns the times of the records of one capture window: they cover
// most of the minute, however short the connection was.
func (g *Generator) window() (start, end int64) {
	r := g.rng.Uint32()
	return g.now + int64(r%8), g.now + minute - 1 - int64(r>>8%9)
}

// inbound records an exchange with an external client at the server's
// interface.
func (g *Generator) inbound(e *eni, x *exchange) {
	request, reply := g.flows(x)
	reply.egress, reply.path = true, internet
	g.record(e, &request)
	g.record(e, &reply)
}

// internal records an exchange between two hosts of a VPC at the interfaces of
// both.
func (g *Generator) internal(client, server *eni, x *exchange) { g.between(client, server, false, x) }

// between does so over IPv4 or IPv6.
func (g *Generator) between(client, server *eni, six bool, x *exchange) {
	x.client, x.server = client.address(six), server.address(six)
	request, reply := g.flows(x)
	out, back := request, reply
	out.egress, out.path = true, withinVPC
	g.record(client, &out)
	g.record(client, &reply)
	g.record(server, &request)
	back.egress, back.path = true, withinVPC
	g.record(server, &back)
}

// outbound records an exchange of a private host with a server on the Internet:
// at the host's interface and, in between, twice at the NAT gateway's, whose
// private address stands for one of the ends while the packets keep both.
func (g *Generator) outbound(host, gateway *eni, x *exchange, service string) {
	x.client = host.addr
	request, reply := g.flows(x)
	request.service, reply.service = service, service
	leaving, returning := request, reply
	leaving.egress, leaving.path = true, internet
	g.record(host, &leaving)
	g.record(host, &returning)
	if gateway == nil {
		return
	}
	// From the host to the gateway, which is not where the packet goes.
	toGateway, fromGateway := request, reply
	toGateway.dst, toGateway.pktDst = gateway.addr, request.dst
	fromGateway.src, fromGateway.pktSrc = gateway.addr, reply.src
	fromGateway.egress, fromGateway.path = true, withinVPC
	g.record(gateway, &toGateway)
	g.record(gateway, &fromGateway)
	// From the gateway out, in its own name.
	port := g.port(gateway)
	request.src, request.srcPort, request.egress, request.path = gateway.addr, port, true, internet
	reply.dst, reply.dstPort = gateway.addr, port
	g.record(gateway, &request)
	g.record(gateway, &reply)
}
