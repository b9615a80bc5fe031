package enrich

import (
	"net/netip"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// Flow is a record with what it means here. It is meant to be reused; the
// record belongs to the caller.
type Flow struct {
	*flowlog.Record
	Direction      int        // flowlog.Ingress, flowlog.Egress, or 0: unknown
	Source, Target netip.Addr // the real ends; zero when the record has none
	SourceInternal bool       // Source is in the own networks
	TargetInternal bool
	TransitGateway bool
	Reply          bool // ingress that answers a TCP connection of our own

	whence whence
}

// Enricher decides who is who. Safe for concurrent use.
type Enricher struct {
	internal *Networks
	allow    *Networks
	places   *Places
}

// New returns an enricher: internal are the own networks, allow the sources
// whose scans are wanted.
func New(internal, allow []netip.Prefix) *Enricher {
	return &Enricher{internal: NewNetworks(internal), allow: NewNetworks(allow)}
}

// With returns an enricher that also knows where addresses belong.
func (e *Enricher) With(p *Places) *Enricher {
	with := *e
	with.places = p
	return &with
}

// Places returns what is known of places, nil when nothing is.
func (e *Enricher) Places() *Places { return e.places }

// Internal reports whether an address lies in the own networks.
func (e *Enricher) Internal(a netip.Addr) bool { return e.internal.Contains(a) }

// Allowed reports whether an address belongs to a scanner of our own.
func (e *Enricher) Allowed(a netip.Addr) bool { return e.allow.Contains(a) }

// Enrich fills f from a parsed record.
//
// The source is pkt-srcaddr where the format has it and it is not null, else
// srcaddr: behind a NAT gateway, a load balancer or in a pod, srcaddr is only
// the last hop. The direction is flow-direction where the format has it; else
// a record towards the own networks from outside them is ingress, the other
// way round egress, and anything else unknown. Transit Gateway records have no
// interface, so their direction stays unknown whatever flow-direction says.
func (e *Enricher) Enrich(r *flowlog.Record, f *Flow) {
	f.Record, f.whence.places = r, e.places
	f.Source, f.Target = r.Addr(flowlog.PktSrcAddr), r.Addr(flowlog.PktDstAddr)
	if !f.Source.IsValid() {
		f.Source = r.Addr(flowlog.SrcAddr)
	}
	if !f.Target.IsValid() {
		f.Target = r.Addr(flowlog.DstAddr)
	}
	f.SourceInternal, f.TargetInternal = e.internal.Contains(f.Source), e.internal.Contains(f.Target)
	f.TransitGateway = r.TransitGateway()
	f.Direction = e.direction(f)
	f.Reply = f.Direction == flowlog.Ingress && reply(r)
}

func (e *Enricher) direction(f *Flow) int {
	switch {
	case f.TransitGateway:
		return 0
	case f.Has(flowlog.FlowDirection):
		return f.FlowDirection()
	case f.TargetInternal && !f.SourceInternal && f.Source.IsValid():
		return flowlog.Ingress
	case f.SourceInternal && !f.TargetInternal && f.Target.IsValid():
		return flowlog.Egress
	}
	return 0
}

// The bits of tcp-flags that flow logs record.
const (
	FIN    = 1
	SYN    = 2
	RST    = 4
	SYNACK = 18
)

// Ephemeral is the lowest port that Linux gives to the client's side.
const Ephemeral = 32768

// reply reports whether a record answers a connection that our side opened:
// TCP from a service port to an ephemeral one, and no SYN without ACK in it. A
// SYN-ACK belongs to the reply, so a short download whose only record says 19
// is one.
func reply(r *flowlog.Record) bool {
	if r.IntOr(flowlog.Protocol, 0) != TCP || r.IntOr(flowlog.DstPort, 0) < Ephemeral {
		return false
	}
	if flags := r.IntOr(flowlog.TCPFlags, 0); flags&SYNACK == SYN {
		return false
	}
	port, ok := r.Int(flowlog.SrcPort)
	return ok && ServicePort(uint16(port))
}

// ServicePort reports whether a port is one that servers listen on: below
// 1024, or a well-known one above.
func ServicePort(port uint16) bool {
	if port < 1024 {
		return true
	}
	switch port {
	case 1433, 1521, 1883, 2049, 2181, 2375, 2376, 2379, 2380, 3128, 3306, 3389,
		4222, 5000, 5001, 5044, 5060, 5061, 5432, 5439, 5601, 5671, 5672, 5900,
		5985, 5986, 6379, 6443, 7001, 8000, 8008, 8080, 8081, 8086, 8088, 8123,
		8200, 8443, 8500, 8883, 8888, 9000, 9042, 9090, 9092, 9093, 9094, 9100,
		9200, 9300, 9418, 10250, 11211, 15672, 25565, 27017:
		return true
	}
	return false
}
