package localkinesis

// Faults to inject into the calls of each shard, by counting: a value n hits
// every n-th call, 0 none. Where several fall on one call, the first of the
// list below wins. The same calls meet the same faults.
type Faults struct {
	ExpireEvery    int // reads that get an ExpiredIteratorException
	ThrottleEvery  int // reads that get a ProvisionedThroughputExceededException
	FailEvery      int // reads that get status 500, InternalFailure
	DuplicateEvery int // puts whose record is stored twice, as a producer's retry does
	RepeatEvery    int // reads and events that begin with the record before, delivered once more

	RefuseEvery int // SubscribeToShard calls that get a ResourceInUseException
	SilentEvery int // subscriptions that never push anything
	CutEvery    int // events in the middle of which the connection breaks
}

// readFault counts a read and returns the fault that falls on it. The lock must be
// held.
func (s *Server) readFault(st *stream, sh *shard) error {
	sh.reads++
	switch f := s.opts.Faults; {
	case every(f.ExpireEvery, sh.reads):
		s.stats.Expired++
		return expiredIterator("Iterator expired by an injected fault.")
	case every(f.ThrottleEvery, sh.reads):
		s.stats.Throttled++
		return throttled(sh.id, st.name)
	case every(f.FailEvery, sh.reads):
		s.stats.Failed++
		return internalFailure()
	}
	return nil
}

// subscribeFault is the same of a SubscribeToShard.
func (s *Server) subscribeFault(sh *shard) error {
	sh.subscriptions++
	switch f := s.opts.Faults; {
	case every(f.RefuseEvery, sh.subscriptions):
		s.stats.InUse++
		return inUse("Another active subscription exists, by an injected fault.")
	case every(f.ThrottleEvery, sh.subscriptions):
		s.stats.Throttled++
		return badRequest("LimitExceededException", "Rate exceeded for shard %s by an injected fault.", sh.id)
	case every(f.FailEvery, sh.subscriptions):
		s.stats.Failed++
		return internalFailure()
	}
	return nil
}

func every(n, count int) bool { return n > 0 && count%n == 0 }
