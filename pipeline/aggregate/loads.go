package aggregate

import (
	"net/netip"
	"strings"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
	"github.com/flowwatch/flowwatch/pipeline/sketch"
)

// Loads is the ingress of every interface in one pane, as the spike rule wants
// it: without the replies to own connections, and with the coverage.
type Loads struct {
	table   *Table
	samples []Samples // by row
}

// The columns of a load.
const (
	loadRecords = iota // ingress records, replies apart
	loadBytes
	loadPackets
	loadAccepted
	loadRejected
	loadSynOnly
	loadOK // records of the interface by status, whatever their direction
	loadNoData
	loadSkipData
	loadFirst // least start and greatest end of its ingress
	loadLast
	loadColumns
)

func loadSchema() Schema {
	columns := make([]merge, loadColumns)
	columns[loadFirst], columns[loadLast] = least, most
	return Schema{columns: columns, distinct: true}
}

func newLoads() *Loads { return &Loads{table: NewTable(loadSchema())} }

// Len returns the number of interfaces.
func (l *Loads) Len() int { return l.table.Len() }

// Load is one interface's row; it is a copy, but Samples belongs to the pane.
type Load struct {
	Account, VPC, Interface             string
	Records                             int64
	Bytes, Packets                      int64
	Accepted, Rejected, SynOnly, Unique int64
	OK, NoData, SkipData                bool
	First, Last                         int64
	Samples                             *Samples
}

// All yields the interfaces by ascending (account, vpc, interface) key.
func (l *Loads) All(yield func(Load) bool) {
	for _, row := range l.table.Sorted() {
		if !yield(loadOf(l.table.Key(row), l.table.Values(row), l.table.Distinct(row), &l.samples[row])) {
			return
		}
	}
}

func loadOf(key []byte, v []int64, sources *sketch.Distinct, samples *Samples) Load {
	account, rest, _ := nextPart(key)
	vpc, rest, _ := nextPart(rest)
	id, _, _ := nextPart(rest)
	return Load{
		Account: orDash(account), VPC: orDash(vpc), Interface: orDash(id),
		Records: v[loadRecords], Bytes: v[loadBytes], Packets: v[loadPackets],
		Accepted: v[loadAccepted], Rejected: v[loadRejected], SynOnly: v[loadSynOnly],
		Unique: int64(sources.Count()),
		OK:     v[loadOK] > 0, NoData: v[loadNoData] > 0, SkipData: v[loadSkipData] > 0,
		First: v[loadFirst], Last: v[loadLast], Samples: samples,
	}
}

func orDash(part []byte) string {
	if len(part) == 0 {
		return "-"
	}
	return strings.ToValidUTF8(string(part), "\uFFFD")
}

// appendPlace appends (account, vpc), with which the keys of interfaces and of
// initiators begin.
func appendPlace(key []byte, f *enrich.Flow) []byte {
	return appendPart(appendPart(key, f.Text(flowlog.AccountID)), f.Text(flowlog.VPCID))
}

// appendInterface appends the interface. Traffic through a regional NAT gateway
// has none; there the resource stands for it.
func appendInterface(key []byte, f *enrich.Flow) []byte {
	id := f.Text(flowlog.InterfaceID)
	if id == nil {
		id = f.Text(flowlog.ResourceID)
	}
	return appendPart(key, id)
}

// row finds or makes the row of a record's interface.
func (l *Loads) row(key []byte, f *enrich.Flow) int {
	row, inserted := l.table.Row(key)
	if inserted {
		l.growSamples()
		s := &l.samples[row]
		s.Region, s.Instance = string(f.Text(flowlog.Region)), string(f.Text(flowlog.InstanceID))
	}
	return row
}

func (l *Loads) growSamples() {
	if n := len(l.samples); n < cap(l.samples) {
		l.samples = l.samples[:n+1]
		return
	}
	l.samples = append(l.samples, Samples{})
}

// cover notes that a record of this status came for the interface of a row.
func (l *Loads) cover(row int, f *enrich.Flow) {
	v := l.table.Values(row)
	switch f.Status() {
	case flowlog.NoData:
		v[loadNoData]++
	case flowlog.SkipData:
		v[loadSkipData]++
	default:
		v[loadOK]++
	}
}

// add counts an ingress record that is no reply; its bytes and packets come
// by addVolume. source is the hash of its source.
func (l *Loads) add(row int, f *enrich.Flow, source uint64) {
	v := l.table.Values(row)
	start, end := f.IntOr(flowlog.Start, 0), f.IntOr(flowlog.End, 0)
	v[loadRecords]++
	v[loadAccepted] += one(f.Action() == flowlog.Accept)
	v[loadRejected] += one(f.Action() == flowlog.Reject)
	v[loadSynOnly] += one(synOnly(f))
	v[loadFirst] = least.of(v[loadFirst], start)
	v[loadLast] = most.of(v[loadLast], end)
	l.table.Distinct(row).Insert(source)
	s := &l.samples[row]
	s.addLine(f.Line())
	if f.Source.IsValid() {
		s.sources = offer(s.sources, Counted[netip.Addr]{Key: f.Source, Records: 1})
	}
	s.ports = offer(s.ports, Counted[Service]{
		Key: Service{uint16(f.IntOr(flowlog.DstPort, 0)), uint8(f.IntOr(flowlog.Protocol, 0))}, Records: 1,
	})
	if !s.TargetAddr.IsValid() {
		s.TargetAddr = f.Target
	}
}

// addVolume counts the part of a record's bytes and packets that belongs here.
func (l *Loads) addVolume(row int, bytes, packets int64) {
	v := l.table.Values(row)
	v[loadBytes] = Add(v[loadBytes], bytes)
	v[loadPackets] = Add(v[loadPackets], packets)
}

func (l *Loads) merge(o *Loads) {
	l.table.Merge(o.table, func(row, from int) {
		for len(l.samples) <= row {
			l.growSamples()
		}
		l.samples[row].merge(&o.samples[from])
	})
}

func (l *Loads) reset() {
	l.table.Reset()
	for i := range l.samples {
		l.samples[i].reset()
	}
	l.samples = l.samples[:0]
}
