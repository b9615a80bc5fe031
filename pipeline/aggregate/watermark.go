package aggregate

import "math"

// Never is the watermark of a partition of which nothing is known, and
// Forever that of one that has ended.
const (
	Never   = math.MinInt64
	Forever = math.MaxInt64
)

// jump and jumpRecords say when event time without arrival times to hold it
// against may leap ahead: a record more than a day beyond all before it counts
// for the watermark only from the 16th such record on.
const (
	jump        = 24 * 3600
	jumpRecords = 16
)

// Watermark is the running watermark of one partition: the greatest
// min(end, arrival) it has seen, less the allowed lateness. It never falls.
type Watermark struct {
	Lateness int64 // seconds
	Pane     int64 // seconds
	at       int64 // the watermark, Unix seconds
	beyond   int   // records in a row more than a day ahead
}

// NewWatermark returns a watermark that stands at a known value, or Never, and
// what Beyond returned there.
func NewWatermark(lateness, pane, at int64, beyond int) Watermark {
	return Watermark{Lateness: lateness, Pane: pane, at: at, beyond: beyond}
}

// Beyond returns how many records in a row were more than a day ahead.
func (w *Watermark) Beyond() int { return w.beyond }

// At returns the watermark in Unix seconds.
func (w *Watermark) At() int64 { return w.at }

// Late reports whether a record that starts then comes after its pane was
// closed by this watermark.
func (w *Watermark) Late(start int64) bool {
	return w.at != Never && PaneOf(start, w.Pane)+w.Pane <= w.at
}

// Observe raises the watermark by a record's end and, where it is known (not
// 0), its arrival.
func (w *Watermark) Observe(end, arrival int64) {
	to := end
	if arrival != 0 {
		to = min(to, arrival)
	} else if w.at != Never && end > w.at+w.Lateness+jump {
		if w.beyond++; w.beyond < jumpRecords {
			return
		}
	}
	w.beyond = 0
	w.Raise(to - w.Lateness)
}

// Raise lifts the watermark to a value, and never lowers it.
func (w *Watermark) Raise(to int64) { w.at = max(w.at, to) }

// PaneOf returns the start of the pane that a time lies in.
func PaneOf(t, pane int64) int64 {
	start := t - t%pane
	if t < 0 && t%pane != 0 {
		start -= pane
	}
	return start
}
