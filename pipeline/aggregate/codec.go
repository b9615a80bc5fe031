package aggregate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/sketch"
)

// codecVersion is the first byte of every encoded pane.
const codecVersion = 2

var errBroken = errors.New("broken aggregate")

// AppendBinary appends the pane's form for a commit or another replica. Equal
// panes give equal bytes, samples apart: rows go by ascending key.
func (p *Pane) AppendBinary(b []byte) []byte {
	b = append(slices.Grow(b, p.encodedSize()), codecVersion)
	b = binary.AppendUvarint(b, uint64(len(p.views)))
	for i, t := range p.views {
		b = appendPart(b, []byte(p.plan.views[i].id))
		b = appendSection(b, t.AppendBinary)
	}
	b = appendSection(b, p.loads.appendBinary)
	b = appendSection(b, p.contacts.appendBinary)
	return appendSection(b, p.logins.table.AppendBinary)
}

// encodedSize is about how many bytes a large pane takes: growing towards them
// would take several times as much.
func (p *Pane) encodedSize() int {
	const small, target = 4096, 24 // the rest, and a set of one target
	n := small + p.loads.table.encodedSize() + p.contacts.table.encodedSize() + target*p.contacts.Len() + p.logins.table.encodedSize()
	for _, t := range p.views {
		n += t.encodedSize()
	}
	return n
}

// encodedSize takes three bytes a value: a time has five, and a count one or two.
func (t *Table) encodedSize() int {
	return len(t.arena) + 3*len(t.values) + 2*t.Len()
}

// appendSection appends what encode does, with its length before it, so that
// a reader can skip it.
func appendSection(b []byte, encode func([]byte) []byte) []byte {
	const width = 4
	at := len(b)
	b = encode(append(b, make([]byte, width)...))
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-width))
	return b
}

func nextSection(b []byte) (section, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := uint64(binary.BigEndian.Uint32(b))
	if n > uint64(len(b)-4) {
		return nil, nil, false
	}
	return b[4 : 4+n], b[4+n:], true
}

// DecodePane reads what AppendBinary wrote, under whatever plan: the tables of
// views that this plan does not have, or has under another declaration, are
// left out.
func DecodePane(plan *Plan, b []byte) (*Pane, error) {
	if len(b) == 0 || b[0] != codecVersion {
		return nil, fmt.Errorf("%w: pane of an unknown version", errBroken)
	}
	n, used := binary.Uvarint(b[1:])
	if used <= 0 {
		return nil, errBroken
	}
	b = b[1+used:]
	p := newPane(plan)
	for range n {
		id, rest, ok := nextPart(b)
		if !ok {
			return nil, errBroken
		}
		section, rest, ok := nextSection(rest)
		if !ok {
			return nil, errBroken
		}
		b = rest
		if i := plan.index(string(id)); i >= 0 {
			if err := p.views[i].decode(section); err != nil {
				return nil, fmt.Errorf("view %s: %w", id, err)
			}
		}
	}
	loads, b, ok := nextSection(b)
	if !ok {
		return nil, errBroken
	}
	contacts, b, ok := nextSection(b)
	if !ok {
		return nil, errBroken
	}
	logins, _, ok := nextSection(b)
	if !ok {
		return nil, errBroken
	}
	if err := errors.Join(p.loads.decode(loads), p.contacts.decode(contacts), p.logins.table.decode(logins)); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Plan) index(id string) int {
	return slices.IndexFunc(p.views, func(c *compiled) bool { return c.id == id })
}

// AppendBinary appends the table's rows by ascending key.
func (t *Table) AppendBinary(b []byte) []byte {
	return t.appendRows(b, t.Sorted())
}

func (t *Table) appendRows(b []byte, rows []int) []byte {
	b = binary.AppendUvarint(b, uint64(len(rows)))
	b = binary.AppendUvarint(b, uint64(len(t.schema.columns)))
	for _, row := range rows {
		b = appendPart(b, t.Key(row))
		for _, v := range t.Values(row) {
			b = binary.AppendVarint(b, v)
		}
		if t.schema.distinct {
			b = t.sets[row].AppendBinary(b)
		}
	}
	return b
}

// decode adds the rows of an encoded table of the same schema.
func (t *Table) decode(b []byte) error {
	_, err := t.decodeRows(b)
	return err
}

// decodeRows is decode; it returns what follows the rows.
func (t *Table) decodeRows(b []byte) ([]byte, error) {
	rows, used := binary.Uvarint(b)
	if used <= 0 || rows > uint64(len(b)) {
		return nil, errBroken
	}
	b = b[used:]
	width, used := binary.Uvarint(b)
	if used <= 0 || width != uint64(len(t.schema.columns)) {
		return nil, errBroken
	}
	b = b[used:]
	values := make([]int64, width)
	for range rows {
		key, rest, ok := nextPart(b)
		if !ok {
			return nil, errBroken
		}
		b = rest
		for i := range values {
			v, used := binary.Varint(b)
			if used <= 0 {
				return nil, errBroken
			}
			values[i], b = v, b[used:]
		}
		row, _ := t.Row(key)
		t.mergeValues(t.Values(row), values)
		if !t.schema.distinct {
			continue
		}
		var set sketch.Distinct
		rest, err := set.Decode(b)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errBroken, err)
		}
		b = rest
		t.sets[row].Merge(&set)
	}
	return b, nil
}

func (l *Loads) appendBinary(b []byte) []byte {
	rows := l.table.Sorted()
	b = appendSection(b, func(b []byte) []byte { return l.table.appendRows(b, rows) })
	for _, row := range rows {
		b = l.samples[row].appendBinary(b)
	}
	return b
}

func (l *Loads) decode(b []byte) error {
	section, b, ok := nextSection(b)
	if !ok {
		return errBroken
	}
	if err := l.table.decode(section); err != nil {
		return err
	}
	l.samples = make([]Samples, l.table.Len())
	for row := range l.samples {
		rest, err := l.samples[row].decode(b)
		if err != nil {
			return err
		}
		b = rest
	}
	return nil
}

func (c *Contacts) appendBinary(b []byte) []byte {
	rows := c.table.Sorted()
	b = appendSection(b, func(b []byte) []byte { return c.table.appendRows(b, rows) })
	for _, row := range rows {
		b = c.targets[row].AppendBinary(b)
		s := c.samples[row]
		if s == nil {
			b = append(b, 0)
			continue
		}
		b = s.appendBinary(append(b, 1))
	}
	return b
}

func (c *Contacts) decode(b []byte) error {
	section, b, ok := nextSection(b)
	if !ok {
		return errBroken
	}
	if err := c.table.decode(section); err != nil {
		return err
	}
	for row := range c.table.Len() {
		targets, rest, err := DecodeTargets(b)
		if err != nil || len(rest) == 0 {
			return errors.Join(errBroken, err)
		}
		c.targets = append(c.targets, *targets)
		b = rest[1:]
		if rest[0] == 0 {
			continue
		}
		c.samples[row] = &Samples{}
		if b, err = c.samples[row].decode(b); err != nil {
			return err
		}
	}
	return nil
}

func (s *Samples) appendBinary(b []byte) []byte {
	b = appendPart(b, s.lines)
	b = binary.AppendUvarint(b, uint64(len(s.sources)))
	for _, e := range s.sources {
		b = appendAddr(b, e.Key)
		b = binary.AppendVarint(binary.AppendVarint(b, e.Records), e.Error)
	}
	b = binary.AppendUvarint(b, uint64(len(s.ports)))
	for _, e := range s.ports {
		b = append(binary.BigEndian.AppendUint16(b, e.Key.Port), e.Key.Protocol)
		b = binary.AppendVarint(binary.AppendVarint(b, e.Records), e.Error)
	}
	b = binary.AppendUvarint(b, uint64(len(s.interfaces)))
	for _, id := range s.interfaces {
		b = appendPart(b, []byte(id))
	}
	for _, text := range []string{s.Region, s.Instance, s.Interface} {
		b = appendPart(b, []byte(text))
	}
	return appendAddr(b, s.TargetAddr)
}

func (s *Samples) decode(b []byte) ([]byte, error) {
	r := reader{b: b}
	for _, c := range r.part() {
		s.lines = append(s.lines, c)
		if c == '\n' {
			s.count++
		}
	}
	for range r.count(sampleTop) {
		s.sources = append(s.sources, Counted[netip.Addr]{addrPart(r.part()), r.varint(), r.varint()})
	}
	for range r.count(sampleTop) {
		port := r.bytes(3)
		if r.bad {
			break
		}
		s.ports = append(s.ports, Counted[Service]{Service{binary.BigEndian.Uint16(port), port[2]}, r.varint(), r.varint()})
	}
	for range r.count(sampleSide) {
		s.interfaces = append(s.interfaces, string(r.part()))
	}
	s.Region, s.Instance, s.Interface = string(r.part()), string(r.part()), string(r.part())
	s.TargetAddr = addrPart(r.part())
	if r.bad || (len(s.lines) > 0 && s.lines[len(s.lines)-1] != '\n') {
		return nil, fmt.Errorf("%w: samples", errBroken)
	}
	return r.b, nil
}

// reader reads one value after the other; after something broken, bad is set
// and all values are zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) part() []byte {
	part, rest, ok := nextPart(r.b)
	if !ok {
		r.bad = true
		return nil
	}
	r.b = rest
	return part
}

func (r *reader) bytes(n int) []byte {
	if len(r.b) < n {
		r.bad = true
		return nil
	}
	part := r.b[:n]
	r.b = r.b[n:]
	return part
}

func (r *reader) varint() int64 {
	v, used := binary.Varint(r.b)
	if used <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[used:]
	return v
}

// count reads a number of elements that is at most limit.
func (r *reader) count(limit uint64) int {
	n, used := binary.Uvarint(r.b)
	if used <= 0 || n > limit {
		r.bad = true
		return 0
	}
	r.b = r.b[used:]
	return int(n)
}
