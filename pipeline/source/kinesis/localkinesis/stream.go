package localkinesis

import (
	"slices"
	"strings"
	"time"
)

const (
	account = "000000000000"
	region  = "us-east-1"
)

// stream is guarded by the server's lock.
type stream struct {
	name       string
	generation uint64 // tells it from a deleted stream of the same name
	created    time.Time
	shards     []*shard // by ID
	opened     int      // shards opened so far: the index of the next one
	bytes      int64    // retained
	maxRecord  int      // bytes of data and partition key of one record

	consumers map[string]*consumer // by name
}

func (st *stream) arn() string {
	return "arn:aws:kinesis:" + region + ":" + account + ":stream/" + st.name
}

func (st *stream) open(now time.Time, hashes hashRange, parents ...string) *shard {
	opened := newShard(st.opened, hashes, now, parents...)
	st.opened++
	st.shards = append(st.shards, opened)
	return opened
}

func (st *stream) shard(id string) (*shard, error) {
	for _, sh := range st.shards {
		if sh.id == id {
			return sh, nil
		}
	}
	return nil, notFound("Shard %s in stream %s under account %s does not exist", id, st.name, account)
}

// owner is the open shard that holds a hash key.
func (st *stream) owner(key hashKey) *shard {
	for _, sh := range st.shards {
		if sh.isOpen() && sh.contains(key) {
			return sh
		}
	}
	return nil // not reached: the open shards cover the space
}

// children of a shard, by ID.
func (st *stream) children(id string) []*shard {
	var children []*shard
	for _, sh := range st.shards {
		if slices.Contains(sh.parents, id) {
			children = append(children, sh)
		}
	}
	return children
}

// retain drops the oldest records of the stream until it holds no more than
// limit bytes, and returns how many that were.
func (st *stream) retain(limit int64) (dropped int64) {
	for st.bytes > limit {
		var from *shard
		var oldest time.Time
		for _, sh := range st.shards {
			if at, any := sh.oldest(); any && (from == nil || at.Before(oldest)) {
				from, oldest = sh, at
			}
		}
		if from == nil {
			break
		}
		st.bytes -= from.trim()
		dropped++
		if from.forgotten() {
			st.shards = slices.DeleteFunc(st.shards, func(sh *shard) bool { return sh == from })
		}
	}
	return dropped
}

// named is how an operation says which stream it means.
type named struct {
	StreamName string
	StreamARN  string
}

// stream finds the stream that an operation names. The lock must be held.
func (s *Server) stream(by named) (*stream, error) {
	name := by.StreamName
	if by.StreamARN != "" {
		_, fromARN, ok := strings.Cut(by.StreamARN, ":stream/")
		if !ok || name != "" && name != fromARN {
			return nil, invalidArgument("StreamARN %q does not name the stream %q", by.StreamARN, name)
		}
		name = fromARN
	}
	if name == "" {
		return nil, invalidArgument("either StreamName or StreamARN must be given")
	}
	st := s.streams[name]
	if st == nil {
		return nil, notFound("Stream %s under account %s not found.", name, account)
	}
	return st, nil
}
