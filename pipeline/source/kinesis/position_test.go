package kinesis

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/flowwatch/flowwatch/pipeline"
)

func TestPositions(t *testing.T) {
	at := time.Date(2026, 1, 31, 8, 0, 0, int(7*time.Millisecond), time.UTC)
	f := func(p pipeline.Position, want *kinesis.GetShardIteratorInput) {
		t.Helper()
		got, err := iteratorAt(p)
		if (err != nil) != (want == nil) {
			t.Errorf("%q: error %v", p, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(kinesis.GetShardIteratorInput{}), cmpopts.EquateApproxTime(0)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", p, diff)
		}
	}
	f("trim", &kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	f(timestampPosition(at), &kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(at)})
	f(sequencePosition("4967"), &kinesis.GetShardIteratorInput{
		ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: aws.String("4967")})
	f("seq:4967.3", &kinesis.GetShardIteratorInput{
		ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: aws.String("4967")})
	for _, bad := range []pipeline.Position{"", "latest", "at:", "at:1.5", "at:x", "seq:", "seq:12.", "seq:12.-1", "seq:12.x", "seq:12.99999999999", "seq:-1", "seq:1 ", "trim:", "x:1"} {
		f(bad, nil)
	}
	if at, err := iteratorAt("at:1769846400007"); err != nil || at.Timestamp.UnixMilli() != 1769846400007 {
		t.Errorf("a committed time must keep its meaning: %+v, %v", at, err)
	}
}
