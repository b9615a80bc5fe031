package strictyaml

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
	prefixType   = reflect.TypeFor[netip.Prefix]()
	textReader   = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// isScalar reports whether values of the type are written as one scalar.
func isScalar(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(textReader) {
		return true
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Pointer:
		return false
	}
	return true
}

// accepts says what a value of the type may be.
func accepts(v reflect.Value, t tag) string {
	if len(t.oneOf) > 0 {
		return strings.Join(t.oneOf, ", ")
	}
	switch v.Type() {
	case durationType:
		return "a duration like 30s, 5m or 1h"
	case timeType:
		return "an RFC 3339 time like 2027-01-31T00:00:00Z"
	case prefixType:
		return "a network like 10.0.0.0/8 or fc00::/7"
	}
	if a, ok := v.Interface().(interface{ Accepts() string }); ok {
		return a.Accepts()
	}
	switch {
	case v.Kind() == reflect.Slice:
		return "a list"
	case v.Kind() == reflect.Struct || v.Kind() == reflect.Map || v.Kind() == reflect.Pointer:
		return "a mapping of keys"
	case v.Kind() == reflect.Bool:
		return "true or false"
	case v.CanInt():
		return "a whole number"
	case v.CanUint():
		return "a whole number, not negative"
	case v.CanFloat():
		return "a number"
	}
	return "a text"
}

// scalar reads a scalar node into v.
func (d *decoder) scalar(n *yaml.Node, p place, v reflect.Value, t tag) {
	want := "; accepted: " + accepts(v, t)
	switch {
	case n.Kind != yaml.ScalarNode:
		d.add(p, "is "+kindOf(n)+want)
		return
	case isNull(n):
		d.add(p, "is empty"+want)
		return
	case !slices.Contains([]string{"!!str", "!!int", "!!float", "!!bool", "!!timestamp"}, n.ShortTag()):
		d.add(p, "has a YAML tag; leave that out"+want)
		return
	}
	text, values := n.Value, []string(nil)
	if !t.literal {
		var problems []string
		text, values, problems = expand(n.Value, d.opt.LookupEnv)
		for _, problem := range problems {
			d.add(p, problem)
		}
		if problems != nil {
			return
		}
	}
	if p.secret = p.secret || t.secret; p.secret {
		d.secrets.add(text)
		for _, value := range values {
			d.secrets.add(value)
		}
	}
	if d.notYet[p.pattern+"="+text] {
		d.add(p, quote(text, p)+" is not available in this version")
		return
	}
	if err := set(v, n, text, values != nil, t); err != nil {
		what := quote(text, p) + " " + err.Error()
		if !strings.Contains(what, "; ") {
			what += want
		}
		d.add(p, what)
	}
}

// set parses text into v. The error continues the sentence that begins with
// the value.
func set(v reflect.Value, n *yaml.Node, text string, expanded bool, t tag) error {
	switch v.Type() {
	case durationType:
		dur, err := parseDuration(text)
		v.SetInt(int64(dur))
		return err
	case prefixType:
		prefix, err := parsePrefix(text)
		v.Set(reflect.ValueOf(prefix))
		return err
	case timeType:
		at, err := time.Parse(time.RFC3339, text)
		v.Set(reflect.ValueOf(at))
		if err != nil {
			return errors.New("is no time")
		}
		return nil
	}
	if r, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return r.UnmarshalText([]byte(text))
	}
	if v.Kind() == reflect.String {
		return setString(v, n, text, t)
	}
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 && !expanded {
		return errors.New("is a quoted text")
	}
	return setNumber(v, text)
}

func setString(v reflect.Value, n *yaml.Node, text string, t tag) error {
	switch {
	case len(t.oneOf) > 0 && !slices.Contains(t.oneOf, text):
		if s := Suggest(text, t.oneOf); strings.HasPrefix(s, "did you mean") {
			return fmt.Errorf("is not known; %s accepted: %s", s, strings.Join(t.oneOf, ", "))
		}
		return errors.New("is not known")
	case n.ShortTag() == "!!bool":
		return errors.New("is a boolean; accepted: a text (put it in quotes)")
	}
	v.SetString(text)
	return nil
}

func setNumber(v reflect.Value, text string) error {
	digits := strings.ReplaceAll(text, "_", "")
	var err error
	switch {
	case v.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return errors.New("is no boolean")
		}
		v.SetBool(text == "true")
	case v.CanInt():
		var i int64
		i, err = strconv.ParseInt(digits, 10, v.Type().Bits())
		v.SetInt(i)
	case v.CanUint():
		var u uint64
		u, err = strconv.ParseUint(digits, 10, v.Type().Bits())
		v.SetUint(u)
	case v.CanFloat():
		var f float64
		f, err = strconv.ParseFloat(digits, v.Type().Bits())
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return errors.New("is no finite number")
		}
		v.SetFloat(f)
	}
	switch {
	case errors.Is(err, strconv.ErrRange):
		return errors.New("is out of range")
	case err != nil:
		return errors.New("is no number")
	}
	return nil
}

// parsePrefix reads a network; an address alone, or one inside the network,
// is more often a slip than meant.
func parsePrefix(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
			return netip.Prefix{}, fmt.Errorf("is an address; did you mean %s/%d?", a, a.BitLen())
		}
		return netip.Prefix{}, errors.New("is no network")
	}
	if prefix != prefix.Masked() {
		return netip.Prefix{}, fmt.Errorf("has bits set behind its prefix; did you mean %s?", prefix.Masked())
	}
	return prefix, nil
}

// kindOf names what a node is.
func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "empty"
	}
	return "a single value"
}

// quote shows a value, unless it is secret.
func quote(text string, p place) string {
	if p.secret {
		return `"` + masked + `"`
	}
	text = Secrets{}.Mask(text)
	if r := []rune(text); len(r) > 60 {
		text = string(r[:57]) + "..."
	}
	return strconv.Quote(text)
}
