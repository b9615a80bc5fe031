package sharedmetrics

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func counter(help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: "test_total", Help: help})
}

func TestSourcesShareTheirMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	first := At(registry)
	a := Register(first, counter("of a test"))
	second := At(registry)
	if b := Register(second, counter("of a test")); b != a || first.Err() != nil || second.Err() != nil {
		t.Errorf("the second source has another counter, or an error: %v, %v", first.Err(), second.Err())
	}
	third := At(registry)
	if Register(third, counter("of something else")); third.Err() == nil {
		t.Error("no error of a metric that is another one by the same name")
	}
	if nowhere := At(nil); Register(nowhere, counter("of a test")) == nil || nowhere.Err() != nil {
		t.Error("without a place to register there is no counter, or an error")
	}
}
