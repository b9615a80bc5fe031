package pipeline

import (
	"iter"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// paneOf shows a closed pane to the detectors; it shares the pane's memory.
func (p *Pipeline) paneOf(start int64, pane *aggregate.Pane) *detect.Pane {
	d := &detect.Pane{Start: start, End: start + p.plan.Pane, Own: p.enricher.Internal}
	for load := range pane.Loads().All {
		d.Loads = append(d.Loads, loadOf(&load))
	}
	contacts := contactsOf{p: p, of: pane.Contacts()}
	d.Contacts = contacts.all
	d.Split = contacts.from
	for l := range pane.Logins().All {
		d.Logins = append(d.Logins, detect.Login{
			Login: l, Internal: p.enricher.Internal(l.Source), Allowed: p.enricher.Allowed(l.Source),
		})
	}
	return d
}

// contactsOf shows the contacts of a pane to rules one after the other. Whose
// networks a source is in is looked up once and not by every rule.
type contactsOf struct {
	p     *Pipeline
	of    *aggregate.Contacts
	whose []uint8 // by row: sourceInternal, sourceAllowed
}

const (
	sourceInternal = 1 << iota
	sourceAllowed
)

func (c *contactsOf) look() {
	if c.whose != nil {
		return
	}
	c.whose = make([]uint8, c.of.Len())
	row := 0
	for contact := range c.of.All {
		if c.p.enricher.Internal(contact.Source) {
			c.whose[row] |= sourceInternal
		}
		if c.p.enricher.Allowed(contact.Source) {
			c.whose[row] |= sourceAllowed
		}
		row++
	}
}

func (c *contactsOf) all(yield func(detect.Contact) bool) {
	c.rows(func(uint8) bool { return true }, yield)
}

func (c *contactsOf) from(internal bool) iter.Seq[detect.Contact] {
	return func(yield func(detect.Contact) bool) {
		c.rows(func(whose uint8) bool { return whose&sourceInternal != 0 == internal }, yield)
	}
}

func (c *contactsOf) rows(wanted func(uint8) bool, yield func(detect.Contact) bool) {
	c.look()
	for row, contact := range c.of.Rows(func(row int) bool { return wanted(c.whose[row]) }) {
		if !yield(contactOf(contact, c.whose[row])) {
			return
		}
	}
}

func loadOf(l *aggregate.Load) detect.Load {
	d := detect.Load{
		Key:    detect.Key{Account: l.Account, VPC: l.VPC, Interface: l.Interface},
		Region: l.Samples.Region, Instance: l.Samples.Instance,
		OK: l.OK, NoData: l.NoData, SkipData: l.SkipData,
		First: l.First, Last: l.Last, Records: l.Records, Samples: sampler{l.Samples},
	}
	if l.Samples.TargetAddr.IsValid() {
		d.TargetAddr = l.Samples.TargetAddr.String()
	}
	d.Values = [detect.NumMeasures]int64{
		detect.Bytes: l.Bytes, detect.Packets: l.Packets, detect.AcceptedFlows: l.Accepted,
		detect.RejectedFlows: l.Rejected, detect.SynOnlyFlows: l.SynOnly, detect.UniqueSources: l.Unique,
	}
	return d
}

func contactOf(c *aggregate.Contact, whose uint8) detect.Contact {
	d := detect.Contact{
		Account: c.Account, VPC: c.VPC, Source: c.Source,
		Internal: whose&sourceInternal != 0, Allowed: whose&sourceAllowed != 0,
		Targets: c.Targets, First: c.First, Last: c.Last, Records: c.Records,
	}
	if s := c.Samples; s != nil {
		d.Region, d.Interface, d.Instance = s.Region, s.Interface, s.Instance
		d.Samples = sampler{s}
	}
	return d
}

// sampler writes out a pane's samples when a rule asks for them.
type sampler struct{ of *aggregate.Samples }

// Samples implements detect.Sampler.
func (s sampler) Samples() *detect.Samples {
	d := &detect.Samples{Lines: s.of.Lines(), Interfaces: s.of.Interfaces()}
	for _, e := range s.of.TopSources() {
		d.Sources = append(d.Sources, detect.TopSource{Addr: e.Key, Records: e.Records, Error: e.Error})
	}
	for _, e := range s.of.TopPorts() {
		d.Ports = append(d.Ports, detect.TopPort{Port: e.Key.Port, Protocol: e.Key.Protocol, Records: e.Records, Error: e.Error})
	}
	return d
}
