package pipeline

import (
	"iter"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// paneOf shows a closed pane to the detectors; it shares the pane's memory, and
// glances is overwritten.
func (p *Pipeline) paneOf(start int64, pane *aggregate.Pane, glances *glances) *detect.Pane {
	d := &detect.Pane{Start: start, End: start + p.plan.Pane, Own: p.enricher.Internal}
	for load := range pane.Loads().All {
		d.Loads = append(d.Loads, loadOf(&load))
	}
	glances.look(p.enricher, pane.Contacts())
	d.Contacts = glances.where(func(*detect.Glimpse) bool { return true })
	d.Select = glances.where
	for l := range pane.Logins().All {
		d.Logins = append(d.Logins, detect.Login{
			Login: l, Internal: p.enricher.Internal(l.Source), Allowed: p.enricher.Allowed(l.Source),
		})
	}
	return d
}

// glances shows the contacts of a pane to rules one after the other. What most
// rules pass most contacts over for is found once, and lies in a row.
type glances struct {
	of  *aggregate.Contacts
	row []detect.Glimpse
}

func (g *glances) look(e *enrich.Enricher, of *aggregate.Contacts) {
	g.of, g.row = of, slices.Grow(g.row[:0], of.Len())
	for c := range of.Brief {
		seen := detect.NewGlimpse(c.Account, c.VPC, c.Source, c.Targets)
		seen.Internal, seen.Allowed = e.Internal(c.Source), e.Allowed(c.Source)
		g.row = append(g.row, seen)
	}
}

func (g *glances) where(wanted func(*detect.Glimpse) bool) iter.Seq[detect.Contact] {
	return func(yield func(detect.Contact) bool) {
		for row, c := range g.of.Rows(func(row int) bool { return wanted(&g.row[row]) }) {
			if !yield(contactOf(c, g.row[row].Internal, g.row[row].Allowed)) {
				return
			}
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

func contactOf(c *aggregate.Contact, internal, allowed bool) detect.Contact {
	d := detect.Contact{
		Account: c.Account, VPC: c.VPC, Source: c.Source,
		Internal: internal, Allowed: allowed,
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
