package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/envelope"
	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// What is put on a stream is, line for line, what goes into a file.
func TestSimulateOntoAStream(t *testing.T) {
	s := newStream(t, nil)
	w := newWorld(nil)
	truth := filepath.Join(t.TempDir(), "truth.jsonl")
	flags := []string{"simulate", "--for", "4m", "--start", "2026-03-02T08:00:00Z", "--scenario", "external-scan@0m", "--delivery", "aws"}
	to := append(slices.Clone(flags), "--stream", "flows", "--region", "eu-central-1", "--endpoint", s.server.URL(), "--speed", "0", "--truth", truth)
	if code := w.run(t, to...); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &w.stderr)
	}
	onStream := map[string]int{}
	decoder := envelope.NewDecoder(envelope.Limits{})
	for _, data := range s.payloads() {
		for decoder.Reset(data); decoder.Next(); {
			onStream[string(decoder.Line())]++
		}
		if err := decoder.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if code := w.run(t, append(flags, "--out", "-", "--no-header", "--truth", truth)...); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &w.stderr)
	}
	want := map[string]int{}
	for line := range strings.Lines(w.stdout.String()) {
		want[strings.TrimSuffix(line, "\n")]++
	}
	if len(want) < 1000 {
		t.Errorf("only %d lines", len(want))
	}
	if diff := cmp.Diff(want, onStream); diff != "" {
		t.Errorf("lines (-file +stream):\n%.2000s", diff)
	}
}

// payloads reads all that is on the stream.
func (s *stream) payloads() (all [][]byte) {
	s.t.Helper()
	shards, err := s.client.ListShards(s.t.Context(), &awskinesis.ListShardsInput{StreamName: aws.String("flows")})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, shard := range shards.Shards {
		at, err := s.client.GetShardIterator(s.t.Context(), &awskinesis.GetShardIteratorInput{
			StreamName: aws.String("flows"), ShardId: shard.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			s.t.Fatal(err)
		}
		for iterator := at.ShardIterator; ; {
			page, err := s.client.GetRecords(s.t.Context(), &awskinesis.GetRecordsInput{ShardIterator: iterator})
			if err != nil {
				s.t.Fatal(err)
			}
			for _, r := range page.Records {
				all = append(all, r.Data)
			}
			if len(page.Records) == 0 {
				break
			}
			iterator = page.NextShardIterator
		}
	}
	return all
}

func TestSimulateOntoNoStream(t *testing.T) {
	s := newStream(t, nil)
	w := newWorld(nil)
	code := w.run(t, "simulate", "--for", "1m", "--stream", "absent", "--region", "eu-central-1", "--endpoint", s.server.URL(), "--speed", "0")
	if code != exitFailed || !strings.Contains(w.stderr.String(), "put records on stream absent") {
		t.Errorf("exit code %d: %s", code, &w.stderr)
	}
}

// At n times the clock, the last minute is over when it has arrived.
func TestSimulatedTimeNeverPassesTheClock(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 30, 0, time.UTC)
	f := func(speed float64, want time.Duration) {
		t.Helper()
		c := simulateCmd{Stream: "flows", For: 2 * time.Hour, Speed: speed}
		if got := now.Truncate(time.Minute).Sub(c.start(now)); got != want {
			t.Errorf("at %vx the simulation starts %v ago, want %v", speed, got, want)
		}
	}
	f(0, 2*time.Hour)
	f(0.5, 0)
	f(1, 0)
	f(2, time.Hour)
	f(60, 118*time.Minute)
}

// refusing is a stream that refuses entries.
type refusing struct {
	calls  int
	stored []string
	refuse func(call, entry int) bool
}

func (r *refusing) PutRecords(_ context.Context, in *awskinesis.PutRecordsInput, _ ...func(*awskinesis.Options)) (*awskinesis.PutRecordsOutput, error) {
	out := &awskinesis.PutRecordsOutput{}
	for i, entry := range in.Records {
		if r.refuse(r.calls, i) {
			out.Records = append(out.Records, types.PutRecordsResultEntry{
				ErrorCode: aws.String("ProvisionedThroughputExceededException"), ErrorMessage: aws.String("Rate exceeded")})
			continue
		}
		r.stored = append(r.stored, aws.ToString(entry.PartitionKey))
		out.Records = append(out.Records, types.PutRecordsResultEntry{SequenceNumber: aws.String("1")})
	}
	r.calls++
	return out, nil
}

func TestRefusedRecordsArePutAgain(t *testing.T) {
	f := func(name string, refuse func(call, entry int) bool, want []string, refused int64, wantErr string, took time.Duration) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stream := &refusing{refuse: refuse}
				p := &producer{client: stream, stream: "flows"}
				began := time.Now()
				for i := range 4 {
					b := &simulate.Batch{Stream: fmt.Sprint(i), Lines: []simulate.Line{{Text: []byte("2 -"), Start: 1}}}
					if err := p.add(t.Context(), b); err != nil {
						t.Fatal(err)
					}
				}
				err := p.flush(t.Context())
				if fmt.Sprint(err) != wantErr {
					t.Errorf("error %v, want %v", err, wantErr)
				}
				if diff := cmp.Diff(want, stream.stored); diff != "" {
					t.Errorf("stored (-want +got):\n%s", diff)
				}
				if p.refused != refused || p.put != int64(len(want)) {
					t.Errorf("%d refused and %d put, want %d and %d", p.refused, p.put, refused, len(want))
				}
				if got := time.Since(began); got != took {
					t.Errorf("took %v, want %v", got, took)
				}
			})
		})
	}
	f("none", func(int, int) bool { return false }, []string{"0", "1", "2", "3"}, 0, "<nil>", 0)
	f("one, for good", func(_, entry int) bool { return entry == 0 }, []string{"1", "2", "3"}, 11,
		"put records on stream flows: 1 were refused 10 times: ProvisionedThroughputExceededException: Rate exceeded", 26300*time.Millisecond)
	f("the first call", func(call, _ int) bool { return call == 0 }, []string{"0", "1", "2", "3"}, 4, "<nil>", 100*time.Millisecond)
	f("one, three times", func(call, entry int) bool { return call < 3 && entry == 0 }, []string{"1", "2", "3", "0"}, 3, "<nil>", 700*time.Millisecond)
}
