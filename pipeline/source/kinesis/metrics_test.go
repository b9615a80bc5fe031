package kinesis

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/flowwatch/flowwatch/pipeline/source/sourcetest"
)

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		api := newFakeAPI(
			&fakeShard{id: "a", records: fakeRecords(1, 2), closed: true},
			&fakeShard{id: "b", parents: []string{"a"}, records: fakeRecords(3, 4), page: 1},
		)
		source, err := New(Config{Stream: "s", Start: StartTrimHorizon}, Dependencies{Client: api, Registerer: registry})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(Config{Stream: "other"}, Dependencies{Client: api, Registerer: registry}); err != nil {
			t.Errorf("a second source at the same registry: %v", err)
		}
		problems, err := testutil.GatherAndLint(registry)
		if err != nil || len(problems) > 0 {
			t.Errorf("lint: %v, %v", problems, err)
		}
		var lags int // while the child is read
		err = sourcetest.NewHost(t, nil).Run(source, func(p *sourcetest.Progress) bool {
			if len(p.Deliveries) == 3 {
				lags, _ = testutil.GatherAndCount(registry, "flowwatch_source_lag_seconds")
			}
			return len(p.Deliveries) == 4
		})
		if err != nil {
			t.Fatal(err)
		}
		if lags != 1 {
			t.Errorf("%d lags while one shard is read", lags)
		}
		if n, err := testutil.GatherAndCount(registry, "flowwatch_source_lag_seconds"); n != 0 || err != nil {
			t.Errorf("%d lags when nothing is read, error %v", n, err)
		}
		if n := testutil.ToFloat64(source.counters.read); n != 3 {
			t.Errorf("%v reads with records were counted, want 3", n)
		}
	})
}

// What is left until unread records expire is the retention less the lag.
func TestRetentionLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(&fakeShard{id: "a", records: fakeRecords(1, 2), page: 1}) // 1.5 s behind after the first page
		api.fail = func(operation string, call int) error {                         // the stream is described meanwhile
			if operation == "GetRecords" && call == 1 {
				return code("ProvisionedThroughputExceededException")
			}
			return nil
		}
		source := fakeSource(t, api, StartTrimHorizon)
		var left []float64
		err := sourcetest.NewHost(t, nil).Run(source, func(p *sourcetest.Progress) bool {
			if n := len(p.Deliveries); n > len(left) {
				left = append(left, testutil.ToFloat64(source.metrics.retentionLeft.WithLabelValues("kinesis:s/a")))
			}
			return len(p.Deliveries) == 2
		})
		if err != nil {
			t.Fatal(err)
		}
		const day = 24 * 60 * 60
		if diff := cmp.Diff([]float64{day - 1.5, day}, left); diff != "" {
			t.Errorf("seconds left (-want +got):\n%s", diff)
		}
		if n := testutil.CollectAndCount(source.metrics.retentionLeft); n != 0 {
			t.Errorf("%d shards have time left when nothing is read", n)
		}
	})
}
