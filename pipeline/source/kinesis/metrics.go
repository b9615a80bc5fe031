package kinesis

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowwatch/flowwatch/pipeline/source/sharedmetrics"
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
	fanOut        *prometheus.GaugeVec
	subscriptions *prometheus.CounterVec
	ends          *prometheus.CounterVec
}

// reads are the counters of one source, resolved.
type counters struct {
	read, empty, throttled, failed, expired prometheus.Counter // GetRecords by outcome
	renewals                                prometheus.Counter
	expiredShards                           prometheus.Counter
	aggregates, corrupt, foreign            prometheus.Counter // KPL
	repeated                                prometheus.Counter

	// SubscribeToShard by outcome, and why subscriptions ended.
	subscribed, subscribeInUse, subscribeThrottled, subscribeFailed, subscribeDenied prometheus.Counter
	ended, broken, silent                                                            prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	set := sharedmetrics.At(registerer)
	m := &metrics{
		lag: sharedmetrics.Register(set, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "flowwatch_source_lag_seconds",
			Help: "How far the last read of a partition was behind its newest record.",
		}, []string{"partition"})),
		reads: sharedmetrics.Register(set, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_source_reads_total",
			Help: "Reads of a source by outcome: records, empty, throttled, failed, expired (iterator). An event of enhanced fan-out is a read.",
		}, []string{"source", "outcome"})),
		renewals: sharedmetrics.Register(set, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_source_iterator_renewals_total",
			Help: "Shard iterators that were replaced, because they had expired or were about to.",
		}, []string{"source"})),
		expiredShards: sharedmetrics.Register(set, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_source_expired_shards_total",
			Help: "Shards that retention removed before they were read to their end.",
		}, []string{"source"})),
		unpacked: sharedmetrics.Register(set, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_source_aggregates_total",
			Help: "KPL aggregates by outcome: unpacked, corrupt; and foreign: user records left out, as their explicit hash key belongs to another shard.",
		}, []string{"source", "outcome"})),
		repeated: sharedmetrics.Register(set, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_source_repeated_records_total",
			Help: "Records that the service delivered again under a sequence number that had been read.",
		}, []string{"source"})),
		retentionLeft: sharedmetrics.Register(set, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "flowwatch_source_retention_left_seconds",
			Help: "What is left until the records of a partition that wait to be read begin to expire: the stream's retention less the lag.",
		}, []string{"partition"})),
		fanOut: sharedmetrics.Register(set, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "flowwatch_source_fan_out",
			Help: "How a shard is read: 1 by enhanced fan-out, 0 by polling.",
		}, []string{"partition"})),
		subscriptions: sharedmetrics.Register(set, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_source_subscriptions_total",
			Help: "Subscriptions to a shard (enhanced fan-out) by outcome: opened, in_use, throttled, failed, denied.",
		}, []string{"source", "outcome"})),
		ends: sharedmetrics.Register(set, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowwatch_source_subscription_ends_total",
			Help: "Subscriptions to a shard that ended before the shard: expired (after five minutes), broken, silent (no heartbeat).",
		}, []string{"source", "reason"})),
	}
	return m, set.Err()
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

		subscribed:         m.subscriptions.WithLabelValues(source, "opened"),
		subscribeInUse:     m.subscriptions.WithLabelValues(source, "in_use"),
		subscribeThrottled: m.subscriptions.WithLabelValues(source, "throttled"),
		subscribeFailed:    m.subscriptions.WithLabelValues(source, "failed"),
		subscribeDenied:    m.subscriptions.WithLabelValues(source, "denied"),
		ended:              m.ends.WithLabelValues(source, "expired"),
		broken:             m.ends.WithLabelValues(source, "broken"),
		silent:             m.ends.WithLabelValues(source, "silent"),
	}
}
