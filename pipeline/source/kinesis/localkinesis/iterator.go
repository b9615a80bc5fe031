package localkinesis

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// iterator is where a reader is in a shard. It travels as an opaque token that
// holds all of it, so none is kept here.
type iterator struct {
	stream     string
	generation uint64
	shard      string
	next       uint64 // number of the next record to return
	issued     time.Time
}

func (it iterator) token() string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "iterator|%s|%d|%s|%d|%d",
		it.stream, it.generation, it.shard, it.next, it.issued.UnixMilli()))
}

func parseIterator(token string) (iterator, error) {
	invalid := invalidArgument("Invalid ShardIterator.")
	text, err := base64.StdEncoding.DecodeString(token)
	fields := strings.Split(string(text), "|")
	if err != nil || len(fields) != 6 || fields[0] != "iterator" {
		return iterator{}, invalid
	}
	generation, err := strconv.ParseUint(fields[2], 10, 64)
	if err != nil {
		return iterator{}, invalid
	}
	next, err := strconv.ParseUint(fields[4], 10, 64)
	if err != nil {
		return iterator{}, invalid
	}
	issued, err := strconv.ParseInt(fields[5], 10, 64)
	if err != nil {
		return iterator{}, invalid
	}
	return iterator{fields[1], generation, fields[3], next, unixMilli(issued)}, nil
}

func unixMilli(ms int64) time.Time { return time.UnixMilli(ms) }

type getShardIteratorInput struct {
	named
	ShardId                string
	ShardIteratorType      string
	StartingSequenceNumber string
	Timestamp              *timestamp
}

type getShardIteratorOutput struct{ ShardIterator string }

func (s *Server) getShardIterator(in getShardIteratorInput) (getShardIteratorOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.stream(in.named)
	if err != nil {
		return getShardIteratorOutput{}, err
	}
	sh, err := st.shard(in.ShardId)
	if err != nil {
		return getShardIteratorOutput{}, err
	}
	next, err := s.startOf(st, sh, in)
	if err != nil {
		return getShardIteratorOutput{}, err
	}
	s.stats.Iterators++
	return getShardIteratorOutput{iterator{st.name, st.generation, sh.id, next, time.Now()}.token()}, nil
}

// startOf is the number of the first record that an iterator returns.
func (s *Server) startOf(st *stream, sh *shard, in getShardIteratorInput) (uint64, error) {
	switch in.ShardIteratorType {
	case "TRIM_HORIZON":
		return 0, nil
	case "LATEST":
		return sh.next, nil
	case "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER":
		number, ok := sh.number(in.StartingSequenceNumber)
		if !ok {
			return 0, invalidArgument("StartingSequenceNumber %.60s used in GetShardIterator on shard %s in stream %s under account %s is invalid because it did not come from this stream.",
				in.StartingSequenceNumber, sh.id, st.name, account)
		}
		if in.ShardIteratorType == "AFTER_SEQUENCE_NUMBER" {
			number++
		}
		return number, nil
	case "AT_TIMESTAMP":
		now := s.now()
		switch {
		case in.Timestamp == nil:
			return 0, invalidArgument("Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP.")
		case in.Timestamp.After(now):
			return 0, invalidArgument("The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: %d, currentTimestampInMillis: %d",
				in.Timestamp.UnixMilli(), now.UnixMilli())
		}
		return sh.numberAt(in.Timestamp.Time), nil
	}
	return 0, invalidArgument("ShardIteratorType %q: AT_SEQUENCE_NUMBER, AFTER_SEQUENCE_NUMBER, TRIM_HORIZON, LATEST and AT_TIMESTAMP are accepted", in.ShardIteratorType)
}
