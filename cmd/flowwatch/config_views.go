package main

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/flowwatch/flowwatch/cmd/flowwatch/internal/strictyaml"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// derivedFields can stand in a view beside the fields of the flow log, and
// countMeasures beside its numeric fields.
var (
	derivedFields = []string{"direction", "source", "target", "country", "asn", "service"}
	countMeasures = []string{"flows", "bytes", "packets", "accepted_flows", "rejected_flows", "syn_only_flows", "unique_sources"}
	spikeKey      = []string{"account-id", "vpc-id", "interface-id"}
	viewName      = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
	metricName    = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// Validate judges every key of one view.
func (v *ViewConfig) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !viewName.MatchString(v.Name) {
		bad("name: %q is no name; accepted: lower-case letters, digits, _ and -, a letter first", v.Name)
	}
	if !metricName.MatchString(v.Metric) {
		bad("metric: %q is no part of a metric's name; accepted: lower-case letters, digits and _, a letter first", v.Metric)
	}
	for _, field := range slices.Sorted(maps.Keys(v.Where)) {
		for _, err := range checkWhere(field, v.Where[field]) {
			bad("where.%s%w", field, err)
		}
	}
	errs = append(errs, checkNames("by", v.By, checkField)...)
	errs = append(errs, checkNames("measure", v.Measure, checkMeasure)...)
	switch {
	case v.Limit < 0 || v.Top < 0:
		bad("is limited to less than 1 key; accepted: limit or top of at least 1")
	case v.Limit > 0 && v.Top > 0:
		bad("top: stands beside limit; accepted: limit (counters of so many keys) or top (gauges of the last closed pane)")
	case v.Limit == 0 && v.Top == 0:
		bad("has no bound; accepted: limit (counters of so many keys) or top (gauges of the last closed pane)")
	}
	if v.Spike && !slices.Equal(v.By, spikeKey) {
		bad("spike: the rule watches interfaces; accepted: only with by: [%s]", strings.Join(spikeKey, ", "))
	}
	return errors.Join(errs...)
}

// checkNames judges a list of distinct names.
func checkNames(key string, list []string, check func(string) error) []error {
	if len(list) == 0 {
		return []error{fmt.Errorf("%s: is an empty list; accepted: at least one name", key)}
	}
	var errs []error
	for i, name := range list {
		err := check(name)
		if err == nil && slices.ContainsFunc(list[:i], func(earlier string) bool { return canonical(earlier) == canonical(name) }) {
			err = fmt.Errorf("%q is named twice; accepted: each name once", name)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s[%d]: %w", key, i, err))
		}
	}
	return errs
}

// canonical returns the one spelling of a field's name that AWS uses.
func canonical(name string) string {
	if f, ok := flowlog.Lookup(name); ok {
		return f.String()
	}
	return name
}

func checkField(name string) error {
	if _, ok := flowlog.Lookup(name); ok || slices.Contains(derivedFields, name) {
		return nil
	}
	return unknownWord(name, "field", derivedFields, func(flowlog.Field) bool { return true })
}

func checkMeasure(name string) error {
	if f, ok := flowlog.Lookup(name); ok && f.Numeric() || slices.Contains(countMeasures, name) {
		return nil
	}
	return unknownWord(name, "measure", countMeasures, flowlog.Field.Numeric)
}

// unknownWord tells the words of a list and those flow-log fields that also
// are accepted.
func unknownWord(word, what string, list []string, also func(flowlog.Field) bool) error {
	known := slices.Clone(list)
	for f := flowlog.Field(0); f < flowlog.NumFields; f++ {
		if also(f) {
			known = append(known, f.String())
		}
	}
	hint := strictyaml.Suggest(word, known)
	if !strings.HasPrefix(hint, "did you mean") {
		hint = "accepted: " + strings.Join(list, ", ")
		if what == "measure" {
			hint += ", and any numeric flow-log field"
		} else {
			hint += ", and any flow-log field"
		}
	}
	return fmt.Errorf("%q is no %s; %s", word, what, hint)
}

// checkWhere judges the values that one field may have. The errors go on from
// the field's key.
func checkWhere(field string, values []string) []error {
	if err := checkField(field); err != nil {
		return []error{fmt.Errorf(": %w", err)}
	}
	if len(values) == 0 {
		return []error{errors.New(": is an empty list; accepted: at least one value")}
	}
	var errs []error
	for i, value := range values {
		if accepted := whereAccepts(field, value); value != "-" && accepted != "" {
			errs = append(errs, fmt.Errorf("[%d]: %q is none of its values; accepted: %s, or - for none", i, value, accepted))
		}
	}
	return errs
}

// whereAccepts returns "" when the field can have the value, else what it can
// have.
func whereAccepts(field, value string) string {
	oneOf := func(words ...string) string {
		if slices.Contains(words, value) {
			return ""
		}
		return strings.Join(words, ", ")
	}
	switch field {
	case "direction":
		return oneOf("ingress", "egress", "unknown")
	case "source", "target":
		return addressAccepts(value)
	}
	f, ok := flowlog.Lookup(field)
	if !ok {
		return ""
	}
	switch f.Kind() {
	case flowlog.Addr:
		return addressAccepts(value)
	case flowlog.Verdict:
		return oneOf("ACCEPT", "REJECT")
	case flowlog.Status:
		return oneOf("OK", "NODATA", "SKIPDATA")
	case flowlog.Direction:
		return oneOf("ingress", "egress")
	}
	if !f.Numeric() {
		return ""
	}
	if _, err := strconv.ParseUint(value, 10, 63); err != nil {
		return "a whole number"
	}
	return ""
}

func addressAccepts(value string) string {
	if _, err := netip.ParseAddr(value); err == nil {
		return ""
	}
	if _, err := netip.ParsePrefix(value); err == nil {
		return ""
	}
	return "an address or a network like 10.0.0.0/8"
}

// SeriesName returns the name of the view's series for a measure, without the
// prefix flowwatch_: a counter's ends in _total.
func (v *ViewConfig) SeriesName(measure string) string {
	name := v.Metric + "_" + strings.ReplaceAll(measure, "-", "_")
	if v.Limit > 0 && measure != "unique_sources" {
		name += "_total"
	}
	return name
}

// ownSeries are flowwatch's own series that a view could be named into.
var ownSeries = []string{"source_bytes_total"}

// seriesClashes reports views whose series have the name of another's:
// Prometheus refuses one name with two sets of labels.
func seriesClashes(views []ViewConfig) []error {
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
