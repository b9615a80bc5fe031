package localkinesis

import (
	"errors"
	"time"
)

const (
	maxRecord     = 1 << 20  // bytes of data and partition key of one record, unless the stream says otherwise
	largestRecord = 10 << 20 // what a stream can say
	maxPutRecords = 500      // records of one PutRecords
	maxPutBytes   = 10 << 20 // bytes of one PutRecords, keys among them
)

type putEntry struct {
	Data            []byte
	PartitionKey    string
	ExplicitHashKey *string
}

type putRecordInput struct {
	named
	putEntry
}

type putRecordOutput struct {
	ShardId        string
	SequenceNumber string
	EncryptionType string
}

func (s *Server) putRecord(in putRecordInput) (putRecordOutput, error) {
	hash, err := in.hash()
	if err != nil {
		return putRecordOutput{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.stream(in.named)
	if err != nil {
		return putRecordOutput{}, err
	}
	if err := st.fits(in.putEntry); err != nil {
		return putRecordOutput{}, err
	}
	sh, sequence, err := s.store(st, hash, in.putEntry)
	if err != nil {
		return putRecordOutput{}, err
	}
	return putRecordOutput{sh.id, sequence, "NONE"}, nil
}

type putRecordsInput struct {
	named
	Records []putEntry
}

type putResult struct {
	ShardId        string `json:",omitempty"`
	SequenceNumber string `json:",omitempty"`
	ErrorCode      string `json:",omitempty"`
	ErrorMessage   string `json:",omitempty"`
}

type putRecordsOutput struct {
	FailedRecordCount int
	Records           []putResult
	EncryptionType    string
}

// putRecords stores what it can: an entry above the shard's rate fails alone.
func (s *Server) putRecords(in putRecordsInput) (putRecordsOutput, error) {
	if n := len(in.Records); n < 1 || n > maxPutRecords {
		return putRecordsOutput{}, badRequest("ValidationException", "Records has %d entries: 1 to %d are accepted", n, maxPutRecords)
	}
	hashes := make([]hashKey, len(in.Records))
	bytes := 0
	for i, entry := range in.Records {
		hash, err := entry.hash()
		if err != nil {
			return putRecordsOutput{}, err
		}
		hashes[i] = hash
		bytes += len(entry.Data) + len(entry.PartitionKey)
	}
	if bytes > maxPutBytes {
		return putRecordsOutput{}, invalidArgument("Records holds %d bytes: %d are accepted", bytes, maxPutBytes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.stream(in.named)
	if err != nil {
		return putRecordsOutput{}, err
	}
	for _, entry := range in.Records {
		if err := st.fits(entry); err != nil {
			return putRecordsOutput{}, err
		}
	}
	out := putRecordsOutput{Records: make([]putResult, len(in.Records)), EncryptionType: "NONE"}
	for i, entry := range in.Records {
		sh, sequence, err := s.store(st, hashes[i], entry)
		var refused *apiError
		if errors.As(err, &refused) {
			out.Records[i] = putResult{ErrorCode: refused.code, ErrorMessage: refused.message}
			out.FailedRecordCount++
			continue
		}
		out.Records[i] = putResult{ShardId: sh.id, SequenceNumber: sequence}
	}
	return out, nil
}

// hash checks an entry and says where it belongs.
func (e putEntry) hash() (hashKey, error) {
	if n := len([]rune(e.PartitionKey)); n < 1 || n > 256 {
		return hashKey{}, badRequest("ValidationException", "PartitionKey has %d characters: 1 to 256 are accepted", n)
	}
	if e.ExplicitHashKey == nil {
		return hashOf(e.PartitionKey), nil
	}
	hash, ok := parseHashKey(*e.ExplicitHashKey)
	if !ok {
		return hashKey{}, invalidArgument("ExplicitHashKey %.60q is no integer between 0 and 2^128-1", *e.ExplicitHashKey)
	}
	return hash, nil
}

// fits says whether the stream takes an entry of this size.
func (st *stream) fits(e putEntry) error {
	if n := len(e.Data) + len(e.PartitionKey); n > st.maxRecord {
		return badRequest("ValidationException", "a record of %d bytes: %d are accepted", n, st.maxRecord)
	}
	return nil
}

// store appends an entry to the shard that owns its hash. The lock must be
// held.
func (s *Server) store(st *stream, hash hashKey, entry putEntry) (*shard, string, error) {
	sh := st.owner(hash)
	if s.opts.EnforceLimits && !sh.pace.admitWrite(time.Now(), int64(len(entry.Data)+len(entry.PartitionKey))) {
		s.stats.Throttled++
		return nil, "", throttled(sh.id, st.name)
	}
	sh.puts++
	copies := 1
	if every(s.opts.Faults.DuplicateEvery, sh.puts) {
		copies = 2
	}
	now := s.now()
	var stored record
	for range copies {
		stored = sh.put(now, entry.PartitionKey, entry.Data)
		st.bytes += stored.size()
		s.stats.Records++
	}
	s.stats.Trimmed += st.retain(s.opts.RetainBytes)
	return sh, sh.sequence(stored.number), nil
}
