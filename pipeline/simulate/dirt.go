package simulate

import (
	"bytes"
	"slices"
)

// lateBy is how many minutes late a late line comes: beyond an allowed
// lateness of 15 or 25 minutes and the pane that was open then.
const lateBy = 40

// heldLine is a line that is kept back.
type heldLine struct {
	due   int64 // minute in which it is delivered
	eni   *eni
	text  []byte
	start int64
}

// hold keeps a few lines of the background back, delivers those that were
// kept long enough, and adds lines that are broken. Lines of attacks are made
// after it, so that their truth stays exact.
func (g *Generator) hold() {
	for _, v := range g.vpcs {
		for _, e := range v.enis {
			for i := range e.out.len() {
				g.dirty(e, i)
			}
		}
	}
	for len(g.held) > 0 && g.held[0].due <= g.now {
		h := g.held[0]
		g.held[0] = heldLine{}
		g.held = g.held[1:]
		h.eni.out.add(h.text, h.start)
		g.counts.Late++
	}
}

// dirty decides the fate of one line.
func (g *Generator) dirty(e *eni, i int) {
	switch r := g.rng.Float64(); {
	case r < g.cfg.Malformed:
		e.out.add(g.broken(e.out.line(i)), e.out.starts[i])
		g.counts.Malformed++
	case r > 1-g.cfg.Late:
		g.held = append(g.held, heldLine{g.now + lateBy*minute, e, bytes.Clone(e.out.line(i)), e.out.starts[i]})
		e.out.withheld = append(e.out.withheld, i)
	}
}

// broken returns a line that is no record, in one of the ways that are seen in
// practice: cut off, a value of another type, a window that ends before it
// begins.
func (g *Generator) broken(line []byte) []byte {
	fields := bytes.Fields(line)
	port, end := 5, 11
	if g.cfg.Format == V5 {
		port, end = 19, 6
	}
	switch g.rng.IntN(3) {
	case 0:
		return bytes.Clone(line[:len(line)/2])
	case 1:
		fields[port] = []byte("65537")
	default:
		fields[end] = []byte("1")
	}
	return bytes.Join(fields, []byte(" "))
}

// add puts a finished line onto the sheet.
func (s *sheet) add(line []byte, start int64) {
	s.text = append(s.text, line...)
	s.close(start)
}

// held reports whether a line is kept back.
func (s *sheet) held(i int) bool { return len(s.withheld) > 0 && slices.Contains(s.withheld, i) }
