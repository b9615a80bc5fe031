package localkinesis

import "time"

const (
	maxGetRecords = 10_000   // records of one GetRecords
	maxGetBytes   = 10 << 20 // bytes of one GetRecords
)

type getRecordsInput struct {
	named
	ShardIterator string
	Limit         *int
}

type readRecord struct {
	SequenceNumber              string
	ApproximateArrivalTimestamp timestamp
	Data                        []byte
	PartitionKey                string
	EncryptionType              string
}

type childShard struct {
	ShardId      string
	ParentShards []string
	HashKeyRange hashKeyRange
}

type getRecordsOutput struct {
	Records            []readRecord
	NextShardIterator  *string `json:",omitempty"`
	MillisBehindLatest int64
	ChildShards        []childShard `json:",omitempty"`
}

func (s *Server) getRecords(in getRecordsInput) (getRecordsOutput, error) {
	limit := maxGetRecords
	if in.Limit != nil {
		if limit = *in.Limit; limit < 1 || limit > maxGetRecords {
			return getRecordsOutput{}, badRequest("ValidationException", "Limit %d: 1 to %d are accepted", limit, maxGetRecords)
		}
	}
	it, err := parseIterator(in.ShardIterator)
	if err != nil {
		return getRecordsOutput{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, sh, err := s.admit(it)
	if err != nil {
		return getRecordsOutput{}, err
	}
	s.stats.Reads++
	return s.read(st, sh, it, min(limit, s.opts.PageRecords)), nil
}

// admit finds the shard of an iterator and refuses what must be refused.
func (s *Server) admit(it iterator) (*stream, *shard, error) {
	st, err := s.stream(named{StreamName: it.stream})
	if err != nil {
		return nil, nil, err
	}
	sh, err := st.shard(it.shard)
	switch {
	case err != nil:
		return nil, nil, err
	case st.generation != it.generation || it.next > sh.next:
		return nil, nil, invalidArgument("Invalid ShardIterator.")
	}
	if err := s.readFault(st, sh); err != nil {
		return nil, nil, err
	}
	now := time.Now()
	if age := now.Sub(it.issued); age > s.opts.IteratorLifetime {
		s.stats.Expired++
		return nil, nil, expiredIterator("Iterator expired. The iterator was created at time %s while right now it is %s which is further in the future than the tolerated delay of %d milliseconds.",
			it.issued.UTC().Format(time.RFC1123), now.UTC().Format(time.RFC1123), s.opts.IteratorLifetime.Milliseconds())
	}
	if s.opts.EnforceLimits && !sh.pace.admitRead(now) {
		s.stats.Throttled++
		return nil, nil, throttled(sh.id, st.name)
	}
	return st, sh, nil
}

// read answers a GetRecords that was admitted.
func (s *Server) read(st *stream, sh *shard, it iterator, limit int) getRecordsOutput {
	out := getRecordsOutput{Records: []readRecord{}}
	if it.next > 0 && every(s.opts.Faults.RepeatEvery, sh.reads) {
		it.next--
	}
	var rest []record
	out.Records, it.next, rest = sh.take(it.next, limit, maxGetBytes)
	if s.opts.EnforceLimits {
		sh.pace.read(time.Now(), sizeOf(out.Records))
	}
	if len(rest) > 0 {
		out.MillisBehindLatest = max(1, s.now().Sub(rest[0].arrival).Milliseconds())
	} else if !sh.isOpen() {
		out.ChildShards = st.childShards(sh.id)
		return out
	}
	it.issued = time.Now()
	token := it.token()
	out.NextShardIterator = &token
	return out
}

// take returns the records from the given number on, up to a count and up to a
// size (but always one), the number of the record after them, and what remains.
func (s *shard) take(from uint64, most int, mostBytes int64) (taken []readRecord, next uint64, rest []record) {
	rest, next = s.retained(from), from
	taken = []readRecord{}
	bytes := int64(0)
	for len(rest) > 0 && len(taken) < most {
		r := rest[0]
		if bytes += r.size(); bytes > mostBytes && len(taken) > 0 {
			break
		}
		taken = append(taken, readRecord{s.sequence(r.number), timestamp{r.arrival}, r.data, r.key, "NONE"})
		rest, next = rest[1:], r.number+1
	}
	return taken, next, rest
}

func sizeOf(records []readRecord) (bytes int64) {
	for _, r := range records {
		bytes += int64(len(r.Data) + len(r.PartitionKey))
	}
	return bytes
}

func (st *stream) childShards(id string) []childShard {
	var children []childShard
	for _, child := range st.children(id) {
		children = append(children, childShard{child.id, child.parents, hashKeyRange{child.first.String(), child.last.String()}})
	}
	return children
}
