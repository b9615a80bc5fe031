package pipeline

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// metrics belong to the process and start at 0 with it. What is committed is
// in Published instead, which sinks/prometheus exports.
type metrics struct {
	watermarkAt    prometheus.Gauge
	paneClose      prometheus.Histogram
	commits        prometheus.Counter
	failures       prometheus.Counter
	commitDuration prometheus.Histogram
	commitAt       prometheus.Gauge
	last           atomic.Int64 // Unix nanoseconds of the last commit
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		watermarkAt: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "flowwatch_watermark_timestamp_seconds",
			Help: "Event time up to which all panes are closed, in Unix seconds; 0 while unknown.",
		}),
		paneClose: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "flowwatch_pane_close_duration_seconds",
			Help:    "Time to close one pane: merge, views and all rules.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
		}),
		commits: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowwatch_commits_total",
			Help: "Commits of the state that became durable.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowwatch_commit_failures_total",
			Help: "Tries to commit that failed; each is tried again, and nothing is merged meanwhile.",
		}),
		commitDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "flowwatch_commit_duration_seconds",
			Help:    "Time from encoding a commit to its being durable.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}),
		commitAt: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "flowwatch_commit_timestamp_seconds",
			Help: "When the last commit became durable, in Unix seconds.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.watermarkAt, m.paneClose, m.commits, m.failures, m.commitDuration, m.commitAt)
	}
	return m
}

func (m *metrics) watermark(at int64) {
	if at != aggregate.Never && at != aggregate.Forever {
		m.watermarkAt.Set(float64(at))
	}
}

func (m *metrics) paneClosed(took time.Duration) { m.paneClose.Observe(took.Seconds()) }

func (m *metrics) commitFailed() { m.failures.Inc() }

func (m *metrics) committed(began, now time.Time) {
	m.commits.Inc()
	m.commitDuration.Observe(now.Sub(began).Seconds())
	m.commitAt.Set(float64(now.UnixMilli()) / 1e3)
	m.last.Store(now.UnixNano())
}

// lastCommit is when the last commit became durable.
func (m *metrics) lastCommit() time.Time { return time.Unix(0, m.last.Load()) }
