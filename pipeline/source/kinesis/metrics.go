package kinesis

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the process, shared by all Kinesis sources that register at the
// same place.
type metrics struct {
	lag           *prometheus.GaugeVec
	retentionLeft *prometheus.GaugeVec
	reads         *prometheus.CounterVec
	renewals      *prometheus.CounterVec
	expiredShards *prometheus.CounterVec
	unpacked      *prometheus.CounterVec
	repeated      *prometheus.CounterVec
}

// reads are the counters of one source, resolved.
type counters struct {
	read, empty, throttled, failed, expired prometheus.Counter // GetRecords by outcome
	renewals                                prometheus.Counter
	expiredShards                           prometheus.Counter
	aggregates, corrupt, foreign            prometheus.Counter // KPL
	repeated                                prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	var errs [7]error
	m := &metrics{
		lag: register(registerer, &errs[0], prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "flowwatch_source_lag_seconds",
			Help: "How far the last read of a partition was behind its newest record.",
		}, []string{"partition"})),
		reads: register(registerer, &errs[1], prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_source_reads_total",
			Help: "Reads of a source by outcome: records, empty, throttled, failed, expired (iterator).",
		}, []string{"source", "outcome"})),
		renewals: register(registerer, &errs[2], prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_source_iterator_renewals_total",
			Help: "Shard iterators that were replaced, because they had expired or were about to.",
		}, []string{"source"})),
		expiredShards: register(registerer, &errs[3], prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_source_expired_shards_total",
			Help: "Shards that retention removed before they were read to their end.",
		}, []string{"source"})),
		unpacked: register(registerer, &errs[4], prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_source_aggregates_total",
			Help: "KPL aggregates by outcome: unpacked, corrupt; and foreign: user records left out, as their explicit hash key belongs to another shard.",
		}, []string{"source", "outcome"})),
		repeated: register(registerer, &errs[5], prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_source_repeated_records_total",
			Help: "Records that the service delivered again under a sequence number that had been read.",
		}, []string{"source"})),
		retentionLeft: register(registerer, &errs[6], prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "flowwatch_source_retention_left_seconds",
			Help: "What is left until the records of a partition that wait to be read begin to expire: the stream's retention less the lag.",
		}, []string{"partition"})),
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

func (m *metrics) of(source string) counters {
	return counters{
		read:          m.reads.WithLabelValues(source, "records"),
		empty:         m.reads.WithLabelValues(source, "empty"),
		throttled:     m.reads.WithLabelValues(source, "throttled"),
		failed:        m.reads.WithLabelValues(source, "failed"),
		expired:       m.reads.WithLabelValues(source, "expired"),
		renewals:      m.renewals.WithLabelValues(source),
		expiredShards: m.expiredShards.WithLabelValues(source),
		aggregates:    m.unpacked.WithLabelValues(source, "unpacked"),
		corrupt:       m.unpacked.WithLabelValues(source, "corrupt"),
		foreign:       m.unpacked.WithLabelValues(source, "foreign"),
		repeated:      m.repeated.WithLabelValues(source),
	}
}
