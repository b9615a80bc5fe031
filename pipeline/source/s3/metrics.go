package s3

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowwatch/flowwatch/pipeline/source/sharedmetrics"
)

// metrics of the process, shared by all S3 sources that register at the same
// place.
type metrics struct {
	objects   *prometheus.CounterVec
	failures  *prometheus.CounterVec
	forgotten prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	set := sharedmetrics.At(registerer)
	m := &metrics{
		objects: sharedmetrics.Register(set, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_s3_objects_total",
			Help: "Announced objects by outcome: read, repeated (known already), failed (once for each object).",
		}, []string{"outcome"})),
		failures: sharedmetrics.Register(set, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_s3_failures_total",
			Help: "What went wrong with the queue: receive, delete, release, extend, hand back, message (one that can't be read).",
		}, []string{"call"})),
		forgotten: sharedmetrics.Register(set, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowwatch_s3_objects_forgotten_total",
			Help: "Objects forgotten before 14 days because there were too many: if one is announced again, it is counted twice.",
		})),
	}
	return m, set.Err()
}
