package kinesis

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/envelope"
)

// aggregate is a KPL aggregate of texts; "text@17" has the explicit hash key 17.
func aggregate(texts ...string) []byte {
	var records []envelope.Aggregated
	for _, text := range texts {
		record := envelope.Aggregated{PartitionKey: []byte("k")}
		data, hash, explicit := strings.Cut(text, "@")
		record.Data = []byte(data)
		if explicit {
			record.HashKey = []byte(hash)
		}
		records = append(records, record)
	}
	return envelope.AppendAggregate(nil, records)
}

func TestUnpack(t *testing.T) {
	record := func(sequence string, data []byte) types.Record {
		return types.Record{SequenceNumber: aws.String(sequence), Data: data}
	}
	corrupt := aggregate("x")
	corrupt[len(corrupt)-1] ^= 1
	type counts struct{ Unpacked, Corrupt, Foreign, Repeated float64 }
	for _, c := range []struct {
		name    string
		from    pipeline.Position
		records []types.Record
		want    []string // "text position"
		at      pipeline.Position
		counts  counts
	}{
		{"plain records", "trim",
			[]types.Record{record("9", []byte("a")), record("10", []byte("b"))},
			[]string{"a seq:9", "b seq:10"}, "seq:10", counts{}},
		{"the last of an aggregate has the position of the whole", "trim",
			[]types.Record{record("9", aggregate("a", "b", "c"))},
			[]string{"a seq:9.0", "b seq:9.1", "c seq:9"}, "seq:9", counts{Unpacked: 1}},
		{"resumed inside an aggregate", "seq:9.0",
			[]types.Record{record("9", aggregate("a", "b", "c")), record("10", []byte("d"))},
			[]string{"b seq:9.1", "c seq:9", "d seq:10"}, "seq:10", counts{Unpacked: 1}},
		{"resumed inside an aggregate that retention removed", "seq:9.0",
			[]types.Record{record("11", aggregate("a", "b"))},
			[]string{"a seq:11.0", "b seq:11"}, "seq:11", counts{Unpacked: 1}},
		{"delivered again", "seq:9",
			[]types.Record{record("9", []byte("a")), record("10", []byte("b")), record("10", []byte("b")), record("8", aggregate("z"))},
			[]string{"b seq:10"}, "seq:10", counts{Repeated: 3}},
		{"explicit hash keys of another shard", "trim",
			[]types.Record{record("9", aggregate("a@99", "b@100", "c@200", "d@201", "e"))},
			[]string{"b seq:9.1", "c seq:9.2", "e seq:9"}, "seq:9", counts{Unpacked: 1, Foreign: 2}},
		{"nothing left of an aggregate", "trim",
			[]types.Record{record("9", aggregate("a@1")), record("10", []byte("b"))},
			[]string{"b seq:10"}, "seq:10", counts{Unpacked: 1, Foreign: 1}},
		{"corrupt: one payload, which the decoder counts", "trim",
			[]types.Record{record("9", corrupt), record("10", []byte("b"))},
			[]string{string(corrupt) + " seq:9", "b seq:10"}, "seq:10", counts{Corrupt: 1}},
	} {
		source := fakeSource(t, newFakeAPI(), StartTrimHorizon)
		source.setHashRange("a", &types.HashKeyRange{StartingHashKey: aws.String("100"), EndingHashKey: aws.String("200")})
		shard := source.open("a", c.from, time.Now)
		var got []string
		for i := range c.records {
			shard.unpack(&c.records[i])
		}
		for _, p := range shard.payloads {
			got = append(got, string(p.Data)+" "+string(p.Position.Position()))
		}
		if diff := cmp.Diff(c.want, got); diff != "" || shard.position != c.at {
			t.Errorf("%s: at %s, want %s; payloads (-want +got):\n%s", c.name, shard.position, c.at, diff)
		}
		counted := counts{testutil.ToFloat64(source.counters.aggregates), testutil.ToFloat64(source.counters.corrupt),
			testutil.ToFloat64(source.counters.foreign), testutil.ToFloat64(source.counters.repeated)}
		if counted != c.counts {
			t.Errorf("%s: counted %+v, want %+v", c.name, counted, c.counts)
		}
	}
}

func TestHashRanges(t *testing.T) {
	half := hashRange{"0", "170141183460469231731687303715884105727"}
	for key, want := range map[string]bool{
		"0": true, "9": true, "170141183460469231731687303715884105727": true, "170141183460469231731687303715884105728": false,
		"340282366920938463463374607431768211455": false,
		"": true, "a key": true, "-1": true, "0170141183460469231731687303715884105728": true, // can't be judged
	} {
		if got := half.contains(key); got != want {
			t.Errorf("%q is in the lower half: %t, want %t", key, got, want)
		}
	}
}
