package aggregate

import (
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// Plan is what records are folded by: the compiled views and the length of a
// pane. It does not change and is shared by every partition.
type Plan struct {
	Pane  int64 // seconds
	views []*compiled
}

// compiled is one view ready to run.
type compiled struct {
	View
	id       string // name and hash of the declaration: what its state is kept under
	where    []predicate
	by       []keyField
	measures []measure // of the integer columns after column 0
	bytes    int       // column of bytes and of packets, 0 when not measured
	packets  int
	distinct bool
	perPane  bool // something is shown of the last closed pane
	schema   Schema
	derived  *derivation // nil: folded from records
}

// keyField appends one part of a key.
type keyField struct {
	name  string
	field flowlog.Field
	kind  fieldKind
}

type fieldKind uint8

const (
	kindText fieldKind = iota // a flow-log field as it stands
	kindAddr                  // a flow-log address
	kindDirection
	kindSource
	kindTarget
	kindCountry
	kindASN
	kindASName
	kindService
)

// predicate keeps the records that a view's where asks for.
type predicate struct {
	key     keyField
	texts   []string
	numbers []uint32         // texts of autonomous systems
	ranges  *enrich.Networks // of addresses; nil otherwise
	null    bool             // "-" is accepted
}

// NewPlan compiles the views that are on. Views must have passed Validate; a
// pane is in seconds.
func NewPlan(views []View, pane int64) (*Plan, error) {
	p := &Plan{Pane: pane}
	for i := range views {
		if views[i].Off {
			continue
		}
		c, err := compile(views[i])
		if err != nil {
			return nil, fmt.Errorf("view %s: %w", views[i].Name, err)
		}
		p.views = append(p.views, c)
	}
	p.derive()
	return p, nil
}

// Views returns the views of the plan, in its order.
func (p *Plan) Views() []View {
	views := make([]View, len(p.views))
	for i, c := range p.views {
		views[i] = c.View
	}
	return views
}

// ViewID identifies a view together with its declaration: state kept for
// another declaration is not this view's.
func (p *Plan) ViewID(i int) string { return p.views[i].id }

func compile(v View) (*compiled, error) {
	c := &compiled{View: v, schema: Schema{columns: []merge{sum}}}
	for _, name := range v.By {
		c.by = append(c.by, fieldOf(name))
	}
	for _, name := range slices.Sorted(maps.Keys(v.Where)) {
		pred, err := predicateOf(fieldOf(name), v.Where[name])
		if err != nil {
			return nil, fmt.Errorf("where.%s: %w", name, err)
		}
		c.where = append(c.where, pred)
	}
	for _, name := range v.Measure {
		if name == MeasureUniqueSources {
			c.distinct = true
			continue
		}
		m, err := measureOf(name)
		if err != nil {
			return nil, err
		}
		c.measures = append(c.measures, m)
		c.schema.columns = append(c.schema.columns, sum)
		switch m.op {
		case opBytes:
			c.bytes = len(c.measures)
		case opPackets:
			c.packets = len(c.measures)
		}
	}
	c.schema.distinct = c.distinct
	c.perPane = c.Top > 0 || c.distinct
	c.id = fmt.Sprintf("%s@%08x", v.Name, declarationHash(v))
	return c, nil
}

// declarationHash covers what changes the meaning of a view's state.
func declarationHash(v View) uint32 {
	text, err := yaml.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("aggregate: a view as YAML: %v", err)) // plain strings and numbers can't fail
	}
	h := fnv.New32a()
	h.Write(text)
	return h.Sum32()
}

func fieldOf(name string) keyField {
	switch name {
	case fieldDirection:
		return keyField{name: name, kind: kindDirection}
	case fieldSource:
		return keyField{name: name, kind: kindSource}
	case fieldTarget:
		return keyField{name: name, kind: kindTarget}
	case fieldCountry:
		return keyField{name: name, kind: kindCountry}
	case fieldASN:
		return keyField{name: name, kind: kindASN}
	case fieldASName:
		return keyField{name: name, kind: kindASName}
	case fieldService:
		return keyField{name: name, kind: kindService}
	}
	f, _ := flowlog.Lookup(name)
	k := keyField{name: f.String(), field: f}
	if f.Kind() == flowlog.Addr {
		k.kind = kindAddr
	}
	return k
}

func predicateOf(k keyField, values Values) (predicate, error) {
	p := predicate{key: k}
	var ranges []netip.Prefix
	for _, v := range values {
		switch {
		case v == "-":
			p.null = true
		case !k.address():
			p.texts = append(p.texts, v)
		default:
			prefix, err := parsePrefix(v)
			if err != nil {
				return p, err
			}
			ranges = append(ranges, prefix)
		}
	}
	if k.address() {
		p.ranges = enrich.NewNetworks(ranges)
	}
	if k.kind == kindASN {
		for _, text := range p.texts {
			n, err := strconv.ParseUint(text, 10, 32)
			if err != nil {
				return p, fmt.Errorf("%q is no number of an autonomous system", text)
			}
			p.numbers = append(p.numbers, uint32(n))
		}
	}
	return p, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return p, fmt.Errorf("%q is no CIDR", s)
		}
		return p, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no address or CIDR", s)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

func (k *keyField) address() bool {
	return k.kind == kindAddr || k.kind == kindSource || k.kind == kindTarget
}

func (k *keyField) addr(f *enrich.Flow) netip.Addr {
	switch k.kind {
	case kindSource:
		return f.Source
	case kindTarget:
		return f.Target
	}
	return f.Addr(k.field)
}

var directions = [...]string{0: "unknown", flowlog.Ingress: "ingress", flowlog.Egress: "egress"}

func (p *predicate) keeps(f *enrich.Flow) bool {
	if p.ranges != nil {
		a := p.key.addr(f)
		if !a.IsValid() {
			return p.null
		}
		return p.ranges.Contains(a)
	}
	switch p.key.kind {
	case kindDirection:
		return slices.Contains(p.texts, directions[f.Direction])
	case kindCountry:
		return p.has(f.Whence().Country)
	case kindASName:
		return p.has(f.Whence().ASName)
	case kindASN:
		return p.hasNumber(f.Whence().ASN)
	case kindService:
		if logged := f.LoggedService(); logged != nil {
			return hasText(p.texts, logged)
		}
		return p.has(f.Whence().Service)
	}
	text := f.Text(p.key.field)
	if text == nil {
		return p.null
	}
	return hasText(p.texts, text)
}

// has reports whether a text is wanted; "" is null.
func (p *predicate) has(text string) bool {
	if text == "" {
		return p.null
	}
	return slices.Contains(p.texts, text)
}

// hasNumber reports whether a number is wanted; 0 is null.
func (p *predicate) hasNumber(n uint32) bool {
	if n == 0 {
		return p.null
	}
	return slices.Contains(p.numbers, n)
}

func hasText(texts []string, text []byte) bool {
	for _, want := range texts {
		if string(text) == want {
			return true
		}
	}
	return false
}

func (c *compiled) keeps(f *enrich.Flow) bool {
	for i := range c.where {
		if !c.where[i].keeps(f) {
			return false
		}
	}
	return true
}

func (c *compiled) appendKey(key []byte, f *enrich.Flow) []byte {
	for i := range c.by {
		k := &c.by[i]
		switch k.kind {
		case kindText:
			part := f.Text(k.field)
			if part == nil && k.field == flowlog.InterfaceID {
				part = f.Text(flowlog.ResourceID) // a regional NAT gateway has no interface
			}
			key = appendPart(key, part)
		case kindDirection:
			key = appendPart(key, directions[f.Direction])
		case kindCountry, kindASN, kindASName:
			key = k.appendPlace(key, f.Whence())
		case kindService:
			if logged := f.LoggedService(); logged != nil {
				key = appendPart(key, logged)
			} else {
				key = k.appendPlace(key, f.Whence())
			}
		default:
			key = appendAddr(key, k.addr(f))
		}
	}
	return key
}

// labels reads a key of the view as label values; null is "-".
func (c *compiled) labels(key []byte) []string {
	values := make([]string, len(c.by))
	for i := range c.by {
		part, rest, ok := nextPart(key)
		switch {
		case !ok || len(part) == 0:
			values[i] = "-"
		case c.by[i].kind == kindASN:
			values[i] = strconv.FormatUint(uint64(numberPart(part)), 10)
		case c.by[i].address():
			values[i] = addrPart(part).String()
		default:
			values[i] = strings.ToValidUTF8(string(part), "\uFFFD")
		}
		key = rest
	}
	return values
}

// Width returns how many integer measures view i has: the columns after the
// first of its tables.
func (p *Plan) Width(i int) int { return len(p.views[i].measures) }

// KeyLabels reads a key of view i as label values, in the order of By; null is
// "-".
func (p *Plan) KeyLabels(i int, key []byte) []string { return p.views[i].labels(key) }
