package aggregate

import "testing"

func TestLatenessIsAPureRuleOfThePartition(t *testing.T) {
	w := NewWatermark(900, 300, Never, 0)
	if w.Late(-1e15) {
		t.Error("a record is late before anything was seen")
	}
	w.Observe(10_000, 10_030)
	if w.At() != 9_100 {
		t.Errorf("watermark %d, want 9100", w.At())
	}
	// Pane [8700, 9000) is closed, [9000, 9300) is not.
	if !w.Late(8_999) || w.Late(9_000) {
		t.Errorf("late(8999) %v, want true; late(9000) %v, want false", w.Late(8_999), w.Late(9_000))
	}
	w.Observe(5_000, 10_040) // an old record
	if w.At() != 9_100 {
		t.Errorf("watermark fell to %d", w.At())
	}
	w.Observe(20_000, 10_100) // an end that lies ahead of its arrival
	if w.At() != 9_200 {
		t.Errorf("watermark %d follows a record beyond its arrival, want 9200", w.At())
	}
}

func TestALeapNeedsSixteenRecords(t *testing.T) {
	w := NewWatermark(3600, 300, Never, 0)
	w.Observe(1_000_000, 0)
	far := int64(1_000_000 + 30*24*3600)
	for i := range 15 {
		if w.Observe(far, 0); w.At() != 1_000_000-3600 {
			t.Fatalf("record %d of a leap moved the watermark to %d", i+1, w.At())
		}
	}
	w.Observe(1_000_100, 0) // the usual comes between: it was no gap
	for range 15 {
		w.Observe(far, 0)
	}
	if w.At() != 1_000_100-3600 {
		t.Fatalf("15 records after a usual one moved the watermark to %d", w.At())
	}
	if w.Observe(far, 0); w.At() != far-3600 {
		t.Errorf("watermark %d after 16 records, want %d", w.At(), far-3600)
	}
}

func TestPanesOfNegativeTimes(t *testing.T) {
	for in, want := range map[int64]int64{0: 0, 299: 0, 300: 300, -1: -300, -300: -300, -301: -600} {
		if got := PaneOf(in, 300); got != want {
			t.Errorf("pane of %d is %d, want %d", in, got, want)
		}
	}
}
