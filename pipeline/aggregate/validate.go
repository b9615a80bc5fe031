package aggregate

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// Fields of a view that are derived and not in the flow log.
const (
	fieldDirection = "direction"
	fieldSource    = "source"
	fieldTarget    = "target"
	fieldCountry   = "country"
	fieldASN       = "asn"
	fieldASName    = "as-name"
	fieldService   = "service"
)

var derived = []string{fieldDirection, fieldSource, fieldTarget, fieldCountry, fieldASN, fieldASName, fieldService}

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

// countMeasures are the measures beside the numeric fields.
var countMeasures = []string{measureFlows, measureBytes, measurePackets, measureAccepted, measureRejected, measureSynOnly, MeasureUniqueSources}

var (
	viewName   = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
	metricName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	country    = regexp.MustCompile(`^[A-Z]{2}$`)
	spikeKey   = []string{"account-id", "vpc-id", "interface-id"}
)

// Validate returns every problem of the declaration, joined. Each begins with
// the key that it is about, if it is about one, and says what is accepted.
func (v *View) Validate() error {
	errs := []error{
		checkWord("name", v.Name, viewName, "lower-case letters, digits, _ and -, a letter first"),
		checkWord("metric", v.Metric, metricName, "lower-case letters, digits and _, a letter first"),
	}
	for _, field := range slices.Sorted(maps.Keys(v.Where)) {
		errs = append(errs, checkWhere(field, v.Where[field])...)
	}
	errs = append(errs, checkNames("by", v.By, knownField)...)
	errs = append(errs, checkNames("measure", v.Measure, knownMeasure)...)
	const bounds = "limit (counters of so many keys) or top (gauges of the last closed pane)"
	switch {
	case v.Limit < 0:
		errs = append(errs, fmt.Errorf("limit: %d is too small; accepted: at least 1", v.Limit))
	case v.Top < 0:
		errs = append(errs, fmt.Errorf("top: %d is too small; accepted: at least 1", v.Top))
	case v.Limit > 0 && v.Top > 0:
		errs = append(errs, errors.New("top: stands beside limit; accepted: "+bounds))
	case v.Limit == 0 && v.Top == 0:
		errs = append(errs, errors.New("has no bound; accepted: "+bounds))
	}
	if v.Spike && !slices.Equal(v.By, spikeKey) {
		errs = append(errs, fmt.Errorf("spike: the rule watches interfaces; accepted: only with by: [%s]", strings.Join(spikeKey, ", ")))
	}
	return errors.Join(errs...)
}

func checkWord(key, word string, form *regexp.Regexp, accepted string) error {
	switch {
	case word == "":
		return fmt.Errorf("%s: is missing; accepted: %s", key, accepted)
	case !form.MatchString(word):
		return fmt.Errorf("%s: %q can't be one; accepted: %s", key, word, accepted)
	}
	return nil
}

// checkNames judges a list of distinct names.
func checkNames(key string, list []string, known func(string) error) []error {
	if len(list) == 0 {
		return []error{fmt.Errorf("%s: is missing or empty; accepted: a list of at least one name", key)}
	}
	var errs []error
	for i, name := range list {
		err := known(name)
		if err == nil && slices.ContainsFunc(list[:i], func(earlier string) bool { return canonical(earlier) == canonical(name) }) {
			err = fmt.Errorf("%q is named twice; accepted: each name once", name)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s[%d]: %w", key, i, err))
		}
	}
	return errs
}

// lookup finds a flow-log field by its name with hyphens or underscores.
// ${name} is no spelling for a view: names become labels.
func lookup(name string) (flowlog.Field, bool) {
	f, ok := flowlog.Lookup(name)
	return f, ok && !strings.HasPrefix(name, "$")
}

// canonical returns the one spelling of a field's name that AWS uses.
func canonical(name string) string {
	if f, ok := lookup(name); ok {
		return f.String()
	}
	return name
}

func knownField(name string) error {
	if _, ok := lookup(name); ok || slices.Contains(derived, name) {
		return nil
	}
	return &UnknownName{name, "field", derived, "any flow-log field", func(flowlog.Field) bool { return true }}
}

func knownMeasure(name string) error {
	if name == MeasureUniqueSources {
		return nil
	}
	_, err := measureOf(name)
	return err
}

// UnknownName is the error about a name that a view can't use.
type UnknownName struct {
	name, what string
	words      []string
	fields     string // which flow-log fields are accepted beside the words
	also       func(flowlog.Field) bool
}

func (e *UnknownName) Error() string {
	return fmt.Sprintf("%q is no %s; accepted: %s, and %s", e.name, e.what, strings.Join(e.words, ", "), e.fields)
}

// Unknown returns the name and all those that would be accepted, to find the
// one that was meant.
func (e *UnknownName) Unknown() (name string, known []string) {
	known = slices.Clone(e.words)
	for f := range flowlog.NumFields {
		if e.also(f) {
			known = append(known, f.String())
		}
	}
	return e.name, known
}

// checkWhere judges the values that one field may have.
func checkWhere(field string, values Values) []error {
	if err := knownField(field); err != nil {
		return []error{fmt.Errorf("where.%s: %w", field, err)}
	}
	if len(values) == 0 {
		return []error{fmt.Errorf("where.%s: is an empty list; accepted: at least one value", field)}
	}
	var errs []error
	for i, value := range values {
		if accepted := whereAccepts(field, value); accepted != "" {
			errs = append(errs, fmt.Errorf("where.%s[%d]: %q is none of its values; accepted: %s", field, i, value, accepted))
		}
	}
	return errs
}

// whereAccepts returns "" when the field can have the value, else what it can
// have: a value that no record has would make a view that stays empty. A field
// of the flow log can be null.
func whereAccepts(field, value string) string {
	if field == fieldDirection {
		return oneOf(value, "ingress", "egress", "unknown")
	}
	accepted := ""
	if f, ok := lookup(field); ok {
		accepted = fieldAccepts(f, value)
	} else {
		accepted = derivedAccepts(field, value)
	}
	if value == "-" || accepted == "" {
		return ""
	}
	return accepted + ", or - for none"
}

func derivedAccepts(field, value string) string {
	switch field {
	case fieldSource, fieldTarget:
		return addressAccepts(value)
	case fieldCountry:
		if !country.MatchString(value) {
			return "two capital letters, like DE"
		}
	case fieldASN:
		return numberAccepts(value, 1<<32-1)
	}
	return ""
}

func fieldAccepts(f flowlog.Field, value string) string {
	switch f.Kind() {
	case flowlog.Addr:
		return addressAccepts(value)
	case flowlog.Verdict:
		return oneOf(value, "ACCEPT", "REJECT")
	case flowlog.Status:
		return oneOf(value, "OK", "NODATA", "SKIPDATA")
	case flowlog.Direction:
		return oneOf(value, "ingress", "egress")
	case flowlog.Port:
		return numberAccepts(value, 65535)
	case flowlog.Octet:
		return numberAccepts(value, 255)
	}
	if f.Numeric() {
		return numberAccepts(value, 1<<63-1)
	}
	return ""
}

func oneOf(value string, words ...string) string {
	if slices.Contains(words, value) {
		return ""
	}
	return strings.Join(words, ", ")
}

// numberAccepts judges a number as the flow log writes it: values are compared
// as texts.
func numberAccepts(value string, most uint64) string {
	if n, err := strconv.ParseUint(value, 10, 64); err == nil && n <= most && strconv.FormatUint(n, 10) == value {
		return ""
	}
	if most > 65535 {
		return "a whole number"
	}
	return fmt.Sprintf("a whole number up to %d", most)
}

// addressAccepts judges an address or network. One with bits set behind its
// prefix is more often a slip than meant.
func addressAccepts(value string) string {
	if a, err := netip.ParseAddr(value); err == nil && a.Zone() == "" {
		return ""
	}
	if p, err := netip.ParsePrefix(value); err == nil {
		if p == p.Masked() {
			return ""
		}
		return p.Masked().String()
	}
	return "an address or a network like 10.0.0.0/8"
}
