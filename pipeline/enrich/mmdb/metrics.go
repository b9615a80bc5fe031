package mmdb

import (
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

type metrics struct {
	reloads *prometheus.CounterVec
}

func (m *metrics) reload(d *Database, outcome string) {
	m.reloads.WithLabelValues(d.path, outcome).Inc()
}

// NewWatcher returns a watcher with its metrics. The path of a database is a
// label: there are as many as the configuration names.
func NewWatcher(databases []*Database, log *zap.Logger, registerer prometheus.Registerer) (*Watcher, error) {
	w := &Watcher{Databases: databases, Log: log, failing: make(map[*Database]string)}
	w.metrics = &metrics{
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_enrich_database_reloads_total",
			Help: "Times that a database file was read again because it had changed, by outcome: ok, or error, after which the old state stays.",
		}, []string{"database", "outcome"}),
	}
	collectors := []prometheus.Collector{w.metrics.reloads, &states{databases}}
	for _, d := range databases {
		w.metrics.reloads.WithLabelValues(d.path, "ok")
		w.metrics.reloads.WithLabelValues(d.path, "error")
	}
	for _, c := range collectors {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	return w, nil
}

var (
	builtDesc = prometheus.NewDesc("flowwatch_enrich_database_build_timestamp_seconds",
		"When the database in use was built, by its own word.", []string{"database", "type"}, nil)
	brokenDesc = prometheus.NewDesc("flowwatch_enrich_database_errors_total",
		"Look-ups in a database that failed: its file is damaged.", []string{"database"}, nil)
)

// states collects what databases know of themselves.
type states struct{ databases []*Database }

// Describe implements prometheus.Collector.
func (s *states) Describe(ch chan<- *prometheus.Desc) {
	ch <- builtDesc
	ch <- brokenDesc
}

// Collect implements prometheus.Collector.
func (s *states) Collect(ch chan<- prometheus.Metric) {
	for _, d := range s.databases {
		ch <- prometheus.MustNewConstMetric(builtDesc, prometheus.GaugeValue, float64(d.Built().Unix()), d.path, d.Type())
		ch <- prometheus.MustNewConstMetric(brokenDesc, prometheus.CounterValue, float64(d.broken.Load()), d.path)
	}
}
