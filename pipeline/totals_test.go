package pipeline

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// portPlan counts flows and bytes by dstport, for three ports.
func portPlan(t *testing.T) *aggregate.Plan {
	t.Helper()
	plan, err := aggregate.NewPlan([]aggregate.View{
		{Name: "port", Metric: "port", By: []string{"dstport"}, Measure: []string{"flows", "bytes"}, Limit: 3},
	}, 300)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// ports is a pane with so many records of 100 bytes for each port.
func ports(t *testing.T, plan *aggregate.Plan, records map[int]int) *aggregate.Table {
	t.Helper()
	f := aggregate.NewFolder(plan)
	e := enrich.New(nil, nil)
	for port, n := range records {
		for range n {
			var r flowlog.Record
			line := fmt.Sprintf("2 1 eni-1 192.0.2.1 10.0.0.1 40000 %d 6 1 100 600 660 ACCEPT OK", port)
			if _, reason := flowlog.NewParser(nil).Parse([]byte(line), &r); reason != 0 {
				t.Fatal(reason)
			}
			var flow enrich.Flow
			e.Enrich(&r, &flow)
			f.Add(&flow)
		}
	}
	return f.Partial.Pane(600).View(0)
}

func shown(t *totals) map[string][]int64 {
	got := make(map[string][]int64)
	for _, s := range t.publish() {
		got[s.Labels[0]] = s.Values
	}
	return got
}

func TestKeysBeyondTheLimitCountIntoOther(t *testing.T) {
	plan := portPlan(t)
	totals := newTotals(plan, 0, plan.Views()[0])
	totals.add(ports(t, plan, map[int]int{22: 1}), 600)
	totals.add(ports(t, plan, map[int]int{22: 1, 80: 5, 443: 9, 25: 3, 110: 2}), 600)
	// 22 was there first; of the new ones the busiest two find room.
	want := map[string][]int64{"22": {2, 200}, "443": {9, 900}, "80": {5, 500}, "other": {5, 500}}
	if diff := cmp.Diff(want, shown(totals)); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
	if totals.folded != 2 {
		t.Errorf("%d keys were counted as folded, want 2", totals.folded)
	}
}

// A scrape sorts series by the names of their labels.
func TestSeriesAreInTheOrderOfAScrape(t *testing.T) {
	v := aggregate.View{By: []string{"account-id", "vpc-id", "interface-id"}}
	if diff := cmp.Diff([]int{0, 2, 1}, byLabelName(&v)); diff != "" {
		t.Errorf("account, interface, VPC (-want +got):\n%s", diff)
	}
}

func TestQuietKeysExpireAndReturnFromZero(t *testing.T) {
	plan := portPlan(t)
	totals := newTotals(plan, 0, plan.Views()[0])
	commit := func(watermark int64) (changed, gone []string) {
		totals.changes(watermark, func(key string, value []byte) {
			if value == nil {
				gone = append(gone, totals.labels(key)[0])
			} else {
				changed = append(changed, totals.labels(key)[0])
			}
		})
		return changed, gone
	}
	totals.add(ports(t, plan, map[int]int{22: 4}), 600)
	if changed, _ := commit(1000); len(changed) != 1 {
		t.Errorf("a commit writes %v, want the one key", changed)
	}
	if changed, gone := commit(600 + seriesLife); len(changed)+len(gone) != 0 {
		t.Errorf("a quiet commit writes %v and drops %v", changed, gone)
	}
	if _, gone := commit(900 + seriesLife); len(gone) != 1 {
		t.Errorf("after a day and a pane without increments %v expired, want port 22", gone)
	}
	totals.add(ports(t, plan, map[int]int{22: 1}), 600+seriesLife)
	if diff := cmp.Diff(map[string][]int64{"22": {1, 100}}, shown(totals)); diff != "" {
		t.Errorf("a key that returns (-want +got):\n%s", diff)
	}
}

func TestAQuietKeyReturnsFromZeroWhetherACommitDroppedItOrNot(t *testing.T) {
	plan := portPlan(t)
	totals := newTotals(plan, 0, plan.Views()[0])
	totals.add(ports(t, plan, map[int]int{22: 4}), 600)
	totals.add(ports(t, plan, map[int]int{22: 1}), 600+seriesLife)
	if diff := cmp.Diff(map[string][]int64{"22": {1, 100}}, shown(totals)); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}

func TestAViewSaysHowManyKeysItsGaugesLeaveOut(t *testing.T) {
	plan, err := aggregate.NewPlan([]aggregate.View{
		{Name: "port", Metric: "port", By: []string{"dstport"}, Measure: []string{"flows"}, Top: 2},
	}, 300)
	if err != nil {
		t.Fatal(err)
	}
	g := newGauges(plan, 0, plan.Views()[0])
	f := func(left int64, shown []string, records map[int]int) {
		t.Helper()
		got := g.show(ports(t, plan, records))
		var labels []string
		for _, s := range g.publish() {
			labels = append(labels, s.Labels[0])
		}
		if diff := cmp.Diff(shown, labels); diff != "" || got != left {
			t.Errorf("%d keys are left out, want %d; shown (-want +got):\n%s", got, left, diff)
		}
	}
	f(3, []string{"443", "80"}, map[int]int{22: 1, 80: 5, 443: 9, 25: 3, 110: 2})
	f(0, []string{"22", "80"}, map[int]int{22: 2, 80: 1})
}

func TestTotalsSurviveTheStore(t *testing.T) {
	plan := portPlan(t)
	before, after := newTotals(plan, 0, plan.Views()[0]), newTotals(plan, 0, plan.Views()[0])
	before.add(ports(t, plan, map[int]int{22: 1, 80: 5, 443: 9, 25: 3}), 600)
	before.changes(7, func(key string, value []byte) {
		if err := after.restore(key, value); err != nil {
			t.Fatal(err)
		}
	})
	if diff := cmp.Diff(shown(before), shown(after)); diff != "" {
		t.Errorf("restored totals (-before +after):\n%s", diff)
	}
	if err := after.restore("\x0222", []byte{0x80}); err == nil {
		t.Error("broken totals were restored without an error")
	}
}
