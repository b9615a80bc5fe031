package main

import (
	"fmt"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// ownSeries are flowwatch's own series that a view could be named into.
var ownSeries = []string{"source_bytes_total"}

// seriesClashes reports views whose series have the name of another's:
// Prometheus refuses one name with two sets of labels.
func seriesClashes(views []aggregate.View) []error {
	var errs []error
	owner := map[string]string{}
	for _, name := range ownSeries {
		owner[name] = "flowwatch itself"
	}
	for i, v := range views {
		if v.Off {
			continue
		}
		for _, measure := range v.Measure {
			name := v.SeriesName(measure)
			if first, taken := owner[name]; taken && first != v.Name {
				errs = append(errs, fmt.Errorf("views[%d].metric: flowwatch_%s is a series of %s already; accepted: a metric that no other view has", i, name, first))
				break
			}
			owner[name] = v.Name
		}
	}
	return errs
}
