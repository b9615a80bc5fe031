package kinesis

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/envelope"
)

// unpack appends the payloads of a record: itself, or the user records of a KPL
// aggregate that follow the position. A record at or before the position was
// delivered already and gives none. The position moves behind the record.
//
// An aggregate that is corrupt stays one payload; the decoder refuses it by its
// magic, which counts it among the malformed payloads.
func (s *shard) unpack(record *types.Record) {
	sequence := aws.ToString(record.SequenceNumber)
	last, sub, inside := sequenceOf(s.position)
	skip := 0 // user records of this one that were delivered
	switch order := compareSequences(sequence, last); {
	case last == "":
	case order < 0 || order == 0 && !inside:
		s.source.counters.repeated.Inc()
		return
	case order == 0:
		skip = sub + 1
	}
	s.position = sequencePosition(sequence)
	if envelope.IsAggregate(record.Data) {
		if s.unpackAggregate(record, sequence, skip) {
			return
		}
	}
	s.payloads = append(s.payloads, pipeline.Payload{
		Data: record.Data, Position: (*sequencePlace)(record.SequenceNumber), Arrival: aws.ToTime(record.ApproximateArrivalTimestamp),
	})
}

// unpackAggregate appends the user records of an aggregate from the given one
// on; false says that it is corrupt. The last one's position is that of the
// whole aggregate, so that only a commit in the middle names a part of it.
func (s *shard) unpackAggregate(record *types.Record, sequence string, from int) bool {
	var err error
	if s.aggregated, err = envelope.Deaggregate(s.aggregated[:0], record.Data); err != nil {
		s.source.counters.corrupt.Inc()
		s.source.log.Warn("aggregated record is corrupt", zap.String("shard", s.id),
			zap.String("sequence", sequence), zap.Error(err))
		return false
	}
	s.source.counters.aggregates.Inc()
	hashes, known := s.source.hashRangeOf(s.id)
	before := len(s.payloads)
	for i := from; i < len(s.aggregated); i++ {
		user := &s.aggregated[i]
		if known && user.HashKey != nil && !hashes.contains(string(user.HashKey)) {
			s.source.counters.foreign.Inc()
			continue
		}
		s.payloads = append(s.payloads, pipeline.Payload{
			Data: user.Data, Position: subsequencePlace{sequence, i}, Arrival: aws.ToTime(record.ApproximateArrivalTimestamp),
		})
	}
	if len(s.payloads) > before {
		s.payloads[len(s.payloads)-1].Position = (*sequencePlace)(record.SequenceNumber)
	}
	return true
}

// compareSequences orders sequence numbers, which are decimal without leading
// zeros and ascend within a shard.
func compareSequences(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// hashRange is what a shard holds of the hash keys, both ends included: numbers
// that are written and ordered as sequence numbers are.
type hashRange struct{ first, last string }

// contains is true for what is no such number: it can't be judged, and is kept.
func (h hashRange) contains(key string) bool {
	return !isHashKey(key) || compareSequences(key, h.first) >= 0 && compareSequences(key, h.last) <= 0
}

func isHashKey(text string) bool { return isSequence(text) && (text == "0" || text[0] != '0') }

// setHashRange takes note of a shard's range; of none, or one that is no pair of
// numbers, nothing is noted.
func (s *Source) setHashRange(id string, r *types.HashKeyRange) {
	if r == nil {
		return
	}
	h := hashRange{aws.ToString(r.StartingHashKey), aws.ToString(r.EndingHashKey)}
	if isHashKey(h.first) && isHashKey(h.last) {
		s.hashRanges.Store(id, h)
	}
}

func (s *Source) hashRangeOf(id string) (hashRange, bool) {
	found, ok := s.hashRanges.Load(id)
	if !ok {
		return hashRange{}, false
	}
	return found.(hashRange), true //nolint:forcetypeassert // nothing else is stored
}

// sequencePlace is behind the record of a sequence number; a pointer to it costs
// no allocation a record.
type sequencePlace string

func (p *sequencePlace) Position() pipeline.Position {
	return sequencePosition(aws.ToString((*string)(p)))
}

// subsequencePlace is behind user record sub of the aggregate of a sequence
// number.
type subsequencePlace struct {
	sequence string
	sub      int
}

func (p subsequencePlace) Position() pipeline.Position {
	return pipeline.Position(sequencePrefix + p.sequence + "." + strconv.Itoa(p.sub))
}

// sequenceOf takes a seq: position apart; sequence is empty for any other. With
// inside, the position is that of user record sub of an aggregate.
func sequenceOf(p pipeline.Position) (sequence string, sub int, inside bool) {
	text, ok := strings.CutPrefix(string(p), sequencePrefix)
	if !ok {
		return "", 0, false
	}
	sequence, part, inside := strings.Cut(text, ".")
	if !isSequence(sequence) {
		return "", 0, false
	}
	if inside {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return "", 0, false
		}
		sub = int(n)
	}
	return sequence, sub, inside
}
