package aggregate

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// Logins counts the connections to the ports of remote administration in one
// pane, by source, host and port: what passwords are guessed on.
type Logins struct{ table *Table }

// loginPorts are SSH, RDP and WinRM.
var loginPorts = []int64{22, 3389, 5985, 5986}

// The columns of a login.
const (
	loginRecords = iota
	loginPackets
	loginBytes
	loginFirst
	loginLast
)

func loginSchema() Schema {
	return Schema{columns: []merge{sum, sum, sum, least, most}, distinct: true}
}

func newLogins() *Logins { return &Logins{NewTable(loginSchema())} }

// Len returns the number of (source, host, port).
func (l *Logins) Len() int { return l.table.Len() }

// Login is what one source did at one port of one host.
type Login struct {
	Account, VPC   string
	Source, Host   netip.Addr
	Port           uint16
	Connections    int64 // distinct source ports; estimated above 128
	Records        int64
	Packets, Bytes int64 // from the source
	First, Last    int64 // least start, greatest end
}

// All yields the logins by ascending key.
func (l *Logins) All(yield func(Login) bool) {
	var at placeReader
	for _, row := range l.table.Sorted() {
		v := l.table.Values(row)
		source, rest, _ := nextPart(at.read(l.table.Key(row)))
		host, port, _ := nextPart(rest)
		if len(port) != 2 {
			continue // no key of ours
		}
		login := Login{
			Account: at.account, VPC: at.vpc, Source: addrPart(source), Host: addrPart(host), Port: binary.BigEndian.Uint16(port),
			Connections: int64(l.table.Distinct(row).Count()), Records: v[loginRecords],
			Packets: v[loginPackets], Bytes: v[loginBytes], First: v[loginFirst], Last: v[loginLast],
		}
		if !yield(login) {
			return
		}
	}
}

// loginSource returns the source in a login's key.
func loginSource(key []byte) netip.Addr {
	_, rest, _ := nextPart(key)
	_, rest, _ = nextPart(rest)
	source, _, _ := nextPart(rest)
	return addrPart(source)
}

// add counts a record when it is of an accepted connection to a login port. A
// lone SYN is none, and neither is a record of up to three packets.
func (l *Logins) add(scratch, place []byte, f *enrich.Flow) []byte {
	port := f.IntOr(flowlog.DstPort, 0)
	if !slices.Contains(loginPorts, port) || f.Action() != flowlog.Accept || f.IntOr(flowlog.Protocol, 0) != enrich.TCP ||
		!f.Source.IsValid() || !f.Target.IsValid() || f.IntOr(flowlog.Packets, 0) <= manyPackets || initiator(f) == target {
		return scratch
	}
	key := appendAddr(append(scratch[:0], place...), f.Source)
	key = binary.BigEndian.AppendUint16(appendAddr(key, f.Target), uint16(port))
	row, _ := l.table.Row(key)
	v := l.table.Values(row)
	v[loginRecords]++
	v[loginPackets] = Add(v[loginPackets], f.IntOr(flowlog.Packets, 0))
	v[loginBytes] = Add(v[loginBytes], f.IntOr(flowlog.Bytes, 0))
	v[loginFirst] = least.of(v[loginFirst], f.IntOr(flowlog.Start, 0))
	v[loginLast] = most.of(v[loginLast], f.IntOr(flowlog.End, 0))
	var from [2]byte
	binary.BigEndian.PutUint16(from[:], uint16(f.IntOr(flowlog.SrcPort, 0)))
	l.table.Distinct(row).Insert(xxhash.Sum64(from[:]))
	return key
}
