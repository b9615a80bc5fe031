package aggregate

import (
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// side is the end of a record that opened the connection.
type side uint8

const (
	undecided side = iota
	source
	target
)

// initiator says who began, as far as this one record tells: a SYN without ACK
// comes from the side that did, a SYN-ACK goes to it; a rejected packet came
// from it unless it looks like a reply; else it is the side with the client's
// port. A web server's replies would otherwise look like scans of its clients.
func initiator(f *enrich.Flow) side {
	if flags, ok := f.Int(flowlog.TCPFlags); ok && f.IntOr(flowlog.Protocol, 0) == enrich.TCP {
		switch {
		case flags&enrich.SYNACK == enrich.SYN:
			return source
		case flags&enrich.SYNACK == enrich.SYNACK:
			return target
		}
	}
	from, to := f.IntOr(flowlog.SrcPort, 0), f.IntOr(flowlog.DstPort, 0)
	by := byPorts(from, to)
	if f.Action() == flowlog.Reject && !(by == target && to >= enrich.Ephemeral) {
		return source
	}
	return by
}

// byPorts names the side with the high port when the other side's is a
// service's, or lies on the other side of the ephemeral range's start.
func byPorts(from, to int64) side {
	if from == 0 && to == 0 {
		return undecided
	}
	fromService, toService := enrich.ServicePort(uint16(from)), enrich.ServicePort(uint16(to))
	switch {
	case toService && !fromService:
		return source
	case fromService && !toService:
		return target
	case from >= enrich.Ephemeral && to < enrich.Ephemeral:
		return source
	case to >= enrich.Ephemeral && from < enrich.Ephemeral:
		return target
	}
	return undecided
}

// manyPackets is more than a client that gets no answer, or a closed port,
// sends in one aggregation interval.
const manyPackets = 3

// dataPackets is how many packets a client has sent that said something: a
// connection that is merely opened and closed takes four or five.
const dataPackets = 6

// forward is the evidence of a record from the initiator to the target.
func forward(f *enrich.Flow) Evidence {
	packets := f.IntOr(flowlog.Packets, 0)
	if f.Action() == flowlog.Reject {
		return Rejected
	}
	data := Evidence(0)
	if packets >= dataPackets {
		data = Data
	}
	if flags, ok := tcpFlags(f); ok {
		if flags == enrich.SYN && packets <= manyPackets {
			return SynOnly
		}
		return Established | data
	}
	if packets >= manyPackets {
		return Sent | Sent3 | data
	}
	return Sent
}

// reverse is the evidence of a record from the target to the initiator. A
// closed port answers with a lone RST; anything else that comes back, be it
// from the middle of a long connection, shows that there is one.
func reverse(f *enrich.Flow) Evidence {
	packets := f.IntOr(flowlog.Packets, 0)
	if f.Action() == flowlog.Reject {
		return 0
	}
	if flags, ok := tcpFlags(f); ok {
		if flags&enrich.SYNACK != enrich.SYNACK && flags&enrich.RST != 0 && packets <= manyPackets {
			return Reset
		}
		return SynAck
	}
	if packets >= manyPackets {
		return Replied | Replied3
	}
	return Replied
}

func tcpFlags(f *enrich.Flow) (int64, bool) {
	flags, ok := f.Int(flowlog.TCPFlags)
	return flags, ok && f.IntOr(flowlog.Protocol, 0) == enrich.TCP
}
