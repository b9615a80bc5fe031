package kinesis

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/source/kinesis/localkinesis"
	"github.com/flowwatch/flowwatch/pipeline/source/sourcetest"
)

// Nothing is lost and nothing comes twice, whatever the endpoint does.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		consumer string
		faults   localkinesis.Faults
	}{
		"expired":   {ConsumerPolling, localkinesis.Faults{ExpireEvery: 2}},
		"throttled": {ConsumerPolling, localkinesis.Faults{ThrottleEvery: 2}},
		"failed":    {ConsumerPolling, localkinesis.Faults{FailEvery: 2}},
		"all":       {ConsumerPolling, localkinesis.Faults{ExpireEvery: 5, ThrottleEvery: 3, FailEvery: 4}},

		"refused subscriptions":   {ConsumerFanOut, localkinesis.Faults{RefuseEvery: 2}},
		"throttled subscriptions": {ConsumerFanOut, localkinesis.Faults{ThrottleEvery: 2}},
		"failed subscriptions":    {ConsumerFanOut, localkinesis.Faults{FailEvery: 2}},
		"cut subscriptions":       {ConsumerFanOut, localkinesis.Faults{CutEvery: 2}},
		"silent subscriptions":    {ConsumerFanOut, localkinesis.Faults{SilentEvery: 2, CutEvery: 3}},
		"all of subscriptions":    {ConsumerFanOut, localkinesis.Faults{RefuseEvery: 5, ThrottleEvery: 3, FailEvery: 4, CutEvery: 5, SilentEvery: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newLocal(t, quickFanOut(localkinesis.Options{Faults: c.faults, PageRecords: 1}))
			quick := quickPacing(time.Millisecond)
			quick.silence = 200 * time.Millisecond
			end := newEndpoint(t, server.URL(), quick, 0)
			end.consumer = c.consumer
			s := end.newStream(t, 1)
			want, data := numbered(0, 36)
			s.putAll(lowerKey, data[:12]...)
			s.split("shardId-000000000000", middle)
			s.putAll(lowerKey, data[12:24]...)
			s.merge("shardId-000000000001", "shardId-000000000002")
			s.putAll(lowerKey, data[24:]...)
			host := sourcetest.NewHost(t, nil)
			for _, n := range []int{1, 13, len(want)} {
				consume(t, host, s.source(t, StartTrimHorizon), delivered(n))
			}
			if diff := cmp.Diff(want, collect(host)); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			stats := server.Stats()
			if stats.Expired+stats.Throttled+stats.Failed+stats.InUse+stats.Cut == 0 {
				t.Errorf("no fault was injected: %+v", stats)
			}
			if polled := stats.Reads > 0; polled != (c.consumer == ConsumerPolling) {
				t.Errorf("%s, yet read by: %+v", c.consumer, stats)
			}
		})
	}
}

// Reading as often as it ever does, the source never meets the limit of five
// reads a second. A source with shorter pauses does, so the limit is real.
func TestReadLimitIsKept(t *testing.T) {
	t.Parallel()
	f := func(pause time.Duration, kept bool) {
		t.Helper()
		server := newLocal(t, localkinesis.Options{EnforceLimits: true})
		pace := defaultPacing
		pace.behind, pace.tip = pause, pause
		s := newEndpoint(t, server.URL(), pace, 0).newStream(t, 1)
		_, data := numbered(0, 3)
		s.putAll(lowerKey, data...)
		host := sourcetest.NewHost(t, nil)
		consume(t, host, s.source(t, StartTrimHorizon), func(p *sourcetest.Progress) bool {
			stats := server.Stats()
			return len(p.Deliveries) == 3 && (stats.Reads >= 8 && kept || stats.Throttled > 0)
		})
		if stats := server.Stats(); (stats.Throttled == 0) != kept {
			t.Errorf("with pauses of %s: %+v", pause, stats)
		}
	}
	f(defaultPacing.behind, true)
	f(time.Millisecond, false)
}
