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
	sources    []Counted[netip.Addr] // at most 16, by Space-Saving
	ports      []Counted[Service]    // at most 16
	interfaces []string              // at most 5
	Region     string
	Instance   string
	Interface  string // that recorded it
	TargetAddr netip.Addr
}

// Counted is an entry of a top list; Records may be too high by Error.
type Counted[K comparable] struct {
	Key            K
	Records, Error int64
}

// Service is a port with its protocol.
type Service struct {
	Port     uint16
	Protocol uint8
}

// offer counts records of a key by Space-Saving (Metwally et al., 2005): when
// the list is full, the least entry is replaced and its count is the newcomer's
// error. A list is short, so looking through it beats any index.
func offer[K comparable](list []Counted[K], c Counted[K]) []Counted[K] {
	least := 0
	for i := range list {
		if list[i].Key == c.Key {
			list[i].Records += c.Records
			list[i].Error += c.Error
			return list
		}
		if list[i].Records < list[least].Records {
			least = i
		}
	}
	if len(list) < sampleTop {
		return append(list, c)
	}
	n := list[least].Records
	list[least] = Counted[K]{c.Key, n + c.Records, n + c.Error}
	return list
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
		s.sources = offer(s.sources, e)
	}
	for _, e := range o.ports {
		s.ports = offer(s.ports, e)
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
func (s *Samples) TopSources() []Counted[netip.Addr] {
	top := slices.SortedFunc(slices.Values(s.sources), func(a, b Counted[netip.Addr]) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), a.Key.Compare(b.Key))
	})
	return top[:min(sampleSide, len(top))]
}

// TopPorts returns the busiest ports, at most five.
func (s *Samples) TopPorts() []Counted[Service] {
	top := slices.SortedFunc(slices.Values(s.ports), func(a, b Counted[Service]) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Key.Port, b.Key.Port), cmp.Compare(a.Key.Protocol, b.Key.Protocol))
	})
	return top[:min(sampleSide, len(top))]
}

func (s *Samples) reset() {
	*s = Samples{lines: s.lines[:0], sources: s.sources[:0], ports: s.ports[:0], interfaces: s.interfaces[:0]}
}
