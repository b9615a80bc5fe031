package firehose

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowwatch/flowwatch/pipeline/source/sharedmetrics"
)

// metrics of the process, shared by all Firehose endpoints that register at
// the same place.
type metrics struct {
	requests  *prometheus.CounterVec
	forgotten prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	set := sharedmetrics.At(registerer)
	m := &metrics{
		requests: sharedmetrics.Register(set, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_firehose_requests_total",
			Help: "Requests of Firehose by the status they were answered with.",
		}, []string{"status"})),
		forgotten: sharedmetrics.Register(set, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowwatch_firehose_request_ids_forgotten_total",
			Help: "Request IDs forgotten before three hours because there were too many: if one comes again, it is counted twice.",
		})),
	}
	return m, set.Err()
}
