package detect

import "unicode/utf8"

// trims are what a finding can do without where its size is limited, in the
// order in which it goes: first what can be looked up again in the flow logs,
// last what people read.
var trims = []struct {
	what string
	cut  func(f *Finding)
}{
	{"flow_records_sample", func(f *Finding) { f.Lines = nil }},
	{"queries", func(f *Finding) { f.Queries = Queries{} }},
	{"samples", func(f *Finding) {
		if f.Scan != nil {
			e := *f.Scan
			e.HostsSample, e.PortsSample, e.PortsAnswered = nil, nil, nil
			f.Scan = &e
		}
		if f.Counted != nil {
			e := *f.Counted
			e.PortsSample = nil
			f.Counted = &e
		}
	}},
	{"top_lists", func(f *Finding) {
		if f.Spike != nil {
			e := *f.Spike
			e.TopSources, e.TopPorts = nil, nil
			f.Spike = &e
		}
		if f.Counted != nil {
			e := *f.Counted
			e.TopSources = nil
			f.Counted = &e
		}
	}},
	{"resources", func(f *Finding) { f.Resources = f.Resources[:min(len(f.Resources), keptResources)] }},
	{"texts", func(f *Finding) {
		f.Title, f.Message, f.Desc = shortened(f.Title), shortened(f.Message), shortened(f.Desc)
	}},
}

const (
	keptResources = 10
	keptText      = 1000 // characters
)

// Trim returns the finding without the first so many things of a fixed order:
// raw lines, queries, samples of targets, top lists, resources beyond ten,
// texts beyond 1,000 characters. The result names what it may lack in Trimmed.
// ok is false when there is nothing more to go without.
func (f Finding) Trim(steps int) (trimmed Finding, ok bool) {
	if steps > len(trims) {
		return f, false
	}
	f.Trimmed = nil
	for _, t := range trims[:steps] {
		t.cut(&f)
		f.Trimmed = append(f.Trimmed, t.what)
	}
	return f, true
}

func shortened(s string) string {
	if utf8.RuneCountInString(s) <= keptText {
		return s
	}
	return string([]rune(s)[:keptText-1]) + "…"
}
