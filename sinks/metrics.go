package sinks

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of all outboxes of the process.
type Metrics struct {
	sends    *prometheus.CounterVec
	findings *prometheus.GaugeVec
	circuit  *prometheus.GaugeVec
}

// NewMetrics registers the metrics of outboxes. A nil registerer is allowed:
// then nobody sees them.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		sends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_sink_sends_total",
			Help: "Findings by what became of them at a sink: ok, retry (each time), permanent (refused), repeated (the last event of an open incident, sent again), replaced (by a newer event of the incident), dropped.",
		}, []string{"sink", "outcome"}),
		findings: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "flowwatch_outbox_findings",
			Help: "Findings that a sink has yet to deliver.",
		}, []string{"sink"}),
		circuit: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "flowwatch_sink_circuit_open",
			Help: "1 while a sink failed so often in a row that only one finding a minute is tried, else 0.",
		}, []string{"sink"}),
	}
	if registerer == nil {
		return m, nil
	}
	return m, errors.Join(registerer.Register(m.sends), registerer.Register(m.findings), registerer.Register(m.circuit))
}

// tally is the metrics of one outbox, resolved.
type tally struct {
	ok, retry, permanent, repeated, replaced, dropped prometheus.Counter
	findings, circuit                                 prometheus.Gauge
}

func (m *Metrics) tally(sink string) tally {
	return tally{
		ok:        m.sends.WithLabelValues(sink, "ok"),
		retry:     m.sends.WithLabelValues(sink, "retry"),
		permanent: m.sends.WithLabelValues(sink, "permanent"),
		repeated:  m.sends.WithLabelValues(sink, "repeated"),
		replaced:  m.sends.WithLabelValues(sink, "replaced"),
		dropped:   m.sends.WithLabelValues(sink, "dropped"),
		findings:  m.findings.WithLabelValues(sink),
		circuit:   m.circuit.WithLabelValues(sink),
	}
}
