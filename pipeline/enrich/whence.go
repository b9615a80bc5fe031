package enrich

import (
	"encoding/binary"
	"net/netip"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// whence remembers where addresses seen lately belong, since most records are of
// few sources. It belongs to one goroutine; the zero value is ready.
type whence struct {
	places  *Places
	version uint64 // of the databases that the slots are of
	slots   []located
}

// whenceBits says how many slots there are: 2,048, some 300 KiB.
const whenceBits = 11

type located struct {
	addr  netip.Addr
	place Place
}

func (w *whence) of(a netip.Addr) *Place {
	if v := w.places.Version(); w.slots == nil || v != w.version {
		w.slots, w.version = make([]located, 1<<whenceBits), v
	}
	l := &w.slots[slotOf(a)]
	if l.addr != a {
		l.addr, l.place = a, w.places.Lookup(a)
	}
	return &l.place
}

// slotOf spreads addresses by multiplication with the golden ratio.
func slotOf(a netip.Addr) uint64 {
	const golden = 0x9e3779b97f4a7c15
	b := a.As16()
	return (binary.LittleEndian.Uint64(b[:8])*golden ^ binary.LittleEndian.Uint64(b[8:])) * golden >> (64 - whenceBits)
}

// Remote returns the end of a flow that is not ours, as far as its direction
// tells: the target of egress, else the source.
func (f *Flow) Remote() netip.Addr {
	if f.Direction == flowlog.Egress {
		return f.Target
	}
	return f.Source
}

// Whence tells where the remote end belongs. It is valid until the next call, and
// empty without places.
func (f *Flow) Whence() *Place { return f.whence.of(f.Remote()) }

// LoggedService returns the AWS service of the remote end as the record has it,
// nil when it has none.
func (f *Flow) LoggedService() []byte {
	if f.Direction == flowlog.Egress {
		return f.Text(flowlog.PktDstAWSService)
	}
	return f.Text(flowlog.PktSrcAWSService)
}
