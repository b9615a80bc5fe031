package aggregate

import (
	"cmp"
	"net/netip"
	"slices"
)

// The bounds of what is kept as evidence, best effort and outside every
// promise of identity: it shows what happened and decides nothing.
const (
	sampleLines = 10
	sampleTop   = 16
	sampleSide  = 5
)

// Samples are a few raw lines, the busiest sources and ports, and the
// interfaces involved, of one interface or initiator in one pane.
type Samples struct {
	lines      []byte // the lines, each ended by a newline
	count      int
	sources    []TopSource // at most 16, by Space-Saving
	ports      []TopPort   // at most 16
	interfaces []string    // at most 5
	Region     string
	Instance   string
	Interface  string // that recorded it
	TargetAddr netip.Addr
}

// TopSource is an entry of a top list; Records may be too high by Error.
type TopSource struct {
	Addr           netip.Addr
	Records, Error int64
}

// TopPort is an entry of a top list; Records may be too high by Error.
type TopPort struct {
	Port           uint16
	Protocol       uint8
	Records, Error int64
}

func (s *Samples) addLine(line []byte) {
	if s.count < sampleLines && len(line) <= 1024 {
		if s.lines == nil {
			s.lines = make([]byte, 0, sampleLines*(len(line)+len(line)/16))
		}
		s.lines = append(append(s.lines, line...), '\n')
		s.count++
	}
}

// addSource counts records of a source by Space-Saving (Metwally et al.,
// 2005): when the list is full, the least entry is replaced and its count is
// the newcomer's error.
func (s *Samples) addSource(a netip.Addr, records, overcount int64) {
	at := 0
	for i := range s.sources {
		if s.sources[i].Addr == a {
			s.sources[i].Records += records
			s.sources[i].Error += overcount
			return
		}
		if s.sources[i].Records < s.sources[at].Records {
			at = i
		}
	}
	if len(s.sources) < sampleTop {
		s.sources = append(s.sources, TopSource{a, records, overcount})
		return
	}
	n := s.sources[at].Records
	s.sources[at] = TopSource{a, n + records, n + overcount}
}

func (s *Samples) addPort(port uint16, protocol uint8, records, overcount int64) {
	at := 0
	for i := range s.ports {
		if p := &s.ports[i]; p.Port == port && p.Protocol == protocol {
			p.Records += records
			p.Error += overcount
			return
		}
		if s.ports[i].Records < s.ports[at].Records {
			at = i
		}
	}
	if len(s.ports) < sampleTop {
		s.ports = append(s.ports, TopPort{port, protocol, records, overcount})
		return
	}
	n := s.ports[at].Records
	s.ports[at] = TopPort{port, protocol, n + records, n + overcount}
}

func (s *Samples) addInterface(id []byte) {
	if len(s.interfaces) >= sampleSide || len(id) == 0 {
		return
	}
	for _, have := range s.interfaces {
		if have == string(id) {
			return
		}
	}
	s.interfaces = append(s.interfaces, string(id))
}

func (s *Samples) merge(o *Samples) {
	for line := range o.eachLine {
		s.addLine(line)
	}
	for _, e := range o.sources {
		s.addSource(e.Addr, e.Records, e.Error)
	}
	for _, e := range o.ports {
		s.addPort(e.Port, e.Protocol, e.Records, e.Error)
	}
	for _, id := range o.interfaces {
		s.addInterface([]byte(id))
	}
	s.Region = max(s.Region, o.Region)
	s.Instance = max(s.Instance, o.Instance)
	s.Interface = max(s.Interface, o.Interface)
	if o.TargetAddr.Compare(s.TargetAddr) > 0 {
		s.TargetAddr = o.TargetAddr
	}
}

func (s *Samples) eachLine(yield func([]byte) bool) {
	rest := s.lines
	for len(rest) > 0 {
		n := slices.Index(rest, '\n')
		if !yield(rest[:n]) {
			return
		}
		rest = rest[n+1:]
	}
}

// Lines returns the sampled lines.
func (s *Samples) Lines() []string {
	var lines []string
	for line := range s.eachLine {
		lines = append(lines, string(line))
	}
	return lines
}

// Interfaces returns at most five interfaces that recorded the contact.
func (s *Samples) Interfaces() []string { return slices.Sorted(slices.Values(s.interfaces)) }

// TopSources returns the busiest sources, at most five.
func (s *Samples) TopSources() []TopSource {
	top := slices.SortedFunc(slices.Values(s.sources), func(a, b TopSource) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), a.Addr.Compare(b.Addr))
	})
	return top[:min(sampleSide, len(top))]
}

// TopPorts returns the busiest ports, at most five.
func (s *Samples) TopPorts() []TopPort {
	top := slices.SortedFunc(slices.Values(s.ports), func(a, b TopPort) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
	})
	return top[:min(sampleSide, len(top))]
}

func (s *Samples) reset() {
	*s = Samples{lines: s.lines[:0], sources: s.sources[:0], ports: s.ports[:0], interfaces: s.interfaces[:0]}
}
