package localkinesis

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

type shardFilter struct {
	Type      string
	ShardId   string
	Timestamp *timestamp
}

type listShardsInput struct {
	named
	NextToken             string
	MaxResults            *int
	ExclusiveStartShardId string
	ShardFilter           *shardFilter
}

type hashKeyRange struct{ StartingHashKey, EndingHashKey string }

type sequenceNumberRange struct {
	StartingSequenceNumber string
	EndingSequenceNumber   string `json:",omitempty"`
}

type listedShard struct {
	ShardId               string
	ParentShardId         string `json:",omitempty"`
	AdjacentParentShardId string `json:",omitempty"`
	HashKeyRange          hashKeyRange
	SequenceNumberRange   sequenceNumberRange
}

type listShardsOutput struct {
	Shards    []listedShard
	NextToken string `json:",omitempty"`
}

func (s *Server) listShards(in listShardsInput) (listShardsOutput, error) {
	if in.NextToken != "" {
		if in.StreamName != "" || in.StreamARN != "" || in.ExclusiveStartShardId != "" || in.ShardFilter != nil {
			return listShardsOutput{}, invalidArgument("NextToken can't be given together with a stream, a start or a filter")
		}
		resumed, err := parsePageToken(in.NextToken)
		if err != nil {
			return listShardsOutput{}, err
		}
		resumed.MaxResults = in.MaxResults
		in = resumed
	}
	limit := 1000
	if in.MaxResults != nil {
		if limit = *in.MaxResults; limit < 1 || limit > 10_000 {
			return listShardsOutput{}, badRequest("ValidationException", "MaxResults %d: 1 to 10000 are accepted", limit)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.stream(in.named)
	if err != nil {
		return listShardsOutput{}, err
	}
	selects, err := in.ShardFilter.selector(st)
	if err != nil {
		return listShardsOutput{}, err
	}
	out := listShardsOutput{Shards: []listedShard{}}
	for _, sh := range st.shards {
		if sh.id <= in.ExclusiveStartShardId || !selects(sh) {
			continue
		}
		if len(out.Shards) == limit {
			out.NextToken = pageToken(st.name, out.Shards[limit-1].ShardId, in.ShardFilter)
			break
		}
		out.Shards = append(out.Shards, sh.listed())
	}
	return out, nil
}

func (s *shard) listed() listedShard {
	listed := listedShard{
		ShardId:             s.id,
		HashKeyRange:        hashKeyRange{s.first.String(), s.last.String()},
		SequenceNumberRange: sequenceNumberRange{StartingSequenceNumber: s.sequence(0)},
	}
	if !s.isOpen() {
		listed.SequenceNumberRange.EndingSequenceNumber = s.sequence(s.next)
	}
	if len(s.parents) > 0 {
		listed.ParentShardId = s.parents[0]
	}
	if len(s.parents) > 1 {
		listed.AdjacentParentShardId = s.parents[1]
	}
	return listed
}

// selector says which shards a filter lets through; no filter lets all.
func (f *shardFilter) selector(st *stream) (func(*shard) bool, error) {
	if f == nil {
		return func(*shard) bool { return true }, nil
	}
	if f.Timestamp == nil && (f.Type == "AT_TIMESTAMP" || f.Type == "FROM_TIMESTAMP") {
		return nil, invalidArgument("ShardFilter %s needs a Timestamp", f.Type)
	}
	switch f.Type {
	case "FROM_TRIM_HORIZON":
		return func(*shard) bool { return true }, nil
	case "AT_TRIM_HORIZON":
		return func(sh *shard) bool {
			return !slices.ContainsFunc(st.shards, func(other *shard) bool { return slices.Contains(sh.parents, other.id) })
		}, nil
	case "AT_LATEST":
		return (*shard).isOpen, nil
	case "AFTER_SHARD_ID":
		return func(sh *shard) bool { return sh.id > f.ShardId }, nil
	case "FROM_TIMESTAMP":
		return func(sh *shard) bool { return sh.isOpen() || !sh.closed.Before(f.Timestamp.Time) }, nil
	case "AT_TIMESTAMP":
		return func(sh *shard) bool {
			return !sh.opened.After(f.Timestamp.Time) && (sh.isOpen() || !sh.closed.Before(f.Timestamp.Time))
		}, nil
	}
	return nil, invalidArgument("ShardFilter type %q is not known", f.Type)
}

// A page token holds all that the next page needs, so that none is kept here.
func pageToken(stream, last string, f *shardFilter) string {
	fields := []string{"page", stream, last, "", "", ""}
	if f != nil {
		fields[3], fields[4] = f.Type, f.ShardId
		if f.Timestamp != nil {
			fields[5] = strconv.FormatInt(f.Timestamp.UnixMilli(), 10)
		}
	}
	return base64.URLEncoding.EncodeToString([]byte(strings.Join(fields, "|")))
}

func parsePageToken(token string) (listShardsInput, error) {
	text, err := base64.URLEncoding.DecodeString(token)
	fields := strings.Split(string(text), "|")
	if err != nil || len(fields) != 6 || fields[0] != "page" {
		return listShardsInput{}, invalidArgument("NextToken %.60q was not given out here", token)
	}
	in := listShardsInput{named: named{StreamName: fields[1]}, ExclusiveStartShardId: fields[2]}
	if fields[3] != "" {
		in.ShardFilter = &shardFilter{Type: fields[3], ShardId: fields[4]}
	}
	if in.ShardFilter != nil && fields[5] != "" {
		at := new(timestamp)
		millis, err := strconv.ParseInt(fields[5], 10, 64)
		if err != nil {
			return listShardsInput{}, invalidArgument("NextToken %.60q was not given out here", token)
		}
		at.Time = unixMilli(millis)
		in.ShardFilter.Timestamp = at
	}
	return in, nil
}
