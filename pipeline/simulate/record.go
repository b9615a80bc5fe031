package simulate

import (
	"net/netip"
	"strconv"
	"time"
)

// The values of action, protocol and tcp-flags that the traffic needs.
const (
	icmp   = 1
	tcp    = 6
	udp    = 17
	icmpv6 = 58

	fin    = 1
	syn    = 2
	rst    = 4
	synAck = 18
)

// flow is one record: what one interface saw of one direction of a connection
// in one minute.
type flow struct {
	src, dst         netip.Addr // as the interface sees them
	pktSrc, pktDst   netip.Addr // the real ends, where they differ
	srcPort, dstPort uint16
	protocol         uint8
	flags            uint8
	reject           bool
	egress           bool
	path             uint8 // traffic-path of egress
	packets, bytes   int64
	start, end       int64
	service          string // AWS service at the far end, "" for none
}

// The traffic-path of egress.
const (
	withinVPC = 1
	internet  = 8
)

// sheet collects the lines of one interface.
type sheet struct {
	text   []byte
	ends   []int
	starts []int64 // of each line: its start, Unix seconds

	withheld []int // lines that are not delivered now
}

func (s *sheet) reset() {
	s.text, s.ends, s.starts, s.withheld = s.text[:0], s.ends[:0], s.starts[:0], s.withheld[:0]
}

func (s *sheet) len() int { return len(s.ends) }

func (s *sheet) close(start int64) {
	s.ends = append(s.ends, len(s.text))
	s.starts = append(s.starts, start)
}

// line returns a line, valid until the next reset.
func (s *sheet) line(i int) []byte {
	from := 0
	if i > 0 {
		from = s.ends[i-1]
	}
	return s.text[from:s.ends[i]:s.ends[i]]
}

// record writes the record of a flow at an interface, at once or, with a longer
// interval, together with what follows of it.
func (g *Generator) record(e *eni, f *flow) {
	if g.cfg.Interval > time.Minute {
		e.aggregates[g.attacking].add(f)
		return
	}
	g.write(e, f)
}

func (g *Generator) write(e *eni, f *flow) {
	if g.cfg.Format == V2 {
		e.out.text = appendV2(e.out.text, e, f)
	} else {
		e.out.text = appendV5(e.out.text, e, f)
	}
	e.out.close(f.start)
}

func appendV2(b []byte, e *eni, f *flow) []byte {
	b = append(b, "2 "...)
	b = append(b, e.vpc.account...)
	b = append(b, ' ')
	b = append(b, e.id...)
	b = append(b, ' ')
	b = f.src.AppendTo(b)
	b = append(b, ' ')
	b = f.dst.AppendTo(b)
	b = number(b, int64(f.srcPort))
	b = number(b, int64(f.dstPort))
	b = number(b, int64(f.protocol))
	b = number(b, f.packets)
	b = number(b, f.bytes)
	b = number(b, f.start)
	b = number(b, f.end)
	b = append(b, ' ')
	b = append(b, action(f)...)
	return append(b, " OK"...)
}

func appendV5(b []byte, e *eni, f *flow) []byte {
	b = append(b, e.vpc.account...)
	b = append(b, ' ')
	b = append(b, action(f)...)
	b = text(b, e.az)
	b = number(b, f.bytes)
	b = address(b, f.dst)
	b = number(b, int64(f.dstPort))
	b = number(b, f.end)
	if f.egress {
		b = append(b, " egress"...)
	} else {
		b = append(b, " ingress"...)
	}
	b = text(b, e.instance)
	b = text(b, e.id)
	b = append(b, " OK"...)
	b = number(b, f.packets)
	b = service(b, f.service, f.egress)
	b = address(b, or(f.pktDst, f.dst))
	b = service(b, f.service, !f.egress)
	b = address(b, or(f.pktSrc, f.src))
	b = number(b, int64(f.protocol))
	b = text(b, e.vpc.region)
	b = address(b, f.src)
	b = number(b, int64(f.srcPort))
	b = number(b, f.start)
	b = append(b, " - -"...)
	b = text(b, e.subnet)
	b = number(b, int64(f.flags))
	if f.egress && f.path > 0 {
		b = number(b, int64(f.path))
	} else {
		b = append(b, " -"...)
	}
	if f.src.Is4() {
		b = append(b, " IPv4 5"...)
	} else {
		b = append(b, " IPv6 5"...)
	}
	return text(b, e.vpc.id)
}

// status writes a line without a flow: NODATA or SKIPDATA.
func (g *Generator) status(e *eni, status string, start, end int64) {
	b := e.out.text
	if g.cfg.Format == V2 {
		b = append(b, "2 "...)
		b = append(b, e.vpc.account...)
		b = text(b, e.id)
		b = append(b, " - - - - - - -"...)
		b = number(b, start)
		b = number(b, end)
		b = append(b, " - "...)
		b = append(b, status...)
	} else {
		b = append(b, e.vpc.account...)
		b = append(b, " -"...)
		b = text(b, e.az)
		b = append(b, " - - -"...)
		b = number(b, end)
		b = append(b, " -"...)
		b = text(b, e.instance)
		b = text(b, e.id)
		b = text(b, status)
		b = append(b, " - - - - - -"...)
		b = text(b, e.vpc.region)
		b = append(b, " - -"...)
		b = number(b, start)
		b = append(b, " - -"...)
		b = text(b, e.subnet)
		b = append(b, " - - - 5"...)
		b = text(b, e.vpc.id)
	}
	e.out.text = b
	e.out.close(start)
}

func action(f *flow) string {
	if f.reject {
		return "REJECT"
	}
	return "ACCEPT"
}

func number(b []byte, n int64) []byte { return strconv.AppendInt(append(b, ' '), n, 10) }

func text(b []byte, s string) []byte { return append(append(b, ' '), s...) }

func address(b []byte, a netip.Addr) []byte { return a.AppendTo(append(b, ' ')) }

func service(b []byte, name string, here bool) []byte {
	if name == "" || !here {
		name = "-"
	}
	return text(b, name)
}

func or(a, b netip.Addr) netip.Addr {
	if a.IsValid() {
		return a
	}
	return b
}
