package kinesis

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/flowwatch/flowwatch/pipeline/source/kinesis/localkinesis"
	"github.com/flowwatch/flowwatch/pipeline/source/sourcetest"
)

// schedulesVariable says how many random schedules TestSchedules runs: 50 by
// default, about 5 s.
const schedulesVariable = "FLOWWATCH_KINESIS_SCHEDULES"

// Over random schedules of puts (plain and aggregated), splits, merges, expired
// iterators, throttling, failures, repeated deliveries and crashes nothing is
// lost and nothing is taken twice; nor, by fan-out, over subscriptions that are
// refused, cut, silent or short.
func TestSchedules(t *testing.T) {
	for _, consumer := range []string{ConsumerPolling, ConsumerFanOut} {
		t.Run(consumer, func(t *testing.T) {
			t.Parallel()
			runSchedules(t, consumer)
		})
	}
}

func runSchedules(t *testing.T, consumer string) {
	schedules := 50
	if text := os.Getenv(schedulesVariable); text != "" {
		var err error
		if schedules, err = strconv.Atoi(text); err != nil || schedules < 1 {
			t.Fatalf("%s=%q: a number from 1 is accepted", schedulesVariable, text)
		}
	}
	repeated := 0.0
	var ends []endpoint
	var servers []*localkinesis.Server
	for seed := range schedules {
		if len(ends) < faultMixes {
			server, end := faulty(t, uint64(seed))
			end.consumer = consumer
			servers, ends = append(servers, server), append(ends, end)
		}
		repeated += schedule(t, ends[seed%faultMixes], uint64(seed))
		if t.Failed() {
			t.Fatalf("schedule %d failed", seed)
		}
	}
	if repeated == 0 && schedules >= 20 {
		t.Error("no schedule repeated a delivery")
	}
	met := localkinesis.Stats{}
	for _, server := range servers {
		stats := server.Stats()
		met.Reads, met.Subscriptions = met.Reads+stats.Reads, met.Subscriptions+stats.Subscriptions
		met.Cut, met.InUse = met.Cut+stats.Cut, met.InUse+stats.InUse
	}
	if pushed := met.Subscriptions > 0; pushed != (consumer == ConsumerFanOut) || pushed == (met.Reads > 0) {
		t.Errorf("%s read otherwise: %+v", consumer, met)
	}
	if consumer == ConsumerFanOut && schedules >= 20 && (met.Cut == 0 || met.InUse == 0) {
		t.Errorf("no subscription was cut, or none refused: %+v", met)
	}
}

// faultMixes is how many endpoints the schedules share.
const faultMixes = 8

// faulty is an endpoint with a random mix of faults.
func faulty(t *testing.T, seed uint64) (*localkinesis.Server, endpoint) {
	random := rand.New(rand.NewPCG(seed, 0)) // it has to be the same each time
	server := newLocal(t, quickFanOut(localkinesis.Options{PageRecords: 1 + random.IntN(5), Faults: localkinesis.Faults{
		ExpireEvery: 3 + random.IntN(9), ThrottleEvery: 3 + random.IntN(9),
		FailEvery: 3 + random.IntN(9), RepeatEvery: 2 + random.IntN(3),
		RefuseEvery: 3 + random.IntN(9), SilentEvery: 10 + random.IntN(20), CutEvery: 3 + random.IntN(9),
	}}))
	quick := quickPacing(100 * time.Microsecond)
	quick.resubscribe, quick.silence = time.Millisecond, 100*time.Millisecond
	return server, newEndpoint(t, server.URL(), quick, 0)
}

// schedule runs one and returns how many repeated deliveries were left out.
func schedule(t *testing.T, e endpoint, seed uint64) (repeated float64) {
	random := rand.New(rand.NewPCG(seed, 1)) // it has to be the same each time
	s := e.newStream(t, 2)
	host := sourcetest.NewHost(t, nil)
	var want []string
	for range 6 {
		for range 1 + random.IntN(4) {
			key := []string{lowerKey, upperKey}[random.IntN(2)]
			texts := make([]string, 1+random.IntN(4))
			for i := range texts {
				texts[i] = fmt.Sprintf("%03d", len(want)+i)
			}
			want = append(want, texts...)
			if len(texts) == 1 {
				s.put(key, texts[0])
			} else {
				s.putAll(key, aggregate(texts...))
			}
		}
		switch open := s.openShards(); {
		case len(open) == 1:
			s.split(*open[0].ShardId, middle)
		case random.IntN(2) == 0:
			s.merge(*open[0].ShardId, *open[1].ShardId)
		}
		source := s.source(t, StartTrimHorizon)
		stop := len(host.Deliveries()) + random.IntN(len(want)-len(host.Deliveries())+1)
		consume(t, host, source, func(p *sourcetest.Progress) bool { return p.Registered > 0 && len(p.Deliveries) >= stop })
		repeated += testutil.ToFloat64(source.counters.repeated)
	}
	source := s.source(t, StartTrimHorizon)
	consume(t, host, source, func(p *sourcetest.Progress) bool { return p.Idle && len(p.Deliveries) >= len(want) })
	got := collect(host)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	return repeated + testutil.ToFloat64(source.counters.repeated)
}

// A stream may be named by its ARN in every call.
func TestStreamByARN(t *testing.T) {
	s := newEndpoint(t, newLocal(t, localkinesis.Options{}).URL(), defaultPacing, 0).newStream(t, 1)
	s.put(lowerKey, "a")
	byARN := s
	byARN.name = "arn:aws:kinesis:us-east-1:000000000000:stream/" + s.name
	host := sourcetest.NewHost(t, nil)
	consume(t, host, byARN.source(t, StartTrimHorizon), delivered(1))
	if diff := cmp.Diff([]string{"a"}, collect(host)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
