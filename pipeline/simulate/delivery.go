package simulate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Delivery says when the logs of a minute arrive. The zero value is 22 to 44 s
// after its end, as measured on subscriptions in good weather.
type Delivery struct {
	// Median draws the delay from a lognormal distribution with this median and a
	// tail to twelve minutes; 0 for none.
	Median time.Duration
	// Missing is the share of an interface's minutes that never arrive,
	// Duplicates the share that arrives twice.
	Missing, Duplicates float64
	// Outage is how long, from OutageAt after midnight UTC on, nothing is
	// delivered each day; all of it comes at its end.
	Outage, OutageAt time.Duration
}

// AWSDelivery is what a month of CloudWatch Logs looks like: a median of 30 s,
// one minute in a few hundred comes after more than five, a few come twice and a
// few never.
func AWSDelivery() Delivery {
	return Delivery{Median: 30 * time.Second, Missing: 1.0 / 5000, Duplicates: 1.0 / 5000}
}

// NamedDelivery returns one of the schedules that have a name: prompt, the zero
// value; aws; and rough, which has more of what goes wrong and twenty minutes
// every day in which nothing is delivered.
func NamedDelivery(name string) (Delivery, error) {
	switch name {
	case "prompt":
		return Delivery{}, nil
	case "aws":
		return AWSDelivery(), nil
	case "rough":
		d := AWSDelivery()
		d.Missing, d.Duplicates = 1.0/500, 1.0/200
		d.Outage, d.OutageAt = 20*time.Minute, 5*time.Hour+10*time.Minute
		return d, nil
	}
	return Delivery{}, fmt.Errorf("simulate: delivery %q: accepted are prompt, aws and rough", name)
}

// longestDelay is where the tail ends.
const longestDelay = 12 * time.Minute

func (d *Delivery) validate() error {
	switch {
	case d.Median < 0 || d.Median > longestDelay:
		return fmt.Errorf("simulate: delivery median %v: accepted are 0 to %v", d.Median, longestDelay)
	case d.Missing < 0 || d.Missing > 1 || d.Duplicates < 0 || d.Duplicates > 1:
		return fmt.Errorf("simulate: shares of delivery %v and %v: accepted are 0 to 1", d.Missing, d.Duplicates)
	}
	if d.Outage < 0 || d.OutageAt < 0 || d.Outage+d.OutageAt > 24*time.Hour {
		return fmt.Errorf("simulate: an outage of %v at %v: accepted is what begins and ends within a day", d.Outage, d.OutageAt)
	}
	return nil
}

// deliver makes the batch of one interface.
func (g *Generator) deliver(e *eni) {
	from := len(g.lines)
	for i := range e.out.len() {
		if !e.out.held(i) {
			g.lines = append(g.lines, Line{e.out.line(i), e.out.starts[i]})
		}
	}
	lines := g.lines[from:len(g.lines):len(g.lines)]
	if len(lines) == 0 {
		return
	}
	b := Batch{
		At: time.Unix(g.now+minute, 0).UTC().Add(g.delay(e)), Account: e.vpc.account, VPC: e.vpc.id,
		Stream: e.stream, Lines: lines,
	}
	if g.lost(g.cfg.Delivery.Missing) {
		g.counts.Missing += int64(len(lines))
		return
	}
	g.send(b)
	if g.lost(g.cfg.Delivery.Duplicates) {
		b.At = b.At.Add(time.Second)
		g.counts.Duplicates += int64(len(lines))
		g.send(b)
	}
}

// lost draws from the delivery's own source of chance: what arrives when changes
// nothing of what is logged.
func (g *Generator) lost(share float64) bool { return share > 0 && g.mail.Float64() < share }

// drawn reports whether something of this probability happens. Nothing is drawn
// for what never does.
func (g *Generator) drawn(p float64) bool { return p > 0 && g.rng.Float64() < p }

// delay draws how long after its end a minute of an interface arrives.
func (g *Generator) delay(e *eni) time.Duration {
	d := time.Duration(22_000+g.mail.IntN(22_000)) * time.Millisecond
	if median := g.cfg.Delivery.Median; median > 0 {
		d = time.Duration(float64(median) * math.Exp(0.75*g.mail.NormFloat64()))
		d = max(time.Second, min(d, longestDelay))
	}
	for _, s := range e.vpc.late {
		if s.has(g.now) {
			d += 50 * time.Minute
		}
	}
	for _, s := range e.vpc.outages {
		d = g.afterOutage(d, s)
	}
	if daily := g.cfg.Delivery.Outage; daily > 0 {
		arrival := g.now + minute + int64(d.Seconds())
		from := arrival - arrival%(24*3600) + int64(g.cfg.Delivery.OutageAt.Seconds())
		d = g.afterOutage(d, span{from, from + int64(daily.Seconds())})
	}
	return d
}

// afterOutage is a delay that would end within an outage, drawn out to some
// seconds after it.
func (g *Generator) afterOutage(d time.Duration, outage span) time.Duration {
	at := g.now + minute
	if !outage.has(at + int64(d.Seconds())) {
		return d
	}
	return time.Duration(outage.to-at)*time.Second + time.Duration(g.mail.IntN(20_000))*time.Millisecond
}

func sortBatches(b []Batch) {
	slices.SortStableFunc(b, func(a, b Batch) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Stream, b.Stream))
	})
}
