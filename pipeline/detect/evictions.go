package detect

// evictions counts what a rule let go for want of room. While it is 0, what the
// rule finds does not depend on its limits.
type evictions struct{ evicted int64 }

// TakeEvicted returns how many sources, hosts, targets or habits, whatever the
// rule's limit is in, were let go since the last call.
func (e *evictions) TakeEvicted() int64 {
	n := e.evicted
	e.evicted = 0
	return n
}
