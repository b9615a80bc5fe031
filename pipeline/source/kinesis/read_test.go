package kinesis

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/source/sourcetest"
)

// The conformance suite, second part: the source on top of an endpoint.

func TestConformanceContract(t *testing.T) {
	eachConsumer(t, func(t *testing.T, e endpoint) {
		sourcetest.Run(t, sourcetest.Harness{Open: func(t *testing.T) sourcetest.Input { return openInput(t, e) }})
	})
}

// openInput makes lanes of the halves of a stream of two shards. A split keeps
// all but a sliver of the half together.
func openInput(t *testing.T, e endpoint) sourcetest.Input {
	s := e.newStream(t, 2)
	splits := 0
	return sourcetest.Input{
		Source: func(t *testing.T) pipeline.Source { return s.source(t, StartTrimHorizon) },
		Lanes:  2,
		Put: func(t *testing.T, lane int, payloads ...[]byte) {
			s.putAll([]string{lowerKey, upperKey}[lane], payloads...)
		},
		Split: func(t *testing.T, lane int) {
			shards := s.openShards()
			splits++ // each below the one before, so that the lane's key keeps the larger part
			at := []string{"17014118346046923173168730371588410570", "34028236692093846346337460743176821140"}[lane] + fmt.Sprint(9-splits)
			s.split(owner(t, shards, []string{lowerKey, upperKey}[lane]), at)
		},
	}
}

func collect(host *sourcetest.Host) []string {
	var got []string
	for _, d := range host.Deliveries() {
		got = append(got, string(d.Data))
	}
	return got
}

func delivered(n int) func(*sourcetest.Progress) bool {
	return func(p *sourcetest.Progress) bool { return len(p.Deliveries) >= n }
}

func consume(t *testing.T, host *sourcetest.Host, source *Source, until func(*sourcetest.Progress) bool) {
	t.Helper()
	if err := host.Run(source, until); err != nil {
		t.Fatalf("Run: %v", err)
	}
}

func TestConformanceLatest(t *testing.T) { eachConsumer(t, startAtLatest) }

func startAtLatest(t *testing.T, e endpoint) {
	s := e.newStream(t, 1)
	s.put(lowerKey, "old")
	pause(t, 5*time.Millisecond) // the start must be later than that
	host := sourcetest.NewHost(t, nil)
	// Stopped as soon as the start is committed: what comes while nothing
	// runs belongs to the stream as well.
	consume(t, host, s.source(t, StartLatest), func(p *sourcetest.Progress) bool { return p.Registered > 0 })
	s.put(lowerKey, "while away")
	consume(t, host, s.source(t, StartLatest), delivered(1))
	s.put(lowerKey, "new")
	consume(t, host, s.source(t, StartLatest), delivered(2))
	if diff := cmp.Diff([]string{"while away", "new"}, collect(host)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// Shards that were closed since the start time are read from it, those closed
// before it not at all.
func TestConformanceTimestamp(t *testing.T) {
	eachConsumer(t, func(t *testing.T, e endpoint) {
		s := e.newStream(t, 1)
		s.put(lowerKey, "in a shard closed before the start")
		s.split("shardId-000000000000", middle)
		s.put(lowerKey, "before the start")
		pause(t, 20*time.Millisecond)
		start := time.Now()
		pause(t, 20*time.Millisecond)
		s.put(lowerKey, "in a shard closed since")
		s.put(upperKey, "in a shard that stays open")
		s.split("shardId-000000000001", quarter)
		s.put(lowerKey, "in a child")

		host := sourcetest.NewHost(t, nil)
		source := s.source(t, start.Format(time.RFC3339Nano))
		consume(t, host, source, delivered(1))
		consume(t, host, source, delivered(3))
		want := []string{"in a child", "in a shard closed since", "in a shard that stays open"}
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(collect(host)))); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	})
}

// A merge's child waits for both parents, also when one has ended in an earlier
// run.
func TestConformanceSplitAndMerge(t *testing.T) {
	eachConsumer(t, func(t *testing.T, e endpoint) {
		s := e.newStream(t, 2)
		s.put(lowerKey, "lower")
		s.put(upperKey, "upper")
		s.merge("shardId-000000000000", "shardId-000000000001")
		s.put(lowerKey, "merged")
		s.split("shardId-000000000002", middle)
		s.put(upperKey, "split")
		for _, stop := range []func(*sourcetest.Progress) bool{
			nil,
			func(p *sourcetest.Progress) bool { return p.Ended >= 1 },
			func(p *sourcetest.Progress) bool { return p.Ended >= 2 },
			func(p *sourcetest.Progress) bool { return p.Registered >= 3 },
			func(p *sourcetest.Progress) bool { return p.Ended >= 3 },
			func(p *sourcetest.Progress) bool { return p.Registered >= 5 },
		} {
			host := sourcetest.NewHost(t, nil)
			if stop != nil {
				consume(t, host, s.source(t, StartTrimHorizon), stop)
			}
			consume(t, host, s.source(t, StartTrimHorizon), func(p *sourcetest.Progress) bool {
				return len(p.Deliveries) >= 4 && p.Registered == 5
			})
			got := collect(host)
			slices.Sort(got[:2]) // the roots are read side by side
			if diff := cmp.Diff([]string{"lower", "upper", "merged", "split"}, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		}
	})
}

func TestConformanceIdle(t *testing.T) { eachConsumer(t, idleThenRead) }

func idleThenRead(t *testing.T, e endpoint) {
	s := e.newStream(t, 1)
	host := sourcetest.NewHost(t, nil)
	consume(t, host, s.source(t, StartTrimHorizon), func(p *sourcetest.Progress) bool { return p.Idle })
	s.put(lowerKey, "after idling")
	consume(t, host, s.source(t, StartTrimHorizon), delivered(1))
	if d := host.Deliveries()[0]; !bytes.Equal(d.Data, []byte("after idling")) || d.Arrival.IsZero() {
		t.Errorf("got %q, arrived at %s", d.Data, d.Arrival)
	}
}

func TestConformanceMissingStream(t *testing.T) { eachConsumer(t, missingStream) }

func missingStream(t *testing.T, e endpoint) {
	missing := stream{t: t, name: "flowwatch-conformance-missing", endpoint: e}
	err := sourcetest.NewHost(t, nil).Run(missing.source(t, StartLatest), nil)
	wantCode(t, err, "ResourceNotFoundException")
}
