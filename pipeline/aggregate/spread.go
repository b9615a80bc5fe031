package aggregate

import "math/bits"

// cover says which panes a record covers, and what there is to be spread over
// them.
type cover struct {
	start, end     int64 // seconds, [start, end)
	first          int64 // start of the first pane
	pane           int64 // length of a pane
	panes          int
	bytes, packets int64
}

// share returns the part of total that belongs to pane i, in proportion to the
// overlap. The parts are by largest remainder (Hamilton's method): each pane
// gets the whole part of its proportion, and what is left goes one by one to
// the panes with the greatest remainders, the earlier first where they are
// equal. So the parts add up to total exactly.
func (c *cover) share(total int64, i int) int64 {
	if c.panes == 1 {
		return total
	}
	mine, remainder := quotient(total, c.overlap(i), c.end-c.start)
	left, ahead := total, int64(0)
	for j := range c.panes {
		q, r := quotient(total, c.overlap(j), c.end-c.start)
		left -= q
		if r > remainder || (r == remainder && j < i) {
			ahead++
		}
	}
	if ahead < left {
		mine++
	}
	return mine
}

// overlap returns how many seconds of pane i the record covers.
func (c *cover) overlap(i int) int64 {
	from := c.first + int64(i)*c.pane
	return min(c.end, from+c.pane) - max(c.start, from)
}

// quotient returns total*part/whole and the remainder, in 128 bits. All are
// at least 0, and part is at most whole.
func quotient(total, part, whole int64) (q, r int64) {
	hi, lo := bits.Mul64(uint64(total), uint64(part))
	uq, ur := bits.Div64(hi, lo, uint64(whole))
	return int64(uq), int64(ur)
}
