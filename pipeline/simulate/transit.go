package simulate

import (
	"slices"
	"time"
)

// parcel is a batch that arrives in a later minute, with memory of its own.
type parcel struct {
	Batch
	text  []byte
	lines []Line
}

// transit holds the parcels on their way. Those that were handed out are used
// again when the minute they were handed out in is no longer valid.
type transit struct {
	parcels, handed, free []*parcel
}

// post copies a batch.
func (t *transit) post(b Batch) {
	p := &parcel{}
	if n := len(t.free); n > 0 {
		p, t.free = t.free[n-1], t.free[:n-1]
	}
	size := 0
	for i := range b.Lines {
		size += len(b.Lines[i].Text)
	}
	p.text, p.lines = slices.Grow(p.text[:0], size), p.lines[:0]
	for _, l := range b.Lines {
		from := len(p.text)
		p.text = append(p.text, l.Text...)
		p.lines = append(p.lines, Line{p.text[from:len(p.text):len(p.text)], l.Start})
	}
	p.Batch = b
	p.Batch.Lines = p.lines
	t.parcels = append(t.parcels, p)
}

// take yields what arrives before a time.
func (t *transit) take(before int64, yield func(Batch)) {
	t.free = append(t.free, t.handed...)
	t.handed = t.handed[:0]
	on := t.parcels[:0]
	for _, p := range t.parcels {
		if p.At.Unix() >= before {
			on = append(on, p)
			continue
		}
		yield(p.Batch)
		t.handed = append(t.handed, p)
	}
	clear(t.parcels[len(on):])
	t.parcels = on
}

// send hands a batch out now, or in the minute that it arrives in: those of one
// call end two minutes after it began.
func (g *Generator) send(b Batch) {
	g.counts.Lines += int64(len(b.Lines))
	if b.At.Unix() < g.now+2*minute {
		g.minute.Batches = append(g.minute.Batches, b)
		return
	}
	g.transit.post(b)
}

// arrive adds what arrives in this minute of what was sent before, and sorts.
func (g *Generator) arrive() {
	g.transit.take(g.now+2*minute, func(b Batch) { g.minute.Batches = append(g.minute.Batches, b) })
	sortBatches(g.minute.Batches)
}

// Rest returns what is still on its way when no further minute is made, in the
// order of arrival: batches whose delivery takes longer, lines that are kept
// back, and of a longer interval what was summed up so far. It is valid until
// the next call.
func (g *Generator) Rest() []Batch {
	g.now -= minute // all of it belongs to the minute made last
	g.begin()
	g.close(ofBackground)
	g.close(ofAttacks)
	for _, v := range g.vpcs {
		for _, e := range v.enis {
			g.deliver(e)
		}
	}
	for _, h := range g.held {
		g.counts.Late++
		g.send(Batch{
			At: time.Unix(h.due+minute, 0).UTC(), Account: h.eni.vpc.account, VPC: h.eni.vpc.id, Stream: h.eni.stream,
			Lines: []Line{{h.text, h.start}},
		})
	}
	g.held = g.held[:0]
	g.now += minute
	g.transit.take(1<<62, func(b Batch) { g.minute.Batches = append(g.minute.Batches, b) })
	sortBatches(g.minute.Batches)
	return g.minute.Batches
}
