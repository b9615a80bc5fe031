package kinesis

import (
	"testing"
	"testing/synctest"

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
