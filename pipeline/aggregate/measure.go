package aggregate

import (
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// measure is one compiled column of a view.
type measure struct {
	op    measureOp
	field flowlog.Field // of opField
}

type measureOp uint8

const (
	opFlows measureOp = iota
	opBytes
	opPackets
	opAccepted
	opRejected
	opSynOnly
	opField
)

func measureOf(name string) (measure, error) {
	switch name {
	case measureFlows:
		return measure{op: opFlows}, nil
	case measureBytes:
		return measure{op: opBytes}, nil
	case measurePackets:
		return measure{op: opPackets}, nil
	case measureAccepted:
		return measure{op: opAccepted}, nil
	case measureRejected:
		return measure{op: opRejected}, nil
	case measureSynOnly:
		return measure{op: opSynOnly}, nil
	}
	if f, ok := flowlog.Lookup(name); ok && f.Numeric() {
		return measure{op: opField, field: f}, nil
	}
	return measure{}, &UnknownName{name, "measure", countMeasures, "any numeric flow-log field", flowlog.Field.Numeric}
}

// of returns what a record adds; bytes and packets are spread over panes
// instead.
func (m measure) of(f *enrich.Flow) int64 {
	switch m.op {
	case opFlows:
		return 1
	case opAccepted:
		return one(f.Action() == flowlog.Accept)
	case opRejected:
		return one(f.Action() == flowlog.Reject)
	case opSynOnly:
		return one(synOnly(f))
	default:
		return f.IntOr(m.field, 0)
	}
}

func one(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// synOnly reports whether all that a record saw of a TCP connection is its
// first packet: tcp-flags 2, which only SYN gives.
func synOnly(f *enrich.Flow) bool {
	flags, ok := f.Int(flowlog.TCPFlags)
	return ok && flags == enrich.SYN && f.IntOr(flowlog.Protocol, 0) == enrich.TCP
}
