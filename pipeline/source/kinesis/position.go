package kinesis

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/flowwatch/flowwatch/pipeline"
)

// A committed position is one of
//
//	trim       the oldest record that is there
//	at:<ms>    the first record that arrived then (Unix milliseconds) or later
//	seq:<n>    the record after sequence number n
//	seq:<n>.<i> the user record after the i-th (from 0) of the KPL aggregate n
const (
	trimHorizon       = pipeline.Position("trim")
	timestampPrefix   = "at:"
	sequencePrefix    = "seq:"
	maxSequenceDigits = 129 // as the API has it
)

func timestampPosition(t time.Time) pipeline.Position {
	return pipeline.Position(timestampPrefix + strconv.FormatInt(t.UnixMilli(), 10))
}

func sequencePosition(sequence string) pipeline.Position {
	return pipeline.Position(sequencePrefix + sequence)
}

// iteratorAt is the request for an iterator at a position, without the shard.
func iteratorAt(p pipeline.Position) (*kinesis.GetShardIteratorInput, error) {
	text := string(p)
	if p == trimHorizon {
		return &kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon}, nil
	}
	if sequence, _, inside := sequenceOf(p); sequence != "" {
		kind := types.ShardIteratorTypeAfterSequenceNumber
		if inside {
			kind = types.ShardIteratorTypeAtSequenceNumber
		}
		return &kinesis.GetShardIteratorInput{ShardIteratorType: kind, StartingSequenceNumber: aws.String(sequence)}, nil
	}
	if at, ok := timestampOf(p); ok {
		return &kinesis.GetShardIteratorInput{
			ShardIteratorType: types.ShardIteratorTypeAtTimestamp,
			Timestamp:         aws.Time(at),
		}, nil
	}
	return nil, fmt.Errorf("position %.160q: trim, at:<milliseconds> or seq:<sequence number>[.<user record>] is accepted", text)
}

// timestampOf is the time of an at: position.
func timestampOf(p pipeline.Position) (time.Time, bool) {
	millis, ok := strings.CutPrefix(string(p), timestampPrefix)
	if !ok {
		return time.Time{}, false
	}
	n, err := strconv.ParseInt(millis, 10, 64)
	return time.UnixMilli(n), err == nil
}

func isSequence(text string) bool {
	for _, digit := range []byte(text) {
		if digit < '0' || digit > '9' {
			return false
		}
	}
	return text != "" && len(text) <= maxSequenceDigits
}
