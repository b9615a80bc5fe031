package look

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The drawing of a chart has these units; the page stretches it to its own
// width, and labels stand beside it as text.
const (
	chartWidth  = 720
	chartHeight = 160
)

// Kind says how a series is drawn.
type Kind int

// The kinds.
const (
	Line    Kind = iota
	Stacked      // bars, one series upon the other
	Band         // the area between Low and High
)

// Series is one series of a chart: a value for each of the chart's times. NaN is
// "not known" and leaves a gap.
type Series struct {
	Name   string
	Class  string // of the style sheet: accepted, rejected, observed, expected, band
	Kind   Kind
	Values []float64
	Low    []float64 // of a Band; Values are its upper edge
}

// Chart is what happened over time. Times are Unix seconds, ascending, and mean
// the start of Step seconds each.
type Chart struct {
	Title  string
	Note   string
	Times  []int64
	Step   int64
	Series []Series
	Bytes  bool                 // values are bytes
	Format func(float64) string // of values that are not counts
	Empty  string               // says what it means that there is nothing to draw
}

// Shape is one path of a drawn chart.
type Shape struct{ Class, D string }

// Hit is the place of one time, with what a pointer there is told.
type Hit struct{ X, Width, Label string }

// Known reports whether there is anything to draw.
func (c *Chart) Known() bool {
	for _, s := range c.Series {
		for _, v := range s.Values {
			if !math.IsNaN(v) {
				return len(c.Times) > 0
			}
		}
	}
	return false
}

// Box is the viewBox of the drawing.
func (c *Chart) Box() string { return fmt.Sprintf("0 0 %d %d", chartWidth, chartHeight) }

// Height is the height of the drawing in its own units.
func (c *Chart) Height() int { return chartHeight }

// Top is the label of the upper edge, Middle that of half the height.
func (c *Chart) Top() string { return c.format(c.ceiling()) }

// Middle labels half the height.
func (c *Chart) Middle() string { return c.format(c.ceiling() / 2) }

func (c *Chart) format(v float64) string {
	switch {
	case c.Bytes:
		return Bytes(v)
	case c.Format != nil:
		return c.Format(v)
	}
	return Short(v)
}

// ceiling is a round number at or above every value that is no edge of a band. A
// band goes beyond where it would make the rest small.
func (c *Chart) ceiling() float64 {
	most, edge := 0.0, 0.0
	stack := make([]float64, len(c.Times))
	for _, s := range c.Series {
		for i, v := range s.Values {
			switch {
			case math.IsNaN(v):
			case s.Kind == Band:
				edge = max(edge, v)
			case s.Kind == Stacked:
				stack[i] += v
				most = max(most, stack[i])
			default:
				most = max(most, v)
			}
		}
	}
	most = max(most, min(edge, 3*most))
	unit := 1.0
	for c.Bytes && most >= 1024*unit {
		unit *= 1024
	}
	return roundUp(most/unit) * unit
}

// roundUp returns the least round number that is not below v, and 1 for nothing.
func roundUp(v float64) float64 {
	if !(v > 0) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8} {
		if m*power >= v {
			return m * power
		}
	}
	return 10 * power
}

// Ticks are the labels below the drawing, evenly apart, in UTC.
func (c *Chart) Ticks() []string {
	from, to := c.Times[0], c.Times[len(c.Times)-1]+c.Step
	layout := "15:04"
	switch {
	case to-from > 4*86400:
		layout = "Jan 2"
	case to-from > 86400:
		layout = "Jan 2 15:04"
	case to-from < 600:
		layout = "15:04:05"
	}
	var ticks []string
	for i := range int64(5) {
		ticks = append(ticks, time.Unix(from+(to-from)*i/4, 0).UTC().Format(layout))
	}
	return ticks
}

// Label says in words what the drawing shows.
func (c *Chart) Label() string {
	var parts []string
	for _, s := range c.Series {
		if s.Kind == Band {
			continue
		}
		if at := greatest(s.Values); at >= 0 {
			parts = append(parts, fmt.Sprintf("%s at most %s, at %s", s.Name, c.format(s.Values[at]), UTC(c.Times[at])))
		}
	}
	return c.Title + ": " + strings.Join(parts, "; ")
}

func greatest(values []float64) int {
	at := -1
	for i, v := range values {
		if !math.IsNaN(v) && (at < 0 || v > values[at]) {
			at = i
		}
	}
	return at
}

// x is where a time begins.
func (c *Chart) x(unix int64) float64 {
	from, to := c.Times[0], c.Times[len(c.Times)-1]+c.Step
	return float64(unix-from) / float64(max(1, to-from)) * chartWidth
}

func y(v, ceiling float64) float64 { return chartHeight * (1 - min(1, max(0, v/ceiling))) }

// Shapes are the paths of the drawing, those at the back first.
func (c *Chart) Shapes() []Shape {
	var shapes []Shape
	ceiling := c.ceiling()
	stack := make([]float64, len(c.Times))
	for _, s := range c.Series {
		var d string
		switch s.Kind {
		case Stacked:
			d = c.bars(&s, stack, ceiling)
		case Band:
			d = c.band(&s, ceiling)
		default:
			d = c.line(&s, ceiling)
		}
		shapes = append(shapes, Shape{s.Class, d})
	}
	return shapes
}

// bars draws a series upon what is stacked already, and adds to it.
func (c *Chart) bars(s *Series, stack []float64, ceiling float64) string {
	var b strings.Builder
	width := c.x(c.Times[0]+c.Step) * 0.86
	for i, v := range s.Values {
		if math.IsNaN(v) || v <= 0 {
			continue
		}
		bottom := y(stack[i], ceiling)
		stack[i] += v
		top := y(stack[i], ceiling)
		fmt.Fprintf(&b, "M%s %sh%sV%sh-%sz", decimal(c.x(c.Times[i])), decimal(bottom), decimal(width), decimal(top), decimal(width))
	}
	return b.String()
}

// line joins the middles of what is known.
func (c *Chart) line(s *Series, ceiling float64) string {
	var b strings.Builder
	for _, run := range c.runs(s.Values) {
		letter := "M"
		for i := run[0]; i < run[1]; i++ {
			if math.IsNaN(s.Values[i]) {
				continue
			}
			fmt.Fprintf(&b, "%s%s %s", letter, decimal(c.x(c.Times[i])+c.x(c.Times[0]+c.Step)/2), decimal(y(s.Values[i], ceiling)))
			letter = "L"
		}
		if run[1]-run[0] == 1 {
			b.WriteString("h.01") // a dot
		}
	}
	return b.String()
}

func (c *Chart) band(s *Series, ceiling float64) string {
	var b strings.Builder
	half := c.x(c.Times[0]+c.Step) / 2
	for _, run := range c.runs(s.Values) {
		letter := "M"
		for i := run[0]; i < run[1]; i++ {
			fmt.Fprintf(&b, "%s%s %s", letter, decimal(c.x(c.Times[i])+half), decimal(y(s.Values[i], ceiling)))
			letter = "L"
		}
		for i := run[1] - 1; i >= run[0]; i-- {
			fmt.Fprintf(&b, "L%s %s", decimal(c.x(c.Times[i])+half), decimal(y(s.Low[i], ceiling)))
		}
		b.WriteString("z")
	}
	return b.String()
}

// runs are the stretches [from, to) of values that are known, and no more than
// four steps apart.
func (c *Chart) runs(values []float64) [][2]int {
	var runs [][2]int
	begun := -1
	for i := range values {
		gap := math.IsNaN(values[i]) || begun >= 0 && i > begun && c.Times[i]-c.Times[i-1] > 4*c.Step
		if gap && begun >= 0 {
			runs = append(runs, [2]int{begun, i})
			begun = -1
		}
		if begun < 0 && !math.IsNaN(values[i]) {
			begun = i
		}
	}
	if begun >= 0 {
		runs = append(runs, [2]int{begun, len(values)})
	}
	return runs
}

// Hits tell the values of each time.
func (c *Chart) Hits() []Hit {
	hits := make([]Hit, 0, len(c.Times))
	for i, t := range c.Times {
		words := []string{time.Unix(t, 0).UTC().Format("2006-01-02 15:04:05 UTC")}
		for _, s := range c.Series {
			if v := s.Values[i]; !math.IsNaN(v) {
				words = append(words, s.Name+": "+c.exact(v))
			}
		}
		end := c.Times[len(c.Times)-1] + c.Step
		if i+1 < len(c.Times) {
			end = min(c.Times[i+1], t+c.Step)
		}
		hits = append(hits, Hit{decimal(c.x(t)), decimal(max(0.5, c.x(end)-c.x(t))), strings.Join(words, "\n")})
	}
	return hits
}

// exact writes a value for a reader who asks for one.
func (c *Chart) exact(v float64) string {
	if c.Bytes || c.Format != nil {
		return c.format(v)
	}
	return Number(v)
}

// decimal writes a coordinate with at most one decimal.
func decimal(v float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}
