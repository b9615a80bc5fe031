package kinesis

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/source/kinesis/localkinesis"
	"github.com/flowwatch/flowwatch/pipeline/source/sourcetest"
)

// tally is a host that commits nothing and counts how often each number came.
type tally struct {
	t     *testing.T
	enter func() // when the last number came first
	got   []atomic.Int32
	left  atomic.Int64
	ended atomic.Int64
}

func (h *tally) Resume(string) map[string]pipeline.Resumed        { return nil }
func (h *tally) Register(context.Context, []pipeline.Start) error { return nil }
func (h *tally) Now() time.Time                                   { return time.Now() }
func (h *tally) Work(ctx context.Context, part pipeline.Partition) error {
	for {
		batch, err := part.Next(ctx)
		if errors.Is(err, io.EOF) {
			h.ended.Add(1)
			return nil
		}
		if err != nil {
			return err
		}
		for _, payload := range batch.Payloads {
			n := binary.BigEndian.Uint32(payload.Data)
			if h.got[n].Add(1) == 1 && h.left.Add(-1) == 0 {
				h.enter()
			}
		}
	}
}

// recordsVariable says how many records TestReshardingUnderLoad puts, in
// thousands: 60 by default.
const recordsVariable = "FLOWWATCH_KINESIS_RECORDS"

// Records that are put while the stream is resharded three times are all read,
// and each once.
func TestReshardingUnderLoad(t *testing.T) {
	thousands := 60
	if text := os.Getenv(recordsVariable); text != "" {
		var err error
		if thousands, err = strconv.Atoi(text); err != nil || thousands < 4 {
			t.Fatalf("%s=%q: a number from 4 is accepted", recordsVariable, text)
		}
	}
	records := thousands / 4 * 4 * 1000
	for _, consumer := range []string{ConsumerPolling, ConsumerFanOut} {
		t.Run(consumer, func(t *testing.T) {
			t.Parallel()
			options := quickFanOut(localkinesis.Options{})
			options.SubscriptionLifetime = 2 * time.Second // an event may take its time
			server := newLocal(t, options)
			end := newEndpoint(t, server.URL(), quickPacing(time.Millisecond), 0)
			end.consumer = consumer
			s := end.newStream(t, 2)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			host := &tally{t: t, enter: stop, got: make([]atomic.Int32, records)}
			host.left.Store(int64(records))
			var feeding sync.WaitGroup
			feeding.Go(func() { s.feed(records, map[int]int32{records / 4: 4, records / 2: 2, records * 3 / 4: 3}) })
			err := s.source(t, StartTrimHorizon).Run(ctx, host)
			feeding.Wait()
			if err != nil {
				t.Fatal(err)
			}
			twice := 0
			for n := range host.got {
				if host.got[n].Load() > 1 {
					twice++
				}
			}
			if left := host.left.Load(); left != 0 || twice != 0 {
				t.Errorf("of %d records %d were not read and %d more than once", records, left, twice)
			}
			if ended := host.ended.Load(); ended < 2+4+2 { // the roots, and what two more reshards closed
				t.Errorf("%d shards were read to their end", ended)
			}
		})
	}
}

// feed puts numbered records by random partition keys; at some of the numbers
// the stream gets another shard count first.
func (s stream) feed(records int, reshard map[int]int32) {
	var key, data [4]byte
	for n := 0; n < records; {
		if count := reshard[n]; count > 0 {
			if _, err := s.client.UpdateShardCount(s.t.Context(), &kinesis.UpdateShardCountInput{
				StreamName: aws.String(s.name), TargetShardCount: aws.Int32(count), ScalingType: types.ScalingTypeUniformScaling,
			}); err != nil {
				s.t.Errorf("update shard count to %d: %v", count, err)
				return
			}
			s.awaitActive()
		}
		in := &kinesis.PutRecordsInput{StreamName: aws.String(s.name)}
		for range 500 {
			binary.BigEndian.PutUint32(data[:], uint32(n))
			binary.BigEndian.PutUint32(key[:], uint32(n)*2654435761) // spreads
			in.Records = append(in.Records, types.PutRecordsRequestEntry{
				Data: bytes.Clone(data[:]), PartitionKey: aws.String(string('a'+key[0]%26) + string('a'+key[1]%26)),
			})
			n++
		}
		out, err := s.client.PutRecords(s.t.Context(), in)
		if err != nil || aws.ToInt32(out.FailedRecordCount) > 0 {
			s.t.Errorf("put records: %v", err)
			return
		}
	}
}

// The largest record that Kinesis takes passes, with small ones around it.
func TestRecordsOfTenMebibytes(t *testing.T) {
	for _, consumer := range []string{ConsumerPolling, ConsumerFanOut} {
		t.Run(consumer, func(t *testing.T) {
			t.Parallel()
			s := newEndpoint(t, newLocal(t, quickFanOut(localkinesis.Options{})).URL(), quickPacing(time.Millisecond), 0)
			s.consumer = consumer
			name := aws.String("large")
			if _, err := s.client.CreateStream(t.Context(), &kinesis.CreateStreamInput{
				StreamName: name, ShardCount: aws.Int32(1), MaxRecordSizeInKiB: aws.Int32(10 << 10),
			}); err != nil {
				t.Fatal(err)
			}
			made := stream{t: t, name: *name, endpoint: s}
			large := bytes.Repeat([]byte("flow log\n"), 10<<20/9)[:10<<20-len("key")-1]
			want := [][]byte{[]byte("before"), large, []byte("after")}
			for _, data := range want {
				made.put(lowerKey, string(data))
			}
			host := sourcetest.NewHost(t, nil)
			consume(t, host, made.source(t, StartTrimHorizon), delivered(len(want)))
			for i, d := range host.Deliveries() {
				if !bytes.Equal(d.Data, want[i]) {
					t.Errorf("record %d: got %d bytes, want %d", i, len(d.Data), len(want[i]))
				}
			}
		})
	}
}
