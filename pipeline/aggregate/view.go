package aggregate

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// View declares one windowed aggregation: which records, grouped by what,
// measured how, and how many keys are shown.
type View struct {
	// Name is unique among views; Metric begins the names of its series:
	// flowwatch_<metric>_<measure>.
	Name   string `yaml:"name"`
	Metric string `yaml:"metric"`
	// Where keeps the records whose every named field has one of the values;
	// for addresses a value may be a CIDR. A null field matches "-" only.
	Where map[string]Values `yaml:"where,omitempty"`
	// By are the fields of the key: any flow-log field, direction, source,
	// target, country, asn or service.
	By []string `yaml:"by"`
	// Measure are flows, bytes, packets, accepted_flows, rejected_flows,
	// syn_only_flows, unique_sources, or any numeric field, summed.
	Measure []string `yaml:"measure"`
	// Limit exports counters of at most so many keys; what is beyond is
	// counted under "other".
	Limit int `yaml:"limit,omitempty"`
	// Top exports gauges of the last closed pane for so many keys.
	Top int `yaml:"top,omitempty"`
	// Spike shows what the spike rule expects of each interface.
	Spike bool `yaml:"spike,omitempty"`
	// Off views are known but not computed.
	Off bool `yaml:"off,omitempty"`
}

// Values is one value or a list of them.
type Values []string

// UnmarshalYAML reads a scalar or a list of scalars.
func (v *Values) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*v = Values{n.Value}
		return nil
	}
	var list []string
	if err := n.Decode(&list); err != nil {
		return fmt.Errorf("want a value or a list of values: %w", err)
	}
	*v = list
	return nil
}

//go:embed views.yml
var builtin []byte

// BuiltinViews returns the views that a configuration without any has.
func BuiltinViews() []View {
	var file struct{ Views []View }
	if err := yaml.Unmarshal(builtin, &file); err != nil {
		panic(fmt.Sprintf("aggregate: embedded views.yml: %v", err))
	}
	return file.Views
}

// Fields of a view that are derived and not in the flow log.
const (
	fieldDirection = "direction"
	fieldSource    = "source"
	fieldTarget    = "target"
	fieldCountry   = "country"
	fieldASN       = "asn"
	fieldService   = "service"
)

var derived = []string{fieldDirection, fieldSource, fieldTarget, fieldCountry, fieldASN, fieldService}

// Measures that are not the sum of a field of the same name.
const (
	measureFlows    = "flows"
	measureBytes    = "bytes"
	measurePackets  = "packets"
	measureAccepted = "accepted_flows"
	measureRejected = "rejected_flows"
	measureSynOnly  = "syn_only_flows"
	// MeasureUniqueSources is the one measure that is a set and not a sum.
	MeasureUniqueSources = "unique_sources"
)

var (
	viewName   = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
	metricName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	spikeKey   = []string{"account-id", "vpc-id", "interface-id"}
)

// Validate returns every problem of the declaration, joined.
func (v *View) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !viewName.MatchString(v.Name) {
		bad("name: %q is not a name (lower-case letters, digits, - and _, a letter first)", v.Name)
	}
	if !metricName.MatchString(v.Metric) {
		bad("metric: %q is not the middle of a metric name (lower-case letters, digits and _, a letter first)", v.Metric)
	}
	for _, f := range slices.Sorted(keysOf(v.Where)) {
		if err := knownField(f); err != nil {
			bad("where.%s: %w", f, err)
		}
		if len(v.Where[f]) == 0 {
			bad("where.%s: no value given", f)
		}
	}
	if len(v.By) == 0 {
		bad("by: no field given; accepted are flow-log fields and %s", strings.Join(derived, ", "))
	}
	for i, f := range v.By {
		if err := knownField(f); err != nil {
			bad("by[%d]: %w", i, err)
		} else if slices.Contains(v.By[:i], f) {
			bad("by[%d]: %q is named twice", i, f)
		}
	}
	if len(v.Measure) == 0 {
		bad("measure: nothing to measure")
	}
	for i, m := range v.Measure {
		if _, err := measureOf(m); err != nil && m != MeasureUniqueSources {
			bad("measure[%d]: %w", i, err)
		} else if slices.Contains(v.Measure[:i], m) {
			bad("measure[%d]: %q is named twice", i, m)
		}
	}
	switch {
	case v.Limit < 0 || v.Top < 0:
		bad("limit: limit and top are at least 1")
	case (v.Limit == 0) == (v.Top == 0):
		bad("limit: give either limit (counters of so many keys) or top (gauges of the last pane)")
	}
	if v.Spike && !slices.Equal(v.By, spikeKey) {
		bad("spike: the spike rule watches interfaces, so by must be [%s]", strings.Join(spikeKey, ", "))
	}
	return errors.Join(errs...)
}

func keysOf(m map[string]Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func knownField(name string) error {
	if slices.Contains(derived, name) {
		return nil
	}
	if _, ok := flowlog.Lookup(name); ok {
		return nil
	}
	return fmt.Errorf("%q is no field; accepted are flow-log fields and %s", name, strings.Join(derived, ", "))
}

// Labels returns the label names of the view's series, in the order of By.
func (v *View) Labels() []string {
	labels := make([]string, len(v.By))
	for i, f := range v.By {
		labels[i] = strings.ReplaceAll(f, "-", "_")
	}
	return labels
}

// SeriesName returns the name of the view's series for a measure, without the
// prefix: a counter's ends in _total.
func (v *View) SeriesName(measure string) string {
	name := v.Metric + "_" + strings.ReplaceAll(measure, "-", "_")
	if v.Limit > 0 && measure != MeasureUniqueSources {
		name += "_total"
	}
	return name
}

// needs lists the fields that a view can't do without.
func (v *View) needs() []string {
	fields := slices.Clone(v.By)
	for f := range v.Where {
		fields = append(fields, f)
	}
	return fields
}

// Unsupplied names a field that nothing supplies, given what a located address
// has; ok is true when there is none.
func (v *View) Unsupplied(geo bool) (field string, ok bool) {
	for _, f := range v.needs() {
		if (f == fieldCountry || f == fieldASN) && !geo {
			return f, false
		}
		if f == fieldService {
			return f, false
		}
	}
	return "", true
}
