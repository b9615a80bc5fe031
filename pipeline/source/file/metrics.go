package file

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowwatch/flowwatch/pipeline/source/sharedmetrics"
)

// metrics of the process, shared by all file sources that register at the same
// place.
type metrics struct {
	problems prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	set := sharedmetrics.At(registerer)
	m := &metrics{
		problems: sharedmetrics.Register(set, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowwatch_file_problems_total",
			Help: "Files that could not be read, or not to their end; the log names them.",
		})),
	}
	return m, set.Err()
}
