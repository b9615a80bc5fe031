package flowlog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// LineKind is what a line turned out to be.
type LineKind uint8

// The kinds of line.
const (
	Data   LineKind = iota // a record, good or malformed
	Header                 // names the columns of the lines after it
	Blank                  // nothing but blanks
)

// Parser turns the lines of one partition, in order, into records. Its only
// state is the header in force; apart from that, what becomes of a line does
// not depend on the lines before it. Not for concurrent use.
//
// After a header line, the lines have its layout until the next header. Before
// any, a line has the first layout that it fits exactly, with as many values
// as columns and a proper value in each: of the configured formats in their
// order, then V2, then TransitGatewayDefault if its resource-type says so.
// When it fits none and at most one format is configured, that one (or V2)
// may still take it with more values than columns.
type Parser struct {
	layouts    []*Layout // in the order of preference; the last is the gateway's
	configured int       // how many of them were configured
	firstOfLen []bool    // no layout before layouts[i] has as many columns
	recent     int       // the layout that the last line fitted
	header     *Layout
}

// NewParser makes a parser with no header in force. The formats are those that
// header-less lines may have; none is needed for V2.
func NewParser(formats []*Layout) *Parser {
	p := &Parser{configured: len(formats)}
	p.layouts = append(append(p.layouts, formats...), defaultV2, defaultGateway)
	seen := make(map[int]bool)
	for _, l := range p.layouts {
		p.firstOfLen = append(p.firstOfLen, !seen[l.Len()])
		seen[l.Len()] = true
	}
	return p
}

// Header returns the format of the header in force, "" when there is none.
func (p *Parser) Header() string {
	if p.header == nil {
		return ""
	}
	return p.header.String()
}

// SetHeader puts a header in force as if its line had just been read: what
// Header returned on another day. "" means none, as at the start of a file.
func (p *Parser) SetHeader(format string) error {
	if format == "" {
		p.header = nil
		return nil
	}
	l, err := ParseLayout(format)
	if err != nil {
		return fmt.Errorf("set header: %w", err)
	}
	p.header = l
	return nil
}

// Parse reads one line, without its line end, into r. The reason is
// ReasonNone unless the line is Data and malformed; r then holds nothing but
// the line, as for Header and Blank. A header that names a field twice is a
// malformed line and changes nothing.
func (p *Parser) Parse(line []byte, r *Record) (LineKind, Reason) {
	first := 0
	for {
		for first < len(line) && isBlank(line[first]) {
			first++
		}
		if first == len(line) {
			r.clear(line)
			return Blank, ReasonNone
		}
		if line[first] != bom[0] || !bytes.HasPrefix(line[first:], bom) {
			break
		}
		line, first = line[first+len(bom):], 0
	}
	if len(line) > MaxLine {
		r.clear(line)
		return Data, ReasonLine
	}
	if c := line[first]; (c >= 'a' && c <= 'z' || c == '$') && isHeader(line) {
		r.clear(line)
		return p.readHeader(line)
	}
	var reason Reason
	if p.header != nil {
		reason = p.header.Parse(line, r)
	} else {
		reason = p.match(line, r)
	}
	if reason == ReasonNone && !r.proper() {
		r.clear(line)
		reason = ReasonText
	}
	return Data, reason
}

// proper reports whether the record's texts can be keys and labels: UTF-8, and
// none longer than MaxText.
func (r *Record) proper() bool {
	if !ascii(r.line) && !utf8.Valid(r.line) {
		return false
	}
	if len(r.line) <= MaxText {
		return true
	}
	for f := range NumFields {
		if f.Kind() == Text && len(r.Text(f)) > MaxText {
			return false
		}
	}
	return true
}

// ascii reports whether text is plain ASCII, as all lines are: 32 bytes at a
// time, which is three times as fast as utf8.Valid.
func ascii(text []byte) bool {
	const high = 0x8080808080808080
	for ; len(text) >= 32; text = text[32:] {
		b := (*[32]byte)(text)
		if (binary.LittleEndian.Uint64(b[0:])|binary.LittleEndian.Uint64(b[8:])|
			binary.LittleEndian.Uint64(b[16:])|binary.LittleEndian.Uint64(b[24:]))&high != 0 {
			return false
		}
	}
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func (p *Parser) readHeader(line []byte) (LineKind, Reason) {
	l, err := ParseLayout(string(line))
	if err != nil {
		return Data, ReasonFormat
	}
	p.header = l
	return Header, ReasonNone
}

// match finds the layout of a line by trying.
func (p *Parser) match(line []byte, r *Record) Reason {
	// Only one layout can win over the recent one: an earlier one of the same
	// length. Where there is none the order of trying makes no difference.
	if p.firstOfLen[p.recent] && p.fits(p.recent, line, r) {
		return ReasonNone
	}
	for i := range p.layouts {
		if p.fits(i, line, r) {
			p.recent = i
			return ReasonNone
		}
	}
	return p.misfit(line, r)
}

// fits reports whether the line has as many values as the layout has columns,
// each of its column's kind.
func (p *Parser) fits(i int, line []byte, r *Record) bool {
	if p.layouts[i].Parse(line, r) != ReasonNone || r.extra {
		return false
	}
	return i < len(p.layouts)-1 || saysGateway(line)
}

// saysGateway reports whether a line has the resource-type of a transit
// gateway where TransitGatewayDefault has it.
func saysGateway(line []byte) bool {
	_, at := nextToken(line, 0)
	token, _ := nextToken(line, at)
	return bytes.HasPrefix(token, gatewayPrefix)
}

// misfit decides on a line that fits no layout exactly: by the layout that
// was most likely meant, which is the one with as many columns.
func (p *Parser) misfit(line []byte, r *Record) Reason {
	n := values(line)
	var meant *Layout
	shortest := p.layouts[0].Len()
	for i, l := range p.layouts[:p.configured+1] {
		shortest = min(shortest, l.Len())
		if l.Len() != n {
			continue
		}
		if meant == nil {
			meant = l
		} else if i < p.configured {
			r.clear(line)
			return ReasonFormat // two configured formats may have been meant
		}
	}
	if meant == nil && n == defaultGateway.Len() && saysGateway(line) {
		meant = defaultGateway
	}
	if meant == nil && p.configured <= 1 {
		meant = p.layouts[0]
	}
	if meant != nil {
		return meant.Parse(line, r)
	}
	r.clear(line)
	if n < shortest {
		return ReasonFields
	}
	return ReasonFormat
}
