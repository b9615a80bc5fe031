// Package flowlog knows the text of AWS VPC Flow Logs and Transit Gateway Flow
// Logs: which fields there are, in which order a line has them, and how a line
// becomes a typed Record without allocating.
package flowlog

import (
	"bytes"
	"net/netip"
)

// Record is one parsed line. It is meant to be reused: Parse overwrites it.
// Text values point into the line that was parsed and are valid as long as
// that line is.
//
// A field is either present (the layout has it and the line has a value that
// is not "-") or null; every accessor tells the two apart.
type Record struct {
	line    []byte
	present [2]uint64           // bit f: field f is present
	spans   [NumFields + 1]span // the last one stays empty
	ints    [NumFields]int64    // by Field, for numeric kinds, verdict, status, direction
	addrs   [4]netip.Addr       // by addrSlot

	extra          bool // more values than columns
	transitGateway bool // the layout is a transit gateway's
}

type span struct{ from, to uint32 }

// The values of action, log-status and flow-direction.
const (
	Accept = 1 // action
	Reject = 2

	OK       = 1 // log-status
	NoData   = 2
	SkipData = 3

	Ingress = 1 // flow-direction
	Egress  = 2
)

func addrSlot(f Field) int {
	switch f {
	case SrcAddr:
		return 0
	case DstAddr:
		return 1
	case PktSrcAddr:
		return 2
	default:
		return 3
	}
}

// clear makes every field null.
func (r *Record) clear(line []byte) {
	r.line = line
	r.present = [2]uint64{}
	r.extra = false
	r.transitGateway = false
}

// Has reports whether the field is present and not null.
func (r *Record) Has(f Field) bool { return r.present[f>>6]&(1<<(f&63)) != 0 }

// Line returns the text that was parsed, also when it was malformed.
func (r *Record) Line() []byte { return r.line }

// Text returns the field's token as it stands in the line, or nil when null.
func (r *Record) Text(f Field) []byte {
	if !r.Has(f) {
		return nil
	}
	s := r.spans[f]
	return r.line[s.from:s.to]
}

// Int returns the value of a numeric field; ok is false when it is null.
// Times are Unix seconds, whatever unit the line had.
func (r *Record) Int(f Field) (v int64, ok bool) {
	if !r.Has(f) {
		return 0, false
	}
	return r.ints[f], true
}

// IntOr is Int with a value for null.
func (r *Record) IntOr(f Field, null int64) int64 {
	if !r.Has(f) {
		return null
	}
	return r.ints[f]
}

// Addr returns the address in srcaddr, dstaddr, pkt-srcaddr or pkt-dstaddr,
// and the zero Addr when null. IPv4-mapped IPv6 addresses are unmapped.
func (r *Record) Addr(f Field) netip.Addr {
	if !r.Has(f) {
		return netip.Addr{}
	}
	return r.addrs[addrSlot(f)]
}

// Action returns Accept, Reject, or 0 when null.
func (r *Record) Action() int { return int(r.IntOr(Action, 0)) }

// Status returns OK, NoData or SkipData. A format without log-status, and a
// null one, mean OK.
func (r *Record) Status() int { return int(r.IntOr(LogStatus, OK)) }

// FlowDirection returns Ingress, Egress, or 0 when null.
func (r *Record) FlowDirection() int { return int(r.IntOr(FlowDirection, 0)) }

// SetTimes gives a record whose format has no start or end the times that its
// envelope tells, in Unix seconds. The text of the two is empty then.
func (r *Record) SetTimes(start, end int64) {
	for _, f := range [...]Field{Start, End} {
		if !r.Has(f) {
			r.spans[f] = span{}
			r.present[f>>6] |= 1 << (f & 63)
		}
	}
	r.ints[Start], r.ints[End] = start, end
}

// Extra reports whether the line has more values than the layout has columns.
// The record is good, but the flow log may write a newer format than the one
// that was configured.
func (r *Record) Extra() bool { return r.extra }

// TransitGateway reports whether a transit gateway wrote the record, told by
// its resource-type or by columns that only its records have. (The version
// number does not tell: 2, 3 and 6 are all seen.) Such a record has no action
// and no interface.
func (r *Record) TransitGateway() bool {
	return r.transitGateway || bytes.HasPrefix(r.Text(ResourceType), gatewayPrefix)
}

// gatewayPrefix begins the resource-type of every transit gateway's record:
// TransitGateway or TransitGatewayAttachment.
var gatewayPrefix = []byte("TransitGateway")
