package localkinesis

import (
	"slices"
	"time"
)

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
	st.split(s.now(), sh, at)
	return none{}, nil
}

// split closes a shard and opens two, the second from a hash key on.
func (st *stream) split(now time.Time, sh *shard, at hashKey) {
	st.open(now, hashRange{sh.first, at.previous()}, sh.id)
	st.open(now, hashRange{at, sh.last}, sh.id)
	sh.close(now)
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
	st.merge(s.now(), left, right, parents)
	return none{}, nil
}

// merge closes two shards that lie side by side and opens one in their place.
func (st *stream) merge(now time.Time, left, right *shard, parents []string) *shard {
	opened := st.open(now, hashRange{left.first, right.last}, parents...)
	left.close(now)
	right.close(now)
	return opened
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

type updateShardCountInput struct {
	named
	TargetShardCount int
	ScalingType      string
}

type updateShardCountOutput struct {
	StreamName        string
	StreamARN         string
	CurrentShardCount int
	TargetShardCount  int
}

// updateShardCount makes the open shards as many as asked for, of one size: it
// splits at every new bound, then merges what lies between two.
func (s *Server) updateShardCount(in updateShardCountInput) (updateShardCountOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.stream(in.named)
	if err != nil {
		return updateShardCountOutput{}, err
	}
	target, current := in.TargetShardCount, len(st.openShards())
	switch {
	case in.ScalingType != "UNIFORM_SCALING":
		return updateShardCountOutput{}, badRequest("ValidationException", "ScalingType %.40q: UNIFORM_SCALING is accepted", in.ScalingType)
	case target < 1 || target > maxShards:
		return updateShardCountOutput{}, badRequest("ValidationException", "TargetShardCount %d: 1 to %d are accepted", target, maxShards)
	case target > 2*current || 2*target < current:
		return updateShardCountOutput{}, invalidArgument("TargetShardCount %d: from half of the current shard count of %d to twice as many are accepted", target, current)
	}
	now := s.now()
	for _, want := range evenRanges(target) {
		if at := st.owner(want.first); at.first != want.first {
			st.split(now, at, want.first)
		}
	}
	for _, want := range evenRanges(target) {
		for left := st.owner(want.first); left.last != want.last; {
			right := st.owner(left.last.next())
			left = st.merge(now, left, right, []string{left.id, right.id})
		}
	}
	return updateShardCountOutput{StreamName: st.name, StreamARN: st.arn(), CurrentShardCount: current, TargetShardCount: target}, nil
}

// openShards are those that take records, by hash key.
func (st *stream) openShards() []*shard {
	open := slices.DeleteFunc(slices.Clone(st.shards), func(sh *shard) bool { return !sh.isOpen() })
	slices.SortFunc(open, func(a, b *shard) int { return a.first.compare(b.first) })
	return open
}
