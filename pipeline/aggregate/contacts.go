package aggregate

import (
	"bytes"
	"iter"
	"net/netip"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// Contacts is what every initiator did in one pane: the targets it tried, with
// the evidence of what came of it. It feeds the scan rules.
type Contacts struct {
	table   *Table
	targets []Targets        // by row
	samples map[int]*Samples // by row, of those that may be scanning
}

// The columns of a contact.
const (
	contactRecords = iota
	contactFirst
	contactLast
	contactOwn // records that the initiator's own interface wrote
)

// Lines of initiators are kept from so many targets on, and samples for so many
// initiators of a pane beside those whose own interface is known.
const (
	sampleFrom       = 4
	sampleInitiators = 4096
)

func contactSchema() Schema { return Schema{columns: []merge{sum, least, most, sum}} }

func newContacts() *Contacts {
	return &Contacts{table: NewTable(contactSchema()), samples: make(map[int]*Samples)}
}

// Len returns the number of initiators.
func (c *Contacts) Len() int { return c.table.Len() }

// Contact is one initiator's row. Targets and Samples belong to the pane.
type Contact struct {
	Account, VPC string
	Source       netip.Addr
	Records      int64
	First, Last  int64 // least start, greatest end
	Targets      *Targets
	Samples      *Samples // nil when nothing was kept
}

// Brief yields all the initiators by ascending row, without Records, First, Last
// and Samples, which lie elsewhere in memory: for a look at all of which few
// matter. A contact is valid during the call.
func (c *Contacts) Brief(yield func(*Contact) bool) {
	r := contactReader{of: c}
	for row := range c.table.Len() {
		r.locate(row)
		if !yield(&r.Contact) {
			return
		}
	}
}

// Rows yields the initiators whose rows are wanted, by ascending row: rows are
// numbered as Brief yields them. A contact is valid during the call.
func (c *Contacts) Rows(wanted func(row int) bool) iter.Seq2[int, *Contact] {
	return func(yield func(int, *Contact) bool) {
		r := contactReader{of: c}
		for row := range c.table.Len() {
			if wanted(row) && !yield(row, r.read(row)) {
				return
			}
		}
	}
}

// contactReader reads rows of which consecutive ones mostly lie in the same
// account and VPC.
type contactReader struct {
	of    *Contacts
	place placeReader
	Contact
}

func (r *contactReader) read(row int) *Contact {
	r.locate(row)
	v := r.of.table.Values(row)
	r.Records, r.First, r.Last = v[contactRecords], v[contactFirst], v[contactLast]
	r.Samples = nil
	if v[contactOwn] > 0 || r.Targets.held() >= sampleFrom { // else there can be none
		r.Samples = r.of.samples[row]
	}
	return &r.Contact
}

// locate reads who the initiator of a row is, and its targets.
func (r *contactReader) locate(row int) {
	addr, _, _ := nextPart(r.place.read(r.of.table.Key(row)))
	r.Account, r.VPC = r.place.account, r.place.vpc
	r.Source, r.Targets = addrPart(addr), &r.of.targets[row]
}

// placeReader reads account and VPC, with which keys begin, of keys that mostly
// share them with the one before.
type placeReader struct {
	parts        []byte // of the key before
	account, vpc string
}

// read returns what follows account and VPC in a key.
func (r *placeReader) read(key []byte) (rest []byte) {
	if n := len(r.parts); n > 0 && len(key) >= n && bytes.Equal(key[:n], r.parts) {
		return key[n:]
	}
	account, rest, _ := nextPart(key)
	vpc, rest, _ := nextPart(rest)
	r.account, r.vpc = orDash(account), orDash(vpc)
	r.parts = key[:len(key)-len(rest)]
	return rest
}

// add takes what one record tells of a contact; place is its account and VPC
// as parts of a key. scratch is overwritten and returned.
func (c *Contacts) add(scratch, place []byte, f *enrich.Flow) []byte {
	if !f.Source.IsValid() || !f.Target.IsValid() || !f.Has(flowlog.DstPort) || !f.Has(flowlog.SrcPort) {
		return scratch
	}
	who := initiator(f)
	if who != target {
		to := Target{f.Target, uint16(f.IntOr(flowlog.DstPort, 0)), uint8(f.IntOr(flowlog.Protocol, 0))}
		scratch = c.note(scratch, place, f, f.Source, to, forward(f))
	}
	if who != source {
		to := Target{f.Source, uint16(f.IntOr(flowlog.SrcPort, 0)), uint8(f.IntOr(flowlog.Protocol, 0))}
		scratch = c.note(scratch, place, f, f.Target, to, reverse(f))
	}
	return scratch
}

func (c *Contacts) note(scratch, place []byte, f *enrich.Flow, from netip.Addr, to Target, e Evidence) []byte {
	if e == 0 {
		return scratch
	}
	key := appendAddr(append(scratch[:0], place...), from)
	row, inserted := c.table.Row(key)
	if inserted {
		c.growTargets()
	}
	v := c.table.Values(row)
	v[contactRecords]++
	v[contactFirst] = least.of(v[contactFirst], f.IntOr(flowlog.Start, 0))
	v[contactLast] = most.of(v[contactLast], f.IntOr(flowlog.End, 0))
	fresh := c.targets[row].Add(to, e)
	own := f.Source == from && f.Direction == flowlog.Egress
	if own {
		v[contactOwn]++
		c.own(row, f)
	}
	if fresh && c.targets[row].held() >= sampleFrom && e&(Rejected|SynOnly|Reset|Sent) != 0 {
		c.sample(row, f, own)
	}
	return key
}

// own notes where an initiator's own interface is, of every record that it
// wrote: the greatest of each text, so that it does not matter how records were
// cut into slices.
func (c *Contacts) own(row int, f *enrich.Flow) {
	s := c.samples[row]
	if s == nil {
		s = &Samples{}
		c.samples[row] = s
	}
	s.Region = greater(s.Region, f.Text(flowlog.Region))
	s.Interface = greater(s.Interface, f.Text(flowlog.InterfaceID))
	s.Instance = greater(s.Instance, f.Text(flowlog.InstanceID))
}

// greater returns the greater of two texts.
func greater(have string, text []byte) string {
	if string(text) > have {
		return string(text)
	}
	return have
}

// sample keeps a line and where it was recorded, for an initiator with several
// targets.
func (c *Contacts) sample(row int, f *enrich.Flow, own bool) {
	s := c.samples[row]
	if s == nil {
		if len(c.samples) >= sampleInitiators {
			return
		}
		s = &Samples{}
		c.samples[row] = s
	}
	s.addLine(f.Line())
	if own {
		return
	}
	s.Region = greater(s.Region, f.Text(flowlog.Region))
	s.addInterface(f.Text(flowlog.InterfaceID))
}

func (c *Contacts) growTargets() {
	if n := len(c.targets); n < cap(c.targets) {
		c.targets = c.targets[:n+1]
		return
	}
	c.targets = append(c.targets, Targets{})
}

func (c *Contacts) merge(o *Contacts) {
	c.table.Merge(o.table, func(row, from int) {
		for len(c.targets) <= row {
			c.growTargets()
		}
		c.targets[row].Merge(&o.targets[from])
		theirs := o.samples[from]
		if theirs == nil {
			return
		}
		if c.samples[row] == nil {
			if len(c.samples) >= sampleInitiators && theirs.Interface == "" {
				return
			}
			c.samples[row] = &Samples{}
		}
		c.samples[row].merge(theirs)
	})
}

func (c *Contacts) reset() {
	c.table.Reset()
	for i := range c.targets {
		c.targets[i].Reset()
	}
	c.targets = c.targets[:0]
	clear(c.samples)
}
