package pipeline

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// seriesLife is how long, in event time, a key is shown without increments.
const seriesLife = 24 * 3600

// otherKey is what the keys beyond a view's limit are counted under: no key
// that a view makes is empty.
const otherKey = ""

// totals are the counters of one view: what every record that was ever merged
// added to each key. They change with every merge and are shown as of the last
// commit.
type totals struct {
	index  int
	id     string // of the view, with its declaration
	view   aggregate.View
	plan   *aggregate.Plan
	series map[string]*series
	folded int64 // how often a key was counted under "other" for want of room
}

// series is one key's counters.
type series struct {
	labels  []string
	values  []int64 // of the integer measures, in their order
	touched int64   // start of the newest pane that it grew in, Never when in none
	changed bool    // since the last commit
}

func newTotals(plan *aggregate.Plan, index int, view aggregate.View) *totals {
	if view.Limit == 0 {
		return nil
	}
	return &totals{index: index, id: plan.ViewID(index), view: view, plan: plan, series: make(map[string]*series)}
}

// add counts the rows of the table of the pane that starts at pane, Never for
// records that are in none. New keys are admitted while there is room, the ones
// with most records first. A key that was quiet for its whole life returns from
// 0, be it that a commit has dropped it meanwhile or not.
func (t *totals) add(rows *aggregate.Table, pane int64) {
	var fresh []int
	for row := range rows.Len() {
		if s := t.series[string(rows.Key(row))]; s != nil {
			s.grow(rows.Values(row)[1:], pane)
		} else {
			fresh = append(fresh, row)
		}
	}
	if len(fresh) == 0 {
		return
	}
	if t.room() < len(fresh) {
		ranked := rows.Ranked(rows.Len())
		fresh = slices.DeleteFunc(ranked, func(row int) bool { return t.series[string(rows.Key(row))] != nil })
	}
	for _, row := range fresh {
		key := string(rows.Key(row))
		if t.room() <= 0 {
			key = otherKey
			t.folded++
		}
		t.admit(key).grow(rows.Values(row)[1:], pane)
	}
}

// room is how many more keys may be shown; "other" needs none.
func (t *totals) room() int {
	n := len(t.series)
	if t.series[otherKey] != nil {
		n--
	}
	return t.view.Limit - n
}

func (t *totals) admit(key string) *series {
	s := t.series[key]
	if s == nil {
		s = &series{labels: t.labels(key), values: make([]int64, t.plan.Width(t.index)), touched: aggregate.Never}
		t.series[key] = s
	}
	return s
}

func (t *totals) labels(key string) []string {
	if key == otherKey {
		return slices.Repeat([]string{"other"}, len(t.view.By))
	}
	return t.plan.KeyLabels(t.index, []byte(key))
}

func (s *series) grow(by []int64, pane int64) {
	if pane != aggregate.Never {
		if s.touched != aggregate.Never && pane-s.touched >= seriesLife {
			clear(s.values)
		}
		s.touched = max(s.touched, pane)
	}
	for i, n := range by {
		s.values[i] = aggregate.Add(s.values[i], n)
	}
	s.changed = true
}

// changes visits the keys that changed since the last call, dropping those that
// went quiet: value is nil then. watermark is the global one; Never and Forever
// age nothing.
func (t *totals) changes(watermark int64, visit func(key string, value []byte)) {
	ages := watermark != aggregate.Never && watermark != aggregate.Forever
	for key, s := range t.series {
		switch {
		case ages && s.touched != aggregate.Never && watermark-s.touched >= seriesLife+t.plan.Pane:
			// Whatever grows it from now on lies a life after touched.
			delete(t.series, key)
			visit(key, nil)
		case s.changed:
			s.changed = false
			visit(key, s.encode())
		}
	}
}

func (s *series) encode() []byte {
	b := binary.AppendVarint(nil, s.touched)
	for _, v := range s.values {
		b = binary.AppendVarint(b, v)
	}
	return b
}

var errSeries = errors.New("committed totals of a key are broken")

// restore puts back one key.
func (t *totals) restore(key string, value []byte) error {
	s := t.admit(key)
	numbers := make([]int64, 1+len(s.values))
	for i := range numbers {
		n, used := binary.Varint(value)
		if used <= 0 {
			return errSeries
		}
		numbers[i], value = n, value[used:]
	}
	s.touched = numbers[0]
	copy(s.values, numbers[1:])
	return nil
}

// gauges are what one view shows of the last closed pane.
type gauges struct {
	index   int
	id      string
	view    aggregate.View
	plan    *aggregate.Plan
	rows    []gaugeRow
	changed bool
}

// gaugeRow is one key; Values are the view's measures in their declared order,
// sets counted.
type gaugeRow struct {
	Labels []string `json:"labels"`
	Values []int64  `json:"values"`
}

func newGauges(plan *aggregate.Plan, index int, view aggregate.View) *gauges {
	if view.Top == 0 && !slices.Contains(view.Measure, aggregate.MeasureUniqueSources) {
		return nil
	}
	return &gauges{index: index, id: plan.ViewID(index), view: view, plan: plan}
}

// show takes over what a closed pane says: the first keys by records, then key.
// It returns how many it leaves out.
func (g *gauges) show(t *aggregate.Table) (left int64) {
	limit := max(g.view.Top, g.view.Limit)
	g.rows = g.rows[:0:0]
	for _, row := range t.Ranked(limit) {
		r := gaugeRow{Labels: g.plan.KeyLabels(g.index, t.Key(row)), Values: make([]int64, 0, len(g.view.Measure))}
		sums := t.Values(row)[1:]
		for _, m := range g.view.Measure {
			if m == aggregate.MeasureUniqueSources {
				r.Values = append(r.Values, int64(t.Distinct(row).Count()))
				continue
			}
			r.Values, sums = append(r.Values, sums[0]), sums[1:]
		}
		g.rows = append(g.rows, r)
	}
	g.changed = true
	return int64(t.Len() - len(g.rows))
}
