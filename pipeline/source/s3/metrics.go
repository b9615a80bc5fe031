package s3

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the process, shared by all S3 sources that register at the same
// place.
type metrics struct {
	objects   *prometheus.CounterVec
	failures  *prometheus.CounterVec
	forgotten prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	var errs [3]error
	m := &metrics{
		objects: register(registerer, &errs[0], prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_s3_objects_total",
			Help: "Announced objects by outcome: read, repeated (known already), failed (once for each object).",
		}, []string{"outcome"})),
		failures: register(registerer, &errs[1], prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_s3_failures_total",
			Help: "What went wrong with the queue: receive, delete, release, extend, message (one that can't be read).",
		}, []string{"call"})),
		forgotten: register(registerer, &errs[2], prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowwatch_s3_objects_forgotten_total",
			Help: "Objects forgotten before 14 days because there were too many: if one is announced again, it is counted twice.",
		})),
	}
	return m, errors.Join(errs[:]...)
}

// register registers a collector, or finds the one that another source of the
// same kind registered before.
func register[C prometheus.Collector](registerer prometheus.Registerer, failed *error, c C) C {
	if registerer == nil {
		return c
	}
	err := registerer.Register(c)
	var before prometheus.AlreadyRegisteredError
	if errors.As(err, &before) {
		if same, ok := before.ExistingCollector.(C); ok {
			return same
		}
	}
	*failed = err
	return c
}
