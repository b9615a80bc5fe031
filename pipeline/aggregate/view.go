package aggregate

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// View declares one windowed aggregation: which records, grouped by what,
// measured how, and how many keys are shown.
type View struct {
	// Name is unique among views; Metric begins the names of its series:
	// flowwatch_<metric>_<measure>.
	Name   string `yaml:"name"`
	Metric string `yaml:"metric"`
	// Where keeps the records whose every named field has one of the values;
	// for addresses a value may be a CIDR. A null field matches "-" only, but
	// direction is "unknown" instead.
	Where map[string]Values `yaml:"where,omitempty"`
	// By are the fields of the key: any flow-log field, direction, source,
	// target, or what is known of the remote end (enrich.Flow.Remote): country,
	// asn, as-name, service.
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

// Supply says which fields are known that no flow log has.
type Supply struct{ Country, ASN bool }

// Unsupplied names a field that nothing supplies; ok is true when there is none.
// A service may stand in the records.
func (v *View) Unsupplied(supply Supply) (field string, ok bool) {
	for _, f := range v.needs() {
		if f == fieldCountry && !supply.Country || (f == fieldASN || f == fieldASName) && !supply.ASN {
			return f, false
		}
	}
	return "", true
}
