package firehose

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the process, shared by all Firehose endpoints that register at
// the same place.
type metrics struct {
	requests  *prometheus.CounterVec
	forgotten prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_firehose_requests_total",
			Help: "Requests of Firehose by the status they were answered with.",
		}, []string{"status"}),
		forgotten: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowwatch_firehose_request_ids_forgotten_total",
			Help: "Request IDs forgotten before three hours because there were too many: if one comes again, it is counted twice.",
		}),
	}
	if registerer == nil {
		return m, nil
	}
	var before prometheus.AlreadyRegisteredError
	if err := registerer.Register(m.requests); errors.As(err, &before) {
		if same, ok := before.ExistingCollector.(*prometheus.CounterVec); ok {
			m.requests = same
		}
	} else if err != nil {
		return nil, err
	}
	if err := registerer.Register(m.forgotten); errors.As(err, &before) {
		if same, ok := before.ExistingCollector.(prometheus.Counter); ok {
			m.forgotten = same
		}
	} else if err != nil {
		return nil, err
	}
	return m, nil
}
