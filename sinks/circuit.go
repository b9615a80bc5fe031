package sinks

// circuit counts failures in a row. It opens after so many that the receiver
// must be taken for down: then one finding is sent a minute as a probe, in the
// place of whole batches. Any answer closes it.
type circuit struct{ failures int }

// breakAfter is how many failures in a row open a circuit. Pauses that double
// from half a second are a minute long by then.
const breakAfter = 8

func (c *circuit) open() bool { return c.failures >= breakAfter }

// fail counts a failure and reports whether it is the one that opens.
func (c *circuit) fail() (opened bool) {
	c.failures++
	return c.failures == breakAfter
}

func (c *circuit) reset() { c.failures = 0 }
