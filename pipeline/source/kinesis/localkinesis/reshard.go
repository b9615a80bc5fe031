package localkinesis

type splitShardInput struct {
	named
	ShardToSplit       string
	NewStartingHashKey string
}

func (s *Server) splitShard(in splitShardInput) (none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, sh, err := s.openShard(in.named, in.ShardToSplit)
	if err != nil {
		return none{}, err
	}
	at, ok := parseHashKey(in.NewStartingHashKey)
	if !ok || at.compare(sh.first) <= 0 || at.compare(sh.last) > 0 {
		return none{}, invalidArgument("NewStartingHashKey %.60s used in SplitShard() on shard %s in stream %s under account %s is not both greater than one plus the shard's StartingHashKey %s and less than the shard's EndingHashKey %s.",
			in.NewStartingHashKey, sh.id, st.name, account, sh.first, sh.last)
	}
	now := s.now()
	sh.closed = now
	st.open(now, hashRange{sh.first, at.previous()}, sh.id)
	st.open(now, hashRange{at, sh.last}, sh.id)
	return none{}, nil
}

type mergeShardsInput struct {
	named
	ShardToMerge         string
	AdjacentShardToMerge string
}

func (s *Server) mergeShards(in mergeShardsInput) (none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, left, err := s.openShard(in.named, in.ShardToMerge)
	if err != nil {
		return none{}, err
	}
	_, right, err := s.openShard(in.named, in.AdjacentShardToMerge)
	if err != nil {
		return none{}, err
	}
	parents := []string{left.id, right.id}
	if right.first.compare(left.first) < 0 {
		left, right = right, left
	}
	if left == right || left.last.next() != right.first {
		return none{}, invalidArgument("Shards %s and %s in stream %s under account %s are not an adjacent pair of shards eligible for merging",
			in.ShardToMerge, in.AdjacentShardToMerge, st.name, account)
	}
	now := s.now()
	left.closed, right.closed = now, now
	st.open(now, hashRange{left.first, right.last}, parents...)
	return none{}, nil
}

// openShard finds a shard that resharding needs open. The lock must be held.
func (s *Server) openShard(by named, id string) (*stream, *shard, error) {
	st, err := s.stream(by)
	if err != nil {
		return nil, nil, err
	}
	sh, err := st.shard(id)
	if err != nil {
		return nil, nil, err
	}
	if !sh.isOpen() {
		return nil, nil, invalidArgument("Shard %s in stream %s under account %s has already been merged or split, and thus is not eligible for merging or splitting.", id, st.name, account)
	}
	return st, sh, nil
}
