package detect

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// Place is what is known of where an address belongs. It is for people who read
// a finding: no rule looks at it, and no uid holds it.
type Place = enrich.Place

// Locate writes into the evidence where its sources belong, and into the message
// where its one source does. What the finding shared with others stays as it is.
func (f *Finding) Locate(lookup func(netip.Addr) Place) {
	f.locateEvidence(lookup)
	if _, p := f.source(); p != nil {
		if from := wordsOf(p); from != "" {
			f.Message += "; the source is in " + from
		}
	}
}

// wordsOf says where an address belongs that the Internet reaches, "" when
// nothing is known or it is ours.
func wordsOf(p *Place) string {
	if p.Kind == enrich.Own {
		return ""
	}
	var parts []string
	if p.Country != "" {
		parts = append(parts, p.Country)
	}
	if p.ASN != 0 {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("AS%d %s", p.ASN, printable(p.ASName))))
	}
	if p.List != "" {
		parts = append(parts, fmt.Sprintf("the list %s (%s)", printable(p.List), p.Kind))
	}
	return strings.Join(parts, ", ")
}

func (f *Finding) locateEvidence(lookup func(netip.Addr) Place) {
	switch {
	case f.Scan != nil:
		e := *f.Scan
		e.Place = placeOf(e.Source, lookup)
		f.Scan = &e
	case f.Spike != nil:
		e := *f.Spike
		e.TopSources = located(e.TopSources, lookup)
		f.Spike = &e
	case f.Counted != nil:
		e := *f.Counted
		e.Place, e.TopSources = placeOf(e.Source, lookup), located(e.TopSources, lookup)
		f.Counted = &e
	}
}

func placeOf(a netip.Addr, lookup func(netip.Addr) Place) *Place {
	if p := lookup(a); p != (Place{}) {
		return &p
	}
	return nil
}

func located(sources []TopSource, lookup func(netip.Addr) Place) []TopSource {
	if sources == nil {
		return nil
	}
	out := make([]TopSource, len(sources))
	for i, s := range sources {
		p := lookup(s.Addr)
		s.Country, s.ASN, s.ASName = p.Country, p.ASN, p.ASName
		out[i] = s
	}
	return out
}

// source returns the one source of the evidence with its place, nil when nothing
// is known of it or there are many.
func (f *Finding) source() (netip.Addr, *Place) {
	switch {
	case f.Scan != nil:
		return f.Scan.Source, f.Scan.Place
	case f.Counted != nil:
		return f.Counted.Source, f.Counted.Place
	}
	return netip.Addr{}, nil
}

// locate says where an endpoint is.
func (e *ocsfEndpoint) locate(p *Place) {
	if p == nil {
		return
	}
	if p.Country != "" || p.Located {
		e.Location = &ocsfLocation{Country: p.Country, City: printable(p.City)}
		if p.Located {
			e.Location.Latitude, e.Location.Longitude = &p.Latitude, &p.Longitude
		}
	}
	if p.ASN != 0 {
		e.System = &ocsfAutonomousSystem{Number: p.ASN, Name: printable(p.ASName)}
	}
}

func (s *TopSource) ocsf() ocsfTopSource {
	return ocsfTopSource{s.Addr.String(), s.Records, s.Error, s.Country, s.ASN, printable(s.ASName)}
}

// ocsfEnrichments says what a source that is not ours is used for.
func (f *Finding) ocsfEnrichments() []ocsfEnrichment {
	addr, p := f.source()
	if p == nil || p.Kind == "" && p.Service == "" || p.Kind == enrich.Own {
		return nil
	}
	return []ocsfEnrichment{{
		Name: "evidences[0].src_endpoint.ip", Value: addr.String(), Type: "usage", Provider: printable(p.List),
		Data: ocsfUsage{Kind: string(p.Kind), Service: printable(p.Service)},
	}}
}
