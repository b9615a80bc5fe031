package look

import (
	"fmt"
	"strconv"
)

// Table is rows under a heading that sort by any column.
type Table struct {
	Name    string // unique on the page: what is remembered of its order
	Title   string
	Note    string // of what the rows are, or what they leave out
	Columns []Column
	Rows    [][]Cell
	Empty   string // says what it means that there are no rows
}

// Column is the head of a column. Numbers stand to the right.
type Column struct {
	Name   string
	Number bool
}

// Cell is one value: what is read, and of a number what is sorted by. Weight is
// its part of the largest value of the column, in steps of a hundredth, drawn as
// a bar; 0 draws none.
type Cell struct {
	Text   string
	Sort   string // "" of a text, and of an unknown number, which comes last
	Weight int
	Code   bool // in a fixed-width face: addresses, identifiers
}

// Text is a cell to be read.
func Text(s string) Cell {
	if s == "" {
		s = Unknown
	}
	return Cell{Text: s}
}

// Code is a cell with an address or an identifier.
func Code(s string) Cell {
	c := Text(s)
	c.Code = true
	return c
}

// Int is a cell with a count.
func Int(n int64) Cell { return Cell{Text: Count(n), Sort: strconv.FormatInt(n, 10)} }

// Maybe is a cell with a count that may not be known.
func Maybe(n *int64) Cell {
	if n == nil {
		return Cell{Text: Unknown}
	}
	return Int(*n)
}

// Size is a cell with a number of bytes that may not be known.
func Size(n *int64) Cell {
	if n == nil {
		return Cell{Text: Unknown}
	}
	return Cell{Text: Bytes(float64(*n)), Sort: strconv.FormatInt(*n, 10)}
}

// Of gives a cell its bar: n of the largest.
func (c Cell) Of(n, largest int64) Cell {
	if largest > 0 && n > 0 {
		c.Weight = max(1, int(float64(n)/float64(largest)*100))
	}
	return c
}

// Bar returns the width of the bar as an attribute of SVG.
func (c Cell) Bar() string { return fmt.Sprintf("%d%%", min(100, c.Weight)) }
